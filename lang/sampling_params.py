"""SamplingParams: how one generation picks and ends its tokens, checked when it is made."""

import re
import sys
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from .errors import InvalidArgument

_MAX_LOGIT_BIAS = 1e30
"""Further from 0 than any logit, and far enough from the end of float32 that a sum of the two stays finite."""


_MAX_TOP_K = 2**31 - 1

NUMBER_KEYS = Meta(extra_json_schema={"propertyNames": {"pattern": "^(0|[1-9][0-9]{0,8})$"}})
"""Numbers as the keys of an object, for a JSON Schema of it."""


class SamplingParams(msgspec.Struct, frozen=True, kw_only=True):
    """How tokens are picked, when a generation ends, and what is reported of it.

    A value object: it travels whole and is changed with `msgspec.structs.replace`. Every field is checked on
    construction; a wrong one raises `InvalidArgument` naming the field, what was expected and what came.
    """

    # How many
    max_new_tokens: int = 128
    min_new_tokens: int = 0
    """End-of-text, stop tokens and stop strings are not allowed to end the text before this many tokens."""
    n: int = 1
    """Independent samples of the same generation; the text goes on with the first."""

    # How tokens are picked
    temperature: float = 1.0
    """0 picks the most likely token; otherwise the token is `argmax(logits / temperature + gumbel noise)`."""
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Annotated[Mapping[int, float], NUMBER_KEYS] = {}
    seed: int | None = None
    """64-bit key of the noise. None: the branch's own seed."""

    # How it begins
    token_healing: bool = False
    """Where a longer token could reach past the end of the text, the model writes the text's last tokens anew, so that
    it may take that one. What the text says stays as it is, and no part of it is in the value."""

    # When it ends
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    stop_regex: tuple[str, ...] = ()
    ignore_eos: bool = False

    # What is reported
    return_logprob: bool = False
    logprob_start_len: int | None = None
    """With `return_logprob`: report the log-probabilities of the input from this token on; None: of no input."""
    top_logprobs_num: int = 0
    return_text_in_logprobs: bool = False
    skip_special_tokens: bool = True

    def __post_init__(self) -> None:
        _check(
            _is_int(self.max_new_tokens) and self.max_new_tokens >= 1,
            "max_tokens",
            "an integer >= 1",
            self.max_new_tokens,
        )
        _check(
            _is_int(self.min_new_tokens) and self.min_new_tokens >= 0,
            "min_tokens",
            "an integer >= 0",
            self.min_new_tokens,
        )
        _check(
            self.min_new_tokens <= self.max_new_tokens,
            "min_tokens",
            f"at most max_tokens ({self.max_new_tokens})",
            self.min_new_tokens,
        )
        _check(_is_int(self.n) and 1 <= self.n <= 128, "n", "an integer from 1 to 128", self.n)
        _check(
            _is_number(self.temperature) and self.temperature >= 0,
            "temperature",
            "a finite number >= 0",
            self.temperature,
        )
        _check(_is_number(self.top_p) and 0 < self.top_p <= 1, "top_p", "a number in (0, 1]", self.top_p)
        _check(
            self.top_k is None or (_is_int(self.top_k) and 1 <= self.top_k <= _MAX_TOP_K),
            "top_k",
            f"an integer from 1 to {_MAX_TOP_K}, or None for all tokens",
            self.top_k,
        )
        _check(_is_number(self.min_p) and 0 <= self.min_p <= 1, "min_p", "a number in [0, 1]", self.min_p)
        for name in ("frequency_penalty", "presence_penalty"):
            value = getattr(self, name)
            _check(_is_number(value) and -2 <= value <= 2, name, "a number in [-2, 2]", value)
        _check(
            _is_number(self.repetition_penalty) and 0 < self.repetition_penalty <= 2,
            "repetition_penalty",
            "a number in (0, 2]",
            self.repetition_penalty,
        )
        for token_id, bias in self.logit_bias.items():
            _check(_is_int(token_id) and token_id >= 0, "logit_bias", "token ids (integers >= 0) as keys", token_id)
            is_good = _is_number(bias) and abs(bias) <= _MAX_LOGIT_BIAS
            _check(is_good, f"logit_bias[{token_id}]", f"a number in [-{_MAX_LOGIT_BIAS}, {_MAX_LOGIT_BIAS}]", bias)
        _check(
            self.seed is None or (_is_int(self.seed) and 0 <= self.seed < 2**64),
            "seed",
            "an integer in [0, 2**64)",
            self.seed,
        )
        _check_strings("stop", self.stop)
        _check_strings("stop_regex", self.stop_regex)
        for pattern in self.stop_regex:
            _check_pattern("stop_regex", pattern)
        for token_id in self.stop_token_ids:
            _check(_is_int(token_id) and token_id >= 0, "stop_token_ids", "token ids (integers >= 0)", token_id)
        _check(
            self.logprob_start_len is None or (_is_int(self.logprob_start_len) and self.logprob_start_len >= 0),
            "logprob_start_len",
            "an integer >= 0, or None",
            self.logprob_start_len,
        )
        _check(
            _is_int(self.top_logprobs_num) and 0 <= self.top_logprobs_num <= 256,
            "top_logprobs_num",
            "an integer from 0 to 256",
            self.top_logprobs_num,
        )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _check(is_good: bool, name: str, expected: str, value: object) -> None:
    if not is_good:
        raise InvalidArgument(name, expected, value)


def _check_strings(name: str, values: tuple[str, ...]) -> None:
    _check(isinstance(values, tuple), name, "a tuple of strings", values)
    for value in values:
        _check(isinstance(value, str) and value != "", name, "non-empty strings", value)


def _check_pattern(name: str, pattern: str) -> None:
    """What this lets through may still be more than a backend can watch for."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise InvalidArgument(name, "a regular expression in Python syntax", pattern, str(error)) from error
