"""sampling_params, request_terms: from a body's fields to what the engine takes, within the server's limits."""

from collections.abc import Iterable

from ...lang.sampling_params import SamplingParams
from ...lang.terms import Terms
from ..errors import InvalidRequest
from ..text.stop_automaton import stop_automaton
from .api_error import ApiError, refused
from .request_fields import SamplingFields, TermsFields
from .settings import DefaultSettings, LimitSettings

_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "min_p": "min_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "repetition_penalty": "repetition_penalty",
    "min_tokens": "min_new_tokens",
    "ignore_eos": "ignore_eos",
    "skip_special_tokens": "skip_special_tokens",
}
"""Fields that go over as they are, by SamplingParams' names."""


def sampling_params(
    fields: SamplingFields, limits: LimitSettings, max_new_tokens: int, *, num_logprobs: int | None = None
) -> SamplingParams:
    """How one sample is picked; the seed and `n` are not in it, see `seed_of` and `num_samples`.

    num_logprobs: alternatives to report with each token; None: no log-probabilities.

    Raises: ApiError, InvalidArgument.
    """
    given = {ours: getattr(fields, name) for name, ours in _NAMES.items() if getattr(fields, name) is not None}
    if num_logprobs is not None and num_logprobs > limits.max_logprobs:
        raise refused("top_logprobs", f"at most {limits.max_logprobs}", num_logprobs)
    return SamplingParams(
        max_new_tokens=max_new_tokens,
        top_k=None if fields.top_k in (-1, 0) else fields.top_k,
        logit_bias=_logit_bias(fields.logit_bias or {}, limits),
        stop=_stops(fields.stop, limits),
        stop_token_ids=_stop_token_ids(fields.stop_token_ids or [], limits),
        return_logprob=num_logprobs is not None,
        top_logprobs_num=num_logprobs or 0,
        **given,
    )


def check_token_ids(params: SamplingParams, vocab_size: int) -> None:
    """Raise `ApiError` where a token is named that the model does not have."""
    for name, token_ids in (("logit_bias", params.logit_bias), ("stop_token_ids", params.stop_token_ids)):
        highest = max(token_ids, default=0)
        if highest >= vocab_size:
            raise refused(name, f"token ids below {vocab_size}", highest)


def check_stop_patterns(patterns: Iterable[str], param: str) -> None:
    """Refuse stop regexes that cannot be watched for within bounds; to be called in a thread. Raises: ApiError."""
    for pattern in patterns:
        try:
            stop_automaton(pattern)
        except InvalidRequest as error:
            raise ApiError(400, str(error), param=param, code="invalid_value") from error


def num_samples(fields: SamplingFields, limits: LimitSettings, num_prompts: int = 1) -> int:
    """How many samples of each prompt. Raises: ApiError."""
    number = 1 if fields.n is None else fields.n
    if not 1 <= number * num_prompts <= limits.max_samples:
        each = f", with {num_prompts} prompts" if num_prompts > 1 else ""
        raise refused("n", f"1 to {limits.max_samples // num_prompts}{each}", number)
    return number


def seed_of(fields: SamplingFields) -> int | None:
    """The engine's seed, an unsigned number; OpenAI's may be negative. Raises: ApiError."""
    if fields.seed is None:
        return None
    if not -(2**63) <= fields.seed < 2**64:
        raise refused("seed", "an integer of 64 bits", fields.seed)
    return fields.seed % 2**64


def request_terms(fields: TermsFields, tenant: str, defaults: DefaultSettings) -> Terms:
    """Raises: InvalidArgument."""
    return Terms(
        priority=fields.priority or 0,
        tenant=tenant,
        queue_timeout_s=defaults.queue_timeout_s if fields.queue_timeout_s is None else fields.queue_timeout_s,
        timeout_s=defaults.timeout_s if fields.timeout_s is None else fields.timeout_s,
    )


def new_token_limit(given: int | None, param: str, prompt_len: int, context_len: int, defaults: DefaultSettings) -> int:
    """How many tokens may be made: what was asked for, at most what is left of the context.

    Raises: ApiError where the prompt leaves no room.
    """
    num_left = context_len - prompt_len
    if num_left < 1:
        raise ApiError(
            400,
            f"the prompt is {prompt_len} tokens long, and the model's context {context_len}; shorten it",
            param=param,
            code="context_length_exceeded",
        )
    asked = defaults.max_completion_tokens if given is None else given
    return num_left if asked is None else min(asked, num_left)


def _stops(given: str | list[str] | None, limits: LimitSettings) -> tuple[str, ...]:
    stops = (given,) if isinstance(given, str) else tuple(given or ())
    if len(stops) > limits.max_stops:
        raise refused("stop", f"at most {limits.max_stops} strings", len(stops))
    longest = max(map(len, stops), default=0)
    if longest > limits.max_stop_len:
        raise refused("stop", f"at most {limits.max_stop_len} characters each", longest)
    return stops


def _stop_token_ids(given: list[int], limits: LimitSettings) -> tuple[int, ...]:
    if len(given) > limits.max_stops:
        raise refused("stop_token_ids", f"at most {limits.max_stops}", len(given))
    return tuple(given)


def _logit_bias(given: dict[str, float], limits: LimitSettings) -> dict[int, float]:
    if len(given) > limits.max_logit_bias:
        raise refused("logit_bias", f"at most {limits.max_logit_bias} tokens", len(given))
    biases: dict[int, float] = {}
    for key, bias in given.items():
        if not (key.isascii() and key.isdecimal() and len(key) < 12):
            raise refused("logit_bias", "token ids as keys", key)
        biases[int(key)] = bias
    return biases
