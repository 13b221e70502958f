"""OpenSeam: the last tokens of a text, taken back, and what may be written in their place."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .bitmask import allowed_among, row_of
from .matcher import CompiledGrammar, Matcher
from .vocabulary import Vocabulary

MAX_WALKED_TOKENS = 200
"""Tokens at one place of which a grammar is tried one by one; see `open_seam`."""
_MAX_KEPT_LISTS = 32


@dataclass(frozen=True, eq=False)
class OpenSeam:
    """Where a text ends, as a generation may write it anew.

        text        http | : |        ":" is taken back
        place 0          | ://        a token that begins with all that is left, and is longer: it spans the seam
                         | : |        or the text's own token again, and so on to its end
        the end              | //     what follows has the seam behind it

    The tokens of the text may be written again up to any of their ends; there a longer token may take over, once. That
    always leads past the end, in the worst case by the text's own tokens, and writes nothing else than the text.
    Tokens that begin inside one of the text's are not looked at: most of them are ways to write it that no tokenizer
    knows, and a model that is held to the text would be led there by whatever else begins so.
    """

    token_ids: tuple[int, ...]
    """What was taken back."""
    rests: tuple[bytes, ...]
    """[num_places] What is left of the text at each place."""
    rows: tuple[Tensor, ...]
    """[num_places] of [mask_words] int32: the text's own token, and those that span; not to be changed."""


def open_seam(
    tail: Sequence[int], vocabulary: Vocabulary, grammar: CompiledGrammar | None, banned: Collection[int]
) -> OpenSeam | None:
    """The seam at the end of a text, as far back as a token could begin that spans it; None where none could.

    `tail`: the last tokens of the text, those that may be taken back. `grammar`: what the text past the end is held to,
    from its first byte on. `banned`: tokens that may not span.

    Under a grammar a token spans where what it adds past the end may begin the grammar's text. Where that is itself a
    token, the first mask tells; else it is cut into its longest tokens and these are walked, for `MAX_WALKED_TOKENS` a
    place at most: those with the smallest ids, which byte-pair vocabularies learnt first. So there may be fewer ways to
    write a text, and never fewer texts. What a grammar has no part in is kept: the first time after a blank takes about
    100 ms for 15,000 tokens that begin with one, each further time 0.1 ms, and 2 to 10 ms under a grammar.
    """
    start = None if grammar is None else _Start(grammar, vocabulary)
    rest, rests, spanning = b"", list[bytes](), list[NDArray[np.int64]]()
    for token_id in reversed(tail):
        rest = vocabulary.text_tokens[token_id] + rest
        if len(rest) >= vocabulary.max_text_len:
            break
        rests.insert(0, rest)
        spanning.insert(0, _spanning(rest, vocabulary, start, banned))
    first = next((place for place, token_ids in enumerate(spanning) if len(token_ids)), None)
    if first is None:
        return None
    token_ids = tuple(tail[len(tail) - len(rests) + first :])
    rows = [
        row_of(np.append(others, own), vocabulary.mask_words)
        for others, own in zip(spanning[first:], token_ids, strict=True)
    ]
    return OpenSeam(token_ids, tuple(rests[first:]), tuple(rows))


def tokens_of(text: bytes, vocabulary: Vocabulary) -> list[int] | None:
    """Tokens that are `text`, each the longest that fits; None where that leads nowhere. O(len * longest token)."""
    token_ids, texts = list[int](), vocabulary.text_tokens
    while text:
        token_id = _longest_token(text, vocabulary)
        if token_id is None:
            return None
        token_ids.append(token_id)
        text = text[len(texts[token_id]) :]
    return token_ids


def _longest_token(text: bytes, vocabulary: Vocabulary) -> int | None:
    """The longest token that `text` begins with."""
    known = vocabulary.token_ids_by_text
    for end in range(min(len(text), vocabulary.max_text_len), 0, -1):
        token_id = known.get(text[:end])
        if token_id is not None:
            return token_id
    return None


@dataclass(frozen=True, eq=False)
class _Candidates:
    """The tokens that begin with the rest of a text and are longer, by their ids."""

    rest_len: int
    token_ids: NDArray[np.int64]  # [num_candidates]
    heads: NDArray[np.int64]  # [num_candidates] the first of `tokens_of` what each adds to the rest
    is_single: NDArray[np.bool_]  # [num_candidates] whether that is all of it


@lru_cache(maxsize=_MAX_KEPT_LISTS)
def _candidates(rest: bytes, vocabulary: Vocabulary) -> _Candidates:
    token_ids, heads, is_single, texts = list[int](), list[int](), list[bool](), vocabulary.text_tokens
    for token_id in sorted(vocabulary.token_ids_beginning(rest)):
        added = texts[token_id][len(rest) :]
        head = _longest_token(added, vocabulary)
        if head is not None:
            token_ids.append(token_id)
            heads.append(head)
            is_single.append(len(texts[head]) == len(added))
    return _Candidates(
        len(rest), np.array(token_ids, np.int64), np.array(heads, np.int64), np.array(is_single, np.bool_)
    )


def _spanning(
    rest: bytes, vocabulary: Vocabulary, start: "_Start | None", banned: Collection[int]
) -> NDArray[np.int64]:
    """The tokens that may span the seam where `rest` is left of the text."""
    candidates = _candidates(rest, vocabulary)
    if not len(candidates.token_ids):
        return candidates.token_ids
    token_ids = candidates.token_ids if start is None else start.legal(candidates)
    return token_ids[~np.isin(token_ids, list(banned))] if banned else token_ids


class _Start:
    """The beginning of a grammar's text."""

    def __init__(self, grammar: CompiledGrammar, vocabulary: Vocabulary) -> None:
        self._matcher: Matcher = grammar.new_matcher()
        self._vocabulary = vocabulary
        self._row: Tensor = torch.zeros(vocabulary.mask_words, dtype=torch.int32)  # [mask_words]
        self._matcher.fill_bitmask(self._row)

    def legal(self, candidates: _Candidates) -> NDArray[np.int64]:
        """Those of the candidates that go on as the grammar does."""
        is_legal = allowed_among(self._row, candidates.heads)
        to_walk = np.flatnonzero(is_legal & ~candidates.is_single)
        is_legal[to_walk] = False
        for index in to_walk[:MAX_WALKED_TOKENS].tolist():
            text = self._vocabulary.text_tokens[candidates.token_ids[index]]
            is_legal[index] = self._may_begin(tokens_of(text[candidates.rest_len :], self._vocabulary))
        return candidates.token_ids[is_legal]

    def _may_begin(self, path: Sequence[int] | None) -> bool:
        if path is None:
            return False
        num_accepted = 0
        while num_accepted < len(path) and self._matcher.accept(path[num_accepted]):
            num_accepted += 1
        if num_accepted:
            self._matcher.rollback(num_accepted)
        return num_accepted == len(path)
