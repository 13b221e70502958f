"""TokenClasses: the tokens of a vocabulary that can close a JSON value, by where in the text they stand.

Looked at once per vocabulary, so that a mask is narrowed only over the few tokens that matter where the text is.
Each class may hold tokens too many, never one too few.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..vocabulary import Vocabulary

_STRING_END = re.compile(rb'((?:[^"\\]|\\.)*)"', re.DOTALL)
_WHOLE_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OUTSIDE = re.compile(
    rb"""(?: [][{}:,\s0-9eE.+\-truefalsn] | "(?:[^"\\]|\\.)*" )* (?: " (?:[^"\\]|\\.)* \\? )?""", re.DOTALL | re.VERBOSE
)
_CLOSER = re.compile(rb'[\]}"el]|[0-9][^0-9eE+.\-]', re.DOTALL)
_NUMBER_CLOSER = re.compile(rb'^[\s,]|[\]}"el]|[0-9][^0-9eE+.\-]', re.DOTALL)


class TokenSet:
    """Some tokens, and their places in a mask."""

    def __init__(self, token_ids: list[int]) -> None:
        self.token_ids: NDArray[np.int64] = np.array(token_ids, dtype=np.int64)  # [num_tokens]
        self._members = frozenset(token_ids)
        self._words = self.token_ids >> 5
        self._bits = np.left_shift(np.uint32(1), (self.token_ids & 31).astype(np.uint32))

    def __contains__(self, token_id: int) -> bool:
        return token_id in self._members

    def allowed(self, words: NDArray[np.uint32]) -> list[int]:
        """Those of the tokens that `words`, [mask_words], allows; 5 us for a thousand tokens."""
        hits: list[int] = self.token_ids[(words[self._words] & self._bits) != 0].tolist()
        return hits


@dataclass(frozen=True, slots=True)
class TokenClasses:
    """The classes of one vocabulary."""

    in_string: TokenSet
    """Tokens that close a string they stand in."""
    beyond_string: TokenSet
    """Those of them that may then close more."""
    parts: dict[int, tuple[bytes, bytes]]
    """By token of `in_string`: what stands before the closing quote, and what follows it."""
    by_head: dict[bytes, list[int]]
    """The tokens of `in_string`, by what stands before the closing quote."""
    escaped_heads: list[int]
    """Those of them with a backslash before it."""
    with_quote: TokenSet
    """Tokens with a quote anywhere, for where a backslash stands before them."""
    in_number: TokenSet
    outside: TokenSet
    """Tokens that may close something where they stand neither in a string nor in a number."""


@lru_cache(maxsize=8)
def token_classes(vocabulary: Vocabulary, *, is_whole: bool) -> TokenClasses:
    """The classes of `vocabulary`; 100 ms for 32 k tokens, kept for the last few vocabularies.

    `is_whole`: the text is one document, so that a token with anything else in it cannot follow anyway.
    """
    in_string: list[int] = []
    beyond_string: list[int] = []
    parts: dict[int, tuple[bytes, bytes]] = {}
    by_head: dict[bytes, list[int]] = {}
    escaped_heads: list[int] = []
    with_quote: list[int] = []
    in_number: list[int] = []
    outside: list[int] = []
    for token_id, text in enumerate(vocabulary.text_tokens):
        if b'"' in text:
            with_quote.append(token_id)
        if (end := _STRING_END.match(text)) is not None:
            head, rest = end.group(1), text[end.end() :]
            in_string.append(token_id)
            parts[token_id] = (head, rest)
            by_head.setdefault(head, []).append(token_id)
            if b"\\" in head:
                escaped_heads.append(token_id)
            if _can_close(rest, _CLOSER, is_whole):
                beyond_string.append(token_id)
        if text and _can_close(text, _NUMBER_CLOSER, is_whole):
            in_number.append(token_id)
            if _can_close(text, _CLOSER, is_whole):
                outside.append(token_id)
    return TokenClasses(
        in_string=TokenSet(in_string),
        beyond_string=TokenSet(beyond_string),
        parts=parts,
        by_head=by_head,
        escaped_heads=escaped_heads,
        with_quote=TokenSet(with_quote),
        in_number=TokenSet(in_number),
        outside=TokenSet(outside),
    )


def _can_close(text: bytes, closer: re.Pattern[bytes], is_whole: bool) -> bool:
    """Whether `text`, outside of strings, may close a value as far as it is JSON."""
    outside = _OUTSIDE.match(text)
    assert outside is not None, "it matches nothing at the least"
    if is_whole and outside.end() < len(text):
        return False
    # A whole string closes; one that is only opened does not, whatever is in it.
    marked = _WHOLE_STRING.sub(b"}", text[: outside.end() + 1]).partition(b'"')[0]
    return closer.search(marked) is not None


def is_in(words: NDArray[np.uint32], token_id: int) -> bool:
    """Whether `words`, [mask_words], allows a token."""
    return bool(int(words[token_id >> 5]) >> (token_id & 31) & 1)
