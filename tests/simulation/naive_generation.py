"""One generation, token by token, with everything that decides the next token or the end worked out anew each time."""

import codecs
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from hash_model import naive_logits
from naive_sampling import Place, pick_token
from tiny_language import COMPILER, TOKENIZER, VOCAB_SIZE

from palmette.grammar.matcher import Matcher
from palmette.grammar.spec import Constraint
from palmette.lang.ir import Gen
from palmette.lang.sampling_params import SamplingParams

EOS = frozenset(TOKENIZER.eos_token_ids)
BYTE_TOKENS = {text[0]: token_id for token_id, text in enumerate(TOKENIZER.token_bytes) if text and len(text) == 1}


@dataclass(frozen=True)
class Asked:
    """A generation whose first token begins that many bytes before it."""

    operation: Gen
    num_hidden_bytes: int

    @property
    def params(self) -> SamplingParams:
        return self.operation.params

    @property
    def constraint(self) -> Constraint | None:
        return self.operation.constraint


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
    healed: tuple[int, ...] = ()
    """Tokens of the seam that were written again, before `token_ids`."""
    cut_off: tuple[int, ...] = ()
    """Tokens of the seam that take the place of all of `token_ids`, where none is kept."""


def generate(
    tape: Sequence[int], operation: Gen, seed: int, path: int, context_len: int, seam: Sequence[int] = ()
) -> Sample:
    """A sample of `operation` after `tape`, on a branch of that seed and path; `seam`: what was taken back of it."""
    own_seed = seed if operation.params.seed is None else operation.params.seed
    healed, spanning = _heal(tape, operation, own_seed, path, seam)
    rest = bytes_of(seam[len(healed) :])
    sample = _generate([*tape, *healed], Asked(operation, len(rest)), own_seed, path, context_len, spanning)
    return replace(sample, healed=healed, cut_off=() if sample.num_kept else tuple(seam[len(healed) :]))


def _generate(
    tape: Sequence[int], asked: Asked, seed: int, path: int, context_len: int, spanning: int | None
) -> Sample:
    params, ids = asked.params, list[int]()
    ends = (frozenset() if params.ignore_eos else EOS) | frozenset(params.stop_token_ids)
    while not _is_over(asked, ids):
        if spanning is not None and not ids:
            token_id = spanning
        else:
            token_id = _next_token(tape, ids, asked, seed, path, ends)
            if token_id in ends and _is_complete(asked, ids):
                return Sample((*ids, token_id), _text(ids, asked, is_end=True), "stop", token_id, len(ids))
        ids.append(token_id)
        stopped = _stop(asked, ids)
        if stopped is not None:
            return stopped
        is_full = len(ids) >= params.max_new_tokens or len(tape) + len(ids) >= context_len
        if is_full and not _is_over(asked, ids):
            return Sample(tuple(ids), _text(ids, asked, is_end=True), "length", None, len(ids))
    return Sample(tuple(ids), _text(ids, asked, is_end=True), "stop", None, len(ids))


# --- the seam


def seam_len(tape: Sequence[int], first: int, operation: Gen) -> int:
    """How many of the last tokens a generation takes back; those before `first` stay."""
    found = 0
    for num_tokens in range(1, min(8, len(tape) - max(first, 1)) + 1):
        tail = tape[len(tape) - num_tokens :]
        if any(TOKENIZER.token_bytes[token_id] is None for token_id in tail):
            break
        found = num_tokens if _spanning(bytes_of(tail), operation) else found
    return found


def bytes_of(token_ids: Sequence[int]) -> bytes:
    """Of tokens of plain text."""
    return b"".join(TOKENIZER.token_bytes[token_id] or b"" for token_id in token_ids)


def _spanning(rest: bytes, operation: Gen) -> list[int]:
    """The tokens that begin with the rest of a text, and go on with what may begin the value."""
    return [
        token_id
        for token_id, text in enumerate(TOKENIZER.token_bytes)
        if text is not None and text != rest and text.startswith(rest)
        if token_id not in operation.params.stop_token_ids
        if operation.constraint is None or _walks(operation.constraint, text[len(rest) :])
    ]


