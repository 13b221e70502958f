"""The rows of a step as FlashInfer's wrappers are told of them: parts by kind, lists of pages in compressed rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..attention_rows import AttentionRows
from ..row_groups import RowGroup, group_rows
from .host_rows import on_host
from .visible_cells import visible_cells

PartKind = Literal["decode", "append", "trees", "shared"]
"""Rows of one token; of more; under masks; and rows that begin with the same pages, of any number of tokens."""

MIN_SHARED_LEN: Final = 256
"""Cells that rows must have in common for the two passes over them and their merge; not measured yet."""


@dataclass(frozen=True)
class PageLists:
    """Which queries see which pages; a list is one row, or several rows that are seen as one."""

    query_starts: NDArray[np.int32]  # [num_lists + 1] tokens of the part before each list
    page_starts: NDArray[np.int32]  # [num_lists + 1] pages before each list
    pages: NDArray[np.int32]  # [page_starts[-1]]
    last_page_lens: NDArray[np.int32]  # [num_lists] cells of a list's last page, 1 to page_size


@dataclass(frozen=True)
class Part:
    """Rows that one wrapper attends."""

    kind: PartKind
    tokens: NDArray[np.int64] | None  # of the step, in the order of the part; None: all of them, in order
    levels: tuple[PageLists, ...]  # one; of kind "shared" two: what groups of rows share, then what rows have alone
    mask: NDArray[np.bool_] | None  # of kind "trees": [query_len * kv_len] of each row, row after row
    window_left: int | None  # cells before its own that a token sees at most; None: all, or as the mask says


def flashinfer_parts(rows: AttentionRows, *, can_share: bool = True) -> tuple[Part, ...]:
    """Part the rows, at most one part of each kind. can_share: whether pages may be attended once for several rows.

    A window over rows under masks is part of their mask, since FlashInfer's counts cells, not positions.
    """
    rows = on_host(rows)
    members = range(len(rows.query_lens))
    trees = [row for row in members if rows.ancestor_masks[row] is not None]
    others = [row for row in members if rows.ancestor_masks[row] is None]
    groups = _shared_groups(rows, others) if can_share and not rows.is_windowed else []
    alone = sorted(set(others) - {row for group in groups for row in group.rows})
    decode = [row for row in alone if rows.query_lens[row] == 1]
    append = [row for row in alone if rows.query_lens[row] > 1]
    window_left = rows.window - 1 if rows.window is not None and rows.is_windowed else None
    parts = []
    if decode:
        parts.append(Part("decode", _tokens(rows, decode), (_page_lists(rows, decode),), None, window_left))
    if append:
        parts.append(Part("append", _tokens(rows, append), (_page_lists(rows, append),), None, window_left))
    if trees:
        mask = np.concatenate([visible_cells(rows, row).reshape(-1) for row in trees])
        parts.append(Part("trees", _tokens(rows, trees), (_page_lists(rows, trees),), mask, None))
    if groups:
        ordered = [row for group in groups for row in group.rows]
        shared_lens = [group.shared_len for group in groups for _ in group.rows]
        levels = (_shared_lists(rows, groups), _page_lists(rows, ordered, shared_lens))
        parts.append(Part("shared", _tokens(rows, ordered), levels, None, None))
    return tuple(parts)


def _shared_groups(rows: AttentionRows, members: Sequence[int]) -> list[RowGroup]:
    if len(members) < 2:
        return []
    page_table = rows.page_table.numpy()
    groups = group_rows(members, page_table, rows.query_lens, rows.kv_lens, rows.page_size)
    return [group for group in groups if len(group.rows) > 1 and group.shared_len >= MIN_SHARED_LEN]


def _tokens(rows: AttentionRows, members: Sequence[int]) -> NDArray[np.int64] | None:
    if list(members) == list(range(len(rows.query_lens))):
        return None
    firsts = np.cumsum((0, *rows.query_lens))
    return np.concatenate([np.arange(firsts[row], firsts[row + 1]) for row in members])


def _page_lists(rows: AttentionRows, members: Sequence[int], skipped_lens: Sequence[int] | None = None) -> PageLists:
    """A list for each row, of its pages past its first `skipped_lens` cells, which are whole pages."""
    page_table = rows.page_table.numpy()
    skipped = np.zeros(len(members), dtype=np.int64) if skipped_lens is None else np.array(skipped_lens)
    first_pages = skipped // rows.page_size
    kv_lens = np.array([rows.kv_lens[row] for row in members])
    stops = -(-kv_lens // rows.page_size)
    pages = [page_table[row, first:stop] for row, first, stop in zip(members, first_pages, stops, strict=True)]
    return PageLists(
        _starts([rows.query_lens[row] for row in members]),
        _starts(list(stops - first_pages)),
        np.concatenate(pages).astype(np.int32),
        ((kv_lens - 1) % rows.page_size + 1).astype(np.int32),
    )


def _shared_lists(rows: AttentionRows, groups: Sequence[RowGroup]) -> PageLists:
    """A list for each group, of the pages that its rows share, all of them full."""
    page_table = rows.page_table.numpy()
    nums_pages = [group.shared_len // rows.page_size for group in groups]
    pages = [page_table[group.rows[0], :num_pages] for group, num_pages in zip(groups, nums_pages, strict=True)]
    return PageLists(
        _starts([sum(rows.query_lens[row] for row in group.rows) for group in groups]),
        _starts(nums_pages),
        np.concatenate(pages).astype(np.int32),
        np.full(len(groups), rows.page_size, dtype=np.int32),
    )


def _starts(lens: Sequence[int]) -> NDArray[np.int32]:
    return np.cumsum((0, *lens), dtype=np.int32)
