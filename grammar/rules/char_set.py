"""CharSet: a set of Unicode scalar values as sorted ranges."""

import re
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

MAX_CODE_POINT = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)


@dataclass(frozen=True, slots=True)
class CharSet:
    """Code points in `ranges`: sorted, disjoint, not adjacent (first, last) pairs, both ends included.

    Surrogates are never members: UTF-8 text has none.
    """

    ranges: tuple[tuple[int, int], ...]

    @staticmethod
    def of(ranges: Iterable[tuple[int, int]]) -> "CharSet":
        """The union of any ranges. O(n log n)."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return CharSet(tuple(_without_surrogates(merged)))

    @staticmethod
    def from_text(characters: str) -> "CharSet":
        """The characters of a string."""
        return CharSet.of((ord(character), ord(character)) for character in characters)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __contains__(self, character: str) -> bool:
        code_point = ord(character)
        return any(first <= code_point <= last for first, last in self.ranges)

    def __or__(self, other: "CharSet") -> "CharSet":
        return CharSet.of((*self.ranges, *other.ranges))

    def __invert__(self) -> "CharSet":
        gaps: list[tuple[int, int]] = []
        next_free = 0
        for first, last in self.ranges:
            if next_free < first:
                gaps.append((next_free, first - 1))
            next_free = last + 1
        if next_free <= MAX_CODE_POINT:
            gaps.append((next_free, MAX_CODE_POINT))
        return CharSet.of(gaps)

    def __and__(self, other: "CharSet") -> "CharSet":
        return ~(~self | ~other)

    def __sub__(self, other: "CharSet") -> "CharSet":
        return self & ~other


def _without_surrogates(ranges: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    low, high = _SURROGATES
    for first, last in ranges:
        if last < low or first > high:
            yield first, last
            continue
        if first < low:
            yield first, low - 1
        if last > high:
            yield high + 1, last


ALL_CHARS = CharSet.of([(0, MAX_CODE_POINT)])
ASCII_DIGITS = CharSet.of([(0x30, 0x39)])
ASCII_WORD = CharSet.of([(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)])
ASCII_SPACE = CharSet.from_text(" \t\n\r\f\v")
ECMA_SPACE = CharSet.from_text(" \t\n\r\f\v\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff") | CharSet.of(
    [(0x2000, 0x200A)]
)


@cache
def python_class(letter: str) -> CharSet:
    r"""The members of `\d`, `\w` or `\s` as Python's `re` reads them in a text pattern; asked of `re` itself."""
    code_points = array("I", range(MAX_CODE_POINT + 1))
    every_char = code_points.tobytes().decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")
    spans = (match.span() for match in re.finditer(f"\\{letter}+", every_char))
    return CharSet.of((start, end - 1) for start, end in spans)
