"""The body of `/v1/completions`, the structs of its replies, and what becomes of each parameter."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, UnsetType, field

from ..parameters import Parameter, Verdict
from ..request_fields import ConstraintFields, ResponseFormat
from .chat_reply import FINGERPRINT, Usage
from .chat_types import StreamOptions

PATH = "/v1/completions"

TokenId = Annotated[int, Meta(ge=0)]


class CompletionRequest(ConstraintFields, kw_only=True, forbid_unknown_fields=True):
    """What `/v1/completions` takes; `COMPLETION_PARAMETERS` says what becomes of each."""

    prompt: str | list[str | TokenId | list[TokenId]]
    model: str | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0)] | None = None
    best_of: int | None = None
    suffix: str | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Raw = field(default_factory=Raw)
    user: str | None = None


class CompletionLogprobs(msgspec.Struct):
    """Parallel lists, one entry a token of the text; None for the very first token, which nothing comes before."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


class CompletionChoice(msgspec.Struct):
    """One sample, or more of it."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None


class Completion(msgspec.Struct):
    """A whole reply, or a chunk; of chunks `usage` is there only where it was asked for, and null but in the last."""

    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | UnsetType | None
    object: str = "text_completion"
    system_fingerprint: str = FINGERPRINT


def _table(verdict: Verdict, reasons: dict[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, PATH, verdict, reason) for name, reason in reasons.items())


COMPLETION_PARAMETERS = (
    *_table(
        "supported",
        {
            "prompt": (
                "a text, token ids, or a list of either; special tokens spelt out in a text are read as such, as a "
                "prompt is written by hand"
            ),
            "model": 'the name of the model that is served, or "default", or left out',
            "max_tokens": "default 16; 0: nothing is generated, as is of use with echo and logprobs",
            "echo": "the text begins with the prompt, and so do the log-probabilities",
            "logprobs": "alternatives reported for each token; in a stream they come in one chunk before the end",
            "n": "samples of each prompt, which is computed once",
            "stop": "a string or several; the text ends before it, and no part of it is streamed",
            "seed": "64 bits; the same request with the same seed has the same answer",
            "temperature": "0 takes the most likely token; default 1",
            "top_p": "in (0, 1]",
            "frequency_penalty": "in [-2, 2]",
            "presence_penalty": "in [-2, 2]",
            "logit_bias": "by token id",
            "stream": "server-sent events",
            "stream_options": "include_usage; include_obfuscation changes nothing, as nothing is obfuscated",
            "response_format": "as in /v1/chat/completions: json_object, json_schema, structural_tag",
            "regex": "the text matches it (Python syntax)",
            "ebnf": "the text derives from its rule root (GBNF)",
            "structural_tag": "free text with tagged parts",
            "structured_outputs": "vLLM's",
            "min_p": "in [0, 1]",
            "top_k": "-1 and 0: all tokens",
            "repetition_penalty": "in (0, 2]",
            "min_tokens": "nothing ends the text before so many",
            "stop_token_ids": "tokens that end the text",
            "ignore_eos": "go on to the limit",
            "skip_special_tokens": "false: special tokens are spelt out in the text",
            "cache_salt": "requests share cached prefixes only with those of the same salt",
            "priority": "the higher, the less it loses when memory is short",
            "queue_timeout_s": "it fails where it has not begun so many seconds after it came",
            "timeout_s": "it fails where it has not ended so many seconds after it came",
        },
    ),
    *_table("ignored", {"user": "names nobody here", "metadata": "nothing is stored"}),
    *_table(
        "refused",
        {
            "suffix": "the model does not fill in what is between two texts; the empty string and null are taken",
            "best_of": "say n, and choose among the samples; the value of n, and null, are taken",
            "prompt_logprobs": "say echo and logprobs",
            "prompt_embeds": "a prompt is text or token ids",
            "guided_json": "say structured_outputs",
            "guided_regex": "say structured_outputs",
            "guided_choice": "say structured_outputs",
            "guided_grammar": "say structured_outputs",
            "use_beam_search": "say n, and choose among the samples",
        },
    ),
)
