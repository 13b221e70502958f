"""One generation, token by token, with everything that decides the next token or the end worked out anew each time."""

import codecs
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from hash_model import naive_logits
from naive_sampling import Place, pick_token
from tiny_language import COMPILER, TOKENIZER, VOCAB_SIZE

from palmette.grammar.matcher import Matcher
from palmette.lang.ir import Gen
from palmette.lang.sampling_params import SamplingParams

EOS = frozenset(TOKENIZER.eos_token_ids)


@dataclass(frozen=True)
class Sample:
    """What a sample must be."""

    token_ids: tuple[int, ...]
    text: str
    reason: str
    matched: str | int | None
    num_kept: int
    """Tokens that stay on the tape."""
    rest: str = ""
    """Text after those, which is tokenised anew."""
    scores: tuple[float | None, ...] | None = None
    """Log-probabilities of the input, where they were asked for."""
    output_scores: tuple[float | None, ...] | None = None
    prompt_tokens: int = 0


def generate(tape: Sequence[int], operation: Gen, seed: int, path: int, context_len: int) -> Sample:
    """A sample of `operation` after `tape`, on a branch of that seed and path."""
    params, ids = operation.params, list[int]()
    ends = (frozenset() if params.ignore_eos else EOS) | frozenset(params.stop_token_ids)
    while not _is_over(operation, ids):
        token_id = _next_token(tape, ids, operation, seed if params.seed is None else params.seed, path, ends)
        if token_id in ends and _is_complete(operation, ids):
            return Sample((*ids, token_id), _text(ids, params, is_end=True), "stop", token_id, len(ids))
        ids.append(token_id)
        stopped = _stop(operation, ids)
        if stopped is not None:
            return stopped
        is_full = len(ids) >= params.max_new_tokens or len(tape) + len(ids) >= context_len
        if is_full and not _is_over(operation, ids):
            return Sample(tuple(ids), _text(ids, params, is_end=True), "length", None, len(ids))
    return Sample(tuple(ids), _text(ids, params, is_end=True), "stop", None, len(ids))


def _next_token(
    tape: Sequence[int], ids: list[int], operation: Gen, seed: int, path: int, ends: Collection[int]
) -> int:
    params = operation.params
    is_early = len(ids) < params.min_new_tokens
    allowed, banned = None, EOS | frozenset(ends) if is_early else frozenset()
    if operation.constraint is not None:
        allowed = _allowed(operation, ids)
        banned = EOS if is_early or params.ignore_eos else frozenset()
    return pick_token(
        naive_logits([*tape, *ids], VOCAB_SIZE),
        params,
        Place(seed, path, len(tape) + len(ids)),
        allowed=allowed,
        banned=banned,
        counts=Counter(ids),
        seen={*tape, *ids},
    )


def _allowed(operation: Gen, ids: list[int]) -> npt.NDArray[np.bool_]:
    """The tokens that the constraint allows after `ids`: [vocab_size]."""
    mask = torch.zeros(-(-VOCAB_SIZE // 32), dtype=torch.int32)
    _matcher(operation, ids).fill_bitmask(mask)
    token_ids = np.arange(VOCAB_SIZE)
    return (mask.numpy()[token_ids // 32] >> (token_ids % 32) & 1).astype(bool)


def _stop(operation: Gen, ids: list[int]) -> Sample | None:
    """The sample, if a stop string or regex ends it with the last token."""
    params = operation.params
    text, before = _text(ids, params), _text(ids[:-1], params)
    found = [] if len(ids) < params.min_new_tokens else _matches(text, len(before), params)
    if not found:
        return None
    start, end = min(found)
    heads = [
        (len(head), num) for num in range(len(ids) + 1) for head, broken in [_decode(ids[:num], params)] if not broken
    ]
    head_len, num_kept = max((num, head_len) for head_len, num in heads if head_len <= start)[::-1]
    rest = text[head_len:start]
    if operation.constraint is not None and (rest or not _is_complete(operation, ids[:num_kept])):
        return None
    return Sample(tuple(ids), text[:start], "stop", text[start:end], num_kept, rest)


def _matches(text: str, before_len: int, params: SamplingParams) -> list[tuple[int, int]]:
    """Where stops begin and end that end after the first `before_len` characters."""
    stops, starts = params.stop, range(len(text))
    spans = [(start, start + len(stop)) for stop in stops for start in starts if text.startswith(stop, start)]
    for pattern in map(re.compile, params.stop_regex):
        for start in starts:
            ends = (end for end in range(start + 1, len(text) + 1) if pattern.fullmatch(text, start, end))
            spans += [(start, end) for end in [next(ends, 0)]]
    return [(start, end) for start, end in spans if end > before_len]


def _decode(ids: Sequence[int], params: SamplingParams) -> tuple[str, str]:
    """The whole characters of the tokens, and what a broken one at the end would be shown as."""
    decoder, text = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for token_id in ids:
        data = TOKENIZER.token_bytes[token_id]
        if data is not None:
            text += decoder.decode(data)
        elif not params.skip_special_tokens:
            text += decoder.decode(b"", True) + TOKENIZER.special_text(token_id)
    return text, decoder.decode(b"", True)


def _text(ids: Sequence[int], params: SamplingParams, *, is_end: bool = False) -> str:
    text, broken = _decode(ids, params)
    return text + broken if is_end else text


def _matcher(operation: Gen, ids: Sequence[int]) -> Matcher:
    assert operation.constraint is not None
    matcher = COMPILER.compile(operation.constraint).new_matcher()
    assert all(matcher.accept(token_id) for token_id in ids), (operation.constraint, ids)
    return matcher


def _is_complete(operation: Gen, ids: Sequence[int]) -> bool:
    return operation.constraint is None or _matcher(operation, ids).is_completed


def _is_over(operation: Gen, ids: Sequence[int]) -> bool:
    return operation.constraint is not None and _matcher(operation, ids).is_terminated
