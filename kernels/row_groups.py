"""Grouping of rows that begin with the same pages, so that what they share is read once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Measured on a CPU, in units of reading half a cell that lies where it is: reading a cell that is shared, or of a row
# alone; gathering a row's own cell; running one more group.
_SHARED_CELL_COST = 2
_OWN_CELL_COST = 3
_GROUP_COST = 400


@dataclass(frozen=True)
class RowGroup:
    """Rows whose first `shared_len` cells are the same, and visible to all of their tokens."""

    rows: tuple[int, ...]
    shared_len: int


def group_rows(
    rows: Sequence[int],
    page_table: NDArray[np.int64],
    query_lens: Sequence[int],
    kv_lens: Sequence[int],
    page_size: int,
) -> list[RowGroup]:
    """Split `rows` into groups that are cheap to attend together.

    A group costs its shared cells once, and for each row as many own cells as its longest row has (they are padded).
    The rows form a tree by their pages; at each fork of the tree they stay one group or part, whichever is cheaper.

    page_table: [num_rows, max_num_pages]. O(len(rows) * max_num_pages).
    """
    if len(rows) == 1:
        return [RowGroup((rows[0],), 0)]
    bases = {row: kv_lens[row] - query_lens[row] for row in rows}
    return _split(list(rows), page_table, bases, kv_lens, page_size)[0]


def _split(
    rows: list[int],
    page_table: NDArray[np.int64],
    bases: dict[int, int],
    kv_lens: Sequence[int],
    page_size: int,
) -> tuple[list[RowGroup], int]:
    if len(rows) == 1:
        return [RowGroup((rows[0],), 0)], _GROUP_COST + _SHARED_CELL_COST * kv_lens[rows[0]]
    num_full_pages = min(bases[row] for row in rows) // page_size
    pages = page_table[rows, :num_full_pages]
    is_same = (pages == pages[0]).all(axis=0)
    num_shared = num_full_pages if is_same.all() else int(is_same.argmin())
    shared_len = num_shared * page_size
    own_len = max(kv_lens[row] for row in rows) - shared_len
    together = _GROUP_COST + _SHARED_CELL_COST * shared_len + _OWN_CELL_COST * len(rows) * own_len

    children: dict[int, list[int]] = {}
    for row in rows:
        is_leaf = num_shared >= num_full_pages and bases[row] < (num_shared + 1) * page_size
        # A row whose full pages end here shares nothing more with any other.
        key = -1 - row if is_leaf else int(page_table[row, num_shared])
        children.setdefault(key, []).append(row)
    if len(children) == 1:
        return [RowGroup(tuple(rows), shared_len)], together
    apart: list[RowGroup] = []
    cost = 0
    for child in children.values():
        groups, child_cost = _split(child, page_table, bases, kv_lens, page_size)
        apart += groups
        cost += child_cost
        if cost >= together:
            return [RowGroup(tuple(rows), shared_len)], together
    return apart, cost
