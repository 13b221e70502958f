"""Buckets: which recorded graph serves a pass."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..models.batch import Batch

MAX_TOKENS: Final = 256
"""Of a pass that a graph serves; where there are more, a device has enough to do to hide the launches."""
MAX_QUERY_LEN: Final = 64
"""Of a row: a token, or a tree of guesses behind it, or the rest of a prompt."""
_QUERY_LENS: Final = (1, 8, MAX_QUERY_LEN)
_FIRST_KV_LEN: Final = 4096
_MAX_CHECKED: Final = 64


@dataclass(frozen=True, slots=True)
class Bucket:
    """The passes that one graph serves: always `num_tokens` tokens, padding included, in rows of bounded lengths."""

    num_tokens: int
    max_query_len: int
    max_kv_len: int


class Buckets:
    """All buckets there are: so many that padding stays a small share, so few that their graphs are soon recorded.

        tokens                     1, 2, 4, 8, 16, 24 .. 64, 80 .. 128, 160 .. 256
        tokens of the longest row  1, or up to 8, or up to 64: it decides what a program of attention does
        cells of the longest row   up to 4096, 16384, 65536 ..: the tables of attention have room for them

    A tree of guesses counts as its nodes, wherever it is: a pass of 8 rows with 3 guesses each is one of 32 tokens.
    """

    def __init__(self, max_tokens: int, max_kv_len: int) -> None:
        """`max_tokens`: of a pass, at most MAX_TOKENS are served; `max_kv_len`: cells of a row, at most."""
        assert max_tokens >= 1, f"max_tokens: expected at least 1, got {max_tokens}"
        assert max_kv_len >= 1, f"max_kv_len: expected at least 1, got {max_kv_len}"
        self._num_tokens = tuple(_up_to(min(max_tokens, MAX_TOKENS), _token_counts()))
        self._kv_lens = tuple(_up_to(max_kv_len, _kv_lens()))

    @property
    def max_tokens(self) -> int:
        """Of the largest bucket."""
        return self._num_tokens[-1]

    @property
    def max_kv_len(self) -> int:
        """Of the bucket with the longest rows."""
        return self._kv_lens[-1]

    def choose(self, batch: Batch) -> Bucket | None:
        """The smallest bucket that a pass fits; None where it fits none."""
        num_tokens = _least(self._num_tokens, batch.num_tokens)
        query_len = _least(_QUERY_LENS, max(batch.query_lens))
        kv_len = _least(self._kv_lens, max(batch.kv_lens))
        if num_tokens is None or query_len is None or kv_len is None:
            return None
        return Bucket(num_tokens, min(query_len, num_tokens), kv_len)

    def of_decoding(self, max_rows: int, *, is_guessing: bool = False) -> list[Bucket]:
        """Those of up to `max_rows` rows that write, in texts of ordinary length, the largest first.

        `is_guessing`: also with up to seven guesses a row, up to 64 tokens in all; longer trees are rare. A graph that
        is recorded after a larger one finds the memory it needs.
        """
        largest = _least(self._num_tokens, max_rows) or self.max_tokens
        found = [Bucket(count, 1, self._kv_lens[0]) for count in self._num_tokens if count <= largest]
        if is_guessing:
            sizes = [count for count in self._num_tokens if 1 < count <= _MAX_CHECKED]
            found += [Bucket(count, min(_QUERY_LENS[1], count), self._kv_lens[0]) for count in sizes]
        return sorted(found, key=lambda bucket: bucket.num_tokens, reverse=True)


def _least(sizes: tuple[int, ...], wanted: int) -> int | None:
    index = bisect_left(sizes, wanted)
    return sizes[index] if index < len(sizes) else None


def _up_to(most: int, sizes: Iterator[int]) -> Iterator[int]:
    """Sizes below `most`, and `most`."""
    for size in sizes:
        if size >= most:
            break
        yield size
    yield most


def _token_counts() -> Iterator[int]:
    yield from (1, 2, 4)
    size = step = 8
    while True:
        yield size
        if size == 8 * step:
            step *= 2
        size += step


def _kv_lens() -> Iterator[int]:
    size = _FIRST_KV_LEN
    while True:
        yield size
        size *= 4
