"""CharClasses: the coarsest classes of characters that some sets never split, so that sets become bit masks."""

from bisect import bisect_left
from collections.abc import Iterable

from .char_set import MAX_CODE_POINT, CharSet


class CharClasses:
    """Numbers intervals of characters that no set of `sets` tells apart; bit `i` of a mask stands for interval `i`.

    [a-z] and [x]:    a..w = 0, x = 1, y..z = 2        [a-z] is 0b111, [x] is 0b010
    """

    def __init__(self, sets: Iterable[CharSet]) -> None:
        edges = {0, MAX_CODE_POINT + 1}
        for members in set(sets):
            for first, last in members.ranges:
                edges.add(first)
                edges.add(last + 1)
        self._edges = sorted(edges)
        self._masks: dict[CharSet, int] = {}

    def __len__(self) -> int:
        return len(self._edges) - 1

    def mask(self, members: CharSet) -> int:
        """The classes that make up `members`, one of the sets given."""
        mask = self._masks.get(members)
        if mask is None:
            mask = 0
            for first, last in members.ranges:
                low, high = bisect_left(self._edges, first), bisect_left(self._edges, last + 1)
                mask |= (1 << high) - (1 << low)
            self._masks[members] = mask
        return mask

    def witness(self, index: int) -> str:
        """A character of a class."""
        return chr(self._edges[index])
