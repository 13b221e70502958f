"""From what a generation reports to SGLang's results: `{"text", "output_ids", "meta_info"}`."""

import uuid
from collections.abc import Sequence
from typing import Any

from ..lang.events import GenResult, ValueReady
from ..lang.meta_info import meta_info_of

Output = dict[str, Any]
"""`{"text", "output_ids", "meta_info"}` of one sample."""


def outputs_of(value: ValueReady) -> list[Output]:
    """The results of a `Gen`, one a sample."""
    assert isinstance(value.result, tuple), value.name
    return [output_of(result, uuid.uuid4().hex) for result in value.result]


def output_of(result: GenResult, meta_id: str) -> Output:
    """The result of one sample; `meta_id`: what its meta info is called."""
    return {
        "text": result.text,
        "output_ids": list(result.token_ids),
        "meta_info": meta_info_of((result,), meta_id),
    }


def partial_output(text: str, token_ids: Sequence[int] = (), **meta_info: object) -> Output:
    """What is there of a sample that is not finished."""
    return {"text": text, "output_ids": list(token_ids), "meta_info": {**meta_info, "finish_reason": None}}
