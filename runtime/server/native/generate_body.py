"""GenerateBody: what `/generate` takes, by SGLang's names."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, field

from ..parameters import Parameter, Verdict


class GenerateBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One prompt or several, as text or as token ids; `GENERATE_PARAMETERS` says what becomes of each field."""

    text: str | list[str] | None = None
    input_ids: list[int | list[int]] | None = None
    sampling_params: dict[str, Any] | list[dict[str, Any]] | None = None
    return_logprob: bool | list[bool] | None = None
    logprob_start_len: int | list[int | None] | None = None
    top_logprobs_num: int | list[int] | None = None
    return_text_in_logprobs: bool | None = None
    stream: bool | None = None
    rid: Annotated[str, Meta(min_length=1, max_length=256)] | list[str] | None = None
    priority: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    extra_key: Annotated[str, Meta(max_length=256)] | None = None
    cache_salt: Annotated[str, Meta(max_length=256)] | None = None
    queue_timeout_s: float | None = None
    timeout_s: float | None = None
    log_metrics: bool | None = None
    session_id: str | None = None
    image_data: Raw = field(default_factory=Raw)
    video_data: Raw = field(default_factory=Raw)
    audio_data: Raw = field(default_factory=Raw)
    input_embeds: Raw = field(default_factory=Raw)
    lora_path: Raw = field(default_factory=Raw)


def _table(verdict: Verdict, reasons: dict[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, "/generate", verdict, reason) for name, reason in reasons.items())


GENERATE_PARAMETERS = (
    *_table(
        "supported",
        {
            "text": "a prompt, or a list of prompts; special tokens spelt out in it are read as such",
            "input_ids": "the same as token ids; either this or text",
            "sampling_params": (
                "one for all, or one for each prompt: max_new_tokens (0: nothing is generated), "
                "min_new_tokens, n, stop, stop_token_ids, stop_regex, temperature, top_p, top_k, "
                "min_p, the penalties, logit_bias, sampling_seed, ignore_eos, skip_special_tokens, and "
                "one of json_schema, regex, ebnf, lark, choices, and prediction"
            ),
            "return_logprob": "the log-probabilities of what was generated",
            "logprob_start_len": "and those of the input from this token on; -1: of no input",
            "top_logprobs_num": "and of so many alternatives of each token",
            "return_text_in_logprobs": "and how each token is spelt",
            "stream": "events whose text grows; of several prompts or samples, `index` says which",
            "rid": ("the id by which /abort_request ends it; of several prompts a list, or what the ids begin with"),
            "priority": "the higher, the less it loses when memory is short",
            "extra_key": "shares cached prefixes only with its equals; another name of cache_salt",
            "cache_salt": "see extra_key",
            "queue_timeout_s": "it fails where it has not begun so many seconds after it came",
            "timeout_s": "it fails where it has not ended so many seconds after it came",
        },
    ),
    *_table(
        "ignored",
        {
            "log_metrics": "what is measured does not hang on one request",
            "session_id": "what a session would share, the prefix cache shares anyhow",
        },
    ),
    *_table(
        "refused",
        {
            "image_data": "the model reads text; null is taken",
            "video_data": "the model reads text; null is taken",
            "audio_data": "the model reads text; null is taken",
            "input_embeds": "a prompt is text or token ids; null is taken",
            "lora_path": "the model is served as it is; null is taken",
            "token_ids_logprob": "ask for top_logprobs_num, or score the text",
            "return_hidden_states": "the model's inside is not served",
            "session_params": "a prompt that begins as an earlier one finds it in the prefix cache",
            "custom_logit_processor": "no code of a request is run; say a constraint or logit_bias",
            "return_sampling_mask": "ask for top_logprobs_num",
            "bootstrap_host": "prefill and decode are one engine",
        },
    ),
)

NULL_ONLY = ("image_data", "video_data", "audio_data", "input_embeds", "lora_path")
"""Fields that clients send as null where they mean nothing by them."""
