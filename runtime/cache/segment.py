"""Segments: how far two runs of token ids agree."""

from array import array
from collections.abc import Sequence

_FIRST_BLOCK_LEN = 64


def shared_len(segment: "array[int]", token_ids: Sequence[int], start: int) -> int:
    """How many tokens of `segment` are `token_ids[start:]`'s too, from the front. O(result).

    Blocks that double in length are compared as arrays, in C; the first that differs is halved to the difference.
    """
    limit = min(len(segment), len(token_ids) - start)
    low, block_len = 0, _FIRST_BLOCK_LEN
    while low < limit:
        high = min(low + block_len, limit)
        ours, theirs = segment[low:high], array("i", token_ids[start + low : start + high])
        if ours != theirs:
            return low + _first_difference(ours, theirs)
        low = high
        block_len *= 2
    return limit


def _first_difference(left: "array[int]", right: "array[int]") -> int:
    """The first index where two different arrays of one length differ. O(len)."""
    low, high = 0, len(left) - 1
    while low < high:
        middle = (low + high) // 2
        if left[low : middle + 1] == right[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low
