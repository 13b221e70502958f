"""From the keyword arguments of `gen` and `run` to the `SamplingParams` fields that were set."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ..errors import InvalidArgument
from ..sampling_params import SamplingParams


class SingleSamplingArguments(TypedDict, total=False):
    """`SamplingArguments` without `n`."""

    min_tokens: int | None
    stop: str | Iterable[str] | None
    stop_token_ids: Iterable[int] | None
    stop_regex: str | Iterable[str] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    ignore_eos: bool | None
    return_logprob: bool | None
    logprob_start_len: int | None
    top_logprobs_num: int | None
    return_text_in_logprobs: bool | None
    seed: int | None
    logit_bias: Mapping[int, float] | None
    repetition_penalty: float | None
    token_healing: bool | None


class SamplingArguments(SingleSamplingArguments, total=False):
    """What `gen` takes to shape its sampling, by SGLang's names; None leaves a field to the run's default."""

    n: int | None


_FIELDS = {"max_tokens": "max_new_tokens", "min_tokens": "min_new_tokens"}
_FLAGS = ("ignore_eos", "return_logprob", "return_text_in_logprobs", "skip_special_tokens", "token_healing")


def set_fields(arguments: Mapping[str, object]) -> dict[str, Any]:
    """The `SamplingParams` fields that `arguments` sets, in that struct's own forms; raises `InvalidArgument`.

    A single stop becomes a tuple; SGLang's -1 for `top_k` (all tokens) and `logprob_start_len` (no input) becomes
    None, its meaning here.
    """
    fields: dict[str, Any] = {
        _FIELDS.get(name, name): _own_form(name, value) for name, value in arguments.items() if value is not None
    }
    # The bound may come with the run's defaults; they are checked against each other when the two meet.
    room = {} if "max_new_tokens" in fields else {"max_new_tokens": _at_least_default(fields.get("min_new_tokens"))}
    SamplingParams(**{**room, **fields})
    return fields


def _own_form(name: str, value: object) -> object:
    if name in ("stop", "stop_regex"):
        if isinstance(value, str):
            return (value,)
        return _tuple(name, "a string, or a list of strings", value)
    if name == "stop_token_ids":
        return _tuple(name, "a list of token ids", value)
    if name in ("top_k", "logprob_start_len") and value == -1:
        return None
    if name == "logit_bias":
        if not isinstance(value, Mapping):
            raise InvalidArgument(name, "a mapping from token id to bias", value)
        return dict(value)
    if name in _FLAGS and not isinstance(value, bool):
        raise InvalidArgument(name, "True or False", value)
    return value


def _tuple(name: str, expected: str, value: object) -> tuple[object, ...]:
    if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
        raise InvalidArgument(name, expected, value)
    return tuple(value)


def _at_least_default(min_new_tokens: object) -> int:
    default = SamplingParams().max_new_tokens
    return max(min_new_tokens, default) if isinstance(min_new_tokens, int) else default
