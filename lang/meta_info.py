"""Meta info: what is known of a value besides the value, as plain dicts in the form SGLang gives it."""

from collections.abc import Sequence
from typing import Any

from .events import FinishReason, GenResult, ScoreResult, SelectResult, TokenLogprob
from .running.entry import Result

MetaInfo = dict[str, Any]
"""Plain JSON values; their types depend on the key, which a static type cannot say."""


def meta_info_of(result: Result, meta_id: str) -> MetaInfo | list[MetaInfo]:
    """The meta info of a value; a list, one dict a sample, where a `gen` drew several. `meta_id`: names the value."""
    if isinstance(result, SelectResult):
        return _of_select(result, meta_id)
    if isinstance(result, ScoreResult):
        return {"id": meta_id, "logprob": result.logprob, "token_logprobs": _triples(result.token_logprobs)}
    if len(result) == 1:
        return _of_gen(result[0], meta_id)
    return [_of_gen(sample, f"{meta_id}.{index}") for index, sample in enumerate(result)]


def _of_gen(result: GenResult, meta_id: str) -> MetaInfo:
    meta: MetaInfo = {
        "id": meta_id,
        "finish_reason": _finish_reason(result.finish_reason, result.completion_tokens),
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "cached_tokens": result.cached_tokens,
        "seed": result.seed,
    }
    if result.masked_log_mass is not None:  # there was a constraint
        meta["masked_log_mass"] = result.masked_log_mass
        meta["forced_tokens"] = list(result.forced)
        meta["num_rollbacks"] = result.num_rollbacks
        meta["num_tokens_taken_back"] = result.num_tokens_taken_back
    if result.speculation is not None:
        meta["spec_verify_ct"] = result.speculation.num_verifications
        meta["spec_num_drafted_tokens"] = result.speculation.num_drafted_tokens
        meta["spec_num_accepted_tokens"] = result.speculation.num_accepted_tokens
        meta["spec_accept_length"] = result.speculation.accept_length
    if result.output_logprobs is not None:
        meta["output_token_logprobs"] = _triples(result.output_logprobs)
        meta["output_top_logprobs"] = _top_triples(result.output_logprobs)
    if result.input_logprobs is not None:
        meta["input_token_logprobs"] = _triples(result.input_logprobs)
        meta["input_top_logprobs"] = _top_triples(result.input_logprobs)
    return meta


def _of_select(result: SelectResult, meta_id: str) -> MetaInfo:
    return {
        "id": meta_id,
        "choices": list(result.choices),
        "scores": list(result.scores),
        "logprobs": list(result.logprobs),
        "probabilities": list(result.probabilities),
        "normalized_prompt_logprobs": [
            logprob / max(1, len(tokens))
            for logprob, tokens in zip(result.logprobs, result.token_logprobs, strict=True)
        ],
        "input_token_logprobs": [_triples(tokens) for tokens in result.token_logprobs],
        "prompt_tokens": result.prompt_tokens,
        "cached_tokens": result.cached_tokens,
    }


def _finish_reason(reason: FinishReason, completion_tokens: int) -> MetaInfo:
    if reason.type == "length":
        return {"type": "length", "matched": None, "length": completion_tokens}
    return {"type": "stop", "matched": reason.matched}


def _triples(tokens: Sequence[TokenLogprob]) -> list[tuple[float | None, int, str | None]]:
    return [(token.logprob, token.token_id, token.text) for token in tokens]


def _top_triples(tokens: Sequence[TokenLogprob]) -> list[list[tuple[float, int, str | None]]]:
    return [[(logprob, token_id, None) for token_id, logprob in token.top] for token in tokens]