def _walks(constraint: Constraint, text: bytes) -> bool:
    matcher = COMPILER.compile(constraint).new_matcher()
    return all(matcher.accept(BYTE_TOKENS[byte]) for byte in text)


def _heal(
    tape: Sequence[int], operation: Gen, seed: int, path: int, seam: Sequence[int]
) -> tuple[tuple[int, ...], int | None]:
    """The tokens of the seam that are written again, and the one that spans it, if one does."""
    for place, own in enumerate(seam):
        before = [*tape, *seam[:place]]
        allowed = np.zeros(VOCAB_SIZE, dtype=np.bool_)
        allowed[[own, *_spanning(bytes_of(seam[place:]), operation)]] = True
        token_id = pick_token(
            naive_logits(before, VOCAB_SIZE),
            operation.params,
            Place(seed, path, len(before)),
            allowed=allowed,
            banned=(),
            counts={},
            seen=set(before),
        )
        if token_id != own:
            return tuple(seam[:place]), token_id
    return tuple(seam), None


def _next_token(tape: Sequence[int], ids: list[int], asked: Asked, seed: int, path: int, ends: Collection[int]) -> int:
    params = asked.params
    is_early = len(ids) < params.min_new_tokens
    allowed, banned = None, EOS | frozenset(ends) if is_early else frozenset()
    if asked.constraint is not None:
        allowed = _allowed(asked, ids)
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


def _allowed(asked: Asked, ids: list[int]) -> npt.NDArray[np.bool_]:
    """The tokens that the constraint allows after `ids`: [vocab_size]."""
    mask = torch.zeros(-(-VOCAB_SIZE // 32), dtype=torch.int32)
    _matcher(asked, ids).fill_bitmask(mask)
    token_ids = np.arange(VOCAB_SIZE)
    return (mask.numpy()[token_ids // 32] >> (token_ids % 32) & 1).astype(bool)


def _stop(asked: Asked, ids: list[int]) -> Sample | None:
    """The sample, if a stop string or regex ends it with the last token."""
    params = asked.params
    text, before = _text(ids, asked), _text(ids[:-1], asked)
    found = [] if len(ids) < params.min_new_tokens else _matches(text, len(before), params)
    if not found:
        return None
    start, end = min(found)
    heads = [
        (len(head), num) for num in range(len(ids) + 1) for head, broken in [_decode(ids[:num], asked)] if not broken
    ]
    head_len, num_kept = max((num, head_len) for head_len, num in heads if head_len <= start)[::-1]
    rest = text[head_len:start]
    if asked.constraint is not None and (rest or not _is_complete(asked, ids[:num_kept])):
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


def _decode(ids: Sequence[int], asked: Asked) -> tuple[str, str]:
    """The whole characters of the tokens, and what a broken one at the end would be shown as."""
    decoder, text = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for index, token_id in enumerate(ids):
        data = TOKENIZER.token_bytes[token_id]
        if data is not None:
            text += decoder.decode(data if index else data[asked.num_hidden_bytes :])
        elif not asked.params.skip_special_tokens:
            text += decoder.decode(b"", True) + TOKENIZER.special_text(token_id)
    return text, decoder.decode(b"", True)


def _text(ids: Sequence[int], asked: Asked, *, is_end: bool = False) -> str:
    text, broken = _decode(ids, asked)
    return text + broken if is_end else text


def _matcher(asked: Asked, ids: Sequence[int]) -> Matcher:
    assert asked.constraint is not None
    matcher = COMPILER.compile(asked.constraint).new_matcher()
    walked = list(ids)
    if asked.num_hidden_bytes and ids:
        walked = [BYTE_TOKENS[byte] for byte in bytes_of(ids[:1])[asked.num_hidden_bytes :]] + walked[1:]
    assert all(matcher.accept(token_id) for token_id in walked), (asked.constraint, ids)
    return matcher


def _is_complete(asked: Asked, ids: Sequence[int]) -> bool:
    return asked.constraint is None or _matcher(asked, ids).is_completed


def _is_over(asked: Asked, ids: Sequence[int]) -> bool:
    return asked.constraint is not None and _matcher(asked, ids).is_terminated
