"""Cascade: ranges of cells that several rows share, and which of them are worth attending once for all.

The queries of all rows that share a range stand in one tile, so that its keys and values are read once (Hydragen,
Juravsky et al. 2024, arXiv:2402.05099; FlashInfer, Ye et al. 2025, arXiv:2501.01005). The rows of a step form a tree by
their pages; any node of it may be shared, so rows may have a prefix in common with all and a longer one with some.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .attention_item import ITEM_LEN, NO_LIMIT, ItemField
from .attention_tiles import Ints, Spans

# Estimates, in reads of a cell from memory: reading it again from the second-level cache; reading it for a tile of
# this many rows, whose matrix product takes longer than the read.
_CACHED_READ_COST = 0.6
_BOUND_TILE_ROWS = 90
# Reads of a cell of 512 bytes in the time of two more launches, about 6 microseconds.
_LAUNCH_BYTES = 24 << 20
_MARGIN = 0.9  # of the plain estimate: sharing must promise at least the rest


@dataclass(frozen=True)
class Segment:
    """Cells that the tokens of several spans all see, in the same pages."""

    spans: Ints
    start: int
    stop: int


@dataclass(frozen=True)
class TileCosts:
    """What the estimate must know of the tiles of a step."""

    group: int  # query heads of a key head
    block_rows: int  # of the tile that shared cells are attended with
    num_kv_heads: int
    cell_bytes: int  # of a key and a value of one head


def find_segments(
    spans: Spans, members: Ints, page_table: NDArray[np.int32], page_size: int, unit: int
) -> list[Segment]:
    """The nodes of the tree that spans `members` form by their pages, cut to multiples of `unit` cells.

    page_table: [num_rows, max_num_pages]. O(len(members) * max_num_pages) where rows share all; a row that shares
    nothing costs one look.
    """
    pages = page_table[spans.row[members]]
    num_full = np.minimum(spans.first_limit, spans.base)[members] // page_size
    segments: list[Segment] = []
    pending = [(np.arange(len(members)), 0, 0)]
    while pending:
        group, depth, start = pending.pop()
        group = group[num_full[group] > depth]
        if len(group) < 2:
            continue
        _, inverse, counts = np.unique(pages[group, depth], return_inverse=True, return_counts=True)
        for child in np.flatnonzero(counts > 1):
            same = group[inverse == child]
            limit = int(num_full[same].min())
            is_same = (pages[same, depth:limit] == pages[same[0], depth:limit]).all(axis=0)
            end = limit if is_same.all() else depth + int(is_same.argmin())
            # What was too short for a segment of more rows is the head of one of fewer.
            stop = end * page_size // unit * unit
            if stop > start:
                segments.append(Segment(members[same], start, stop))
            pending.append((same, end, max(start, stop)))
    return segments


def choose_segments(segments: list[Segment], spans: Spans, costs: TileCosts) -> list[Segment]:
    """Those worth sharing, or none where all together do not make up for their launches."""
    chosen: list[Segment] = []
    saved = 0.0
    tile_tokens = costs.block_rows // costs.group
    for segment in segments:
        num_tokens = int(spans.num_tokens[segment.spans].sum())
        apart = 1 + _CACHED_READ_COST * (len(segment.spans) - 1)
        num_tiles = -(-num_tokens // tile_tokens)
        rows = min(costs.block_rows, num_tokens * costs.group)
        together = (
            1 + (num_tiles - 1) * _CACHED_READ_COST
            if rows <= _BOUND_TILE_ROWS
            else (num_tiles * rows / _BOUND_TILE_ROWS)
        )
        # Writing and reading a result in float32 takes as long as reading two cells, for each query head.
        saving = (segment.stop - segment.start) * (apart - together) - 4 * costs.group * num_tokens
        if saving > 0:
            chosen.append(segment)
            saved += saving
    plain = _plain_cost(segments, spans)
    launch = _LAUNCH_BYTES / (costs.cell_bytes * costs.num_kv_heads)
    return chosen if saved - launch > (1 - _MARGIN) * plain else []


def share(spans: Spans, segments: list[Segment], num_tile_tokens: int) -> tuple[Spans, Ints, Ints]:
    """Take the segments out of the spans that share them.

    Returns the spans with what is left of them; the tiles of the segments, whose FIRST_TOKEN counts from the start
    of the list of their tokens; and that list.
    """
    taken: dict[int, list[Segment]] = {}
    for segment in segments:
        for span in segment.spans.tolist():
            taken.setdefault(span, []).append(segment)
    index: list[int] = []
    starts: list[int] = []
    stops: list[int] = []
    for span in sorted(taken):
        position = int(spans.start[span])
        for segment in sorted(taken[span], key=lambda one: one.start):
            if segment.start > position:
                index.append(span)
                starts.append(position)
                stops.append(segment.start)
            position = segment.stop
        if position < spans.stop[span]:
            index.append(span)
            starts.append(position)
            stops.append(int(spans.stop[span]))
    is_whole = np.ones(len(spans), dtype=np.bool_)
    is_whole[list(taken)] = False
    order = np.concatenate((np.flatnonzero(is_whole), np.array(index, dtype=np.int64)))
    num_whole = int(is_whole.sum())
    left = spans.take(order)
    left = replace(
        left,
        start=np.append(left.start[:num_whole], starts),
        stop=np.append(left.stop[:num_whole], stops),
        is_part=np.append(left.is_part[:num_whole], np.ones(len(index), dtype=np.bool_)),
    )
    tiles: list[Ints] = []
    token_lists: list[Ints] = []
    num_listed = 0
    for segment in segments:
        tokens = np.concatenate(
            [
                np.arange(spans.first_token[span], spans.first_token[span] + spans.num_tokens[span])
                for span in segment.spans.tolist()
            ]
        )
        tiles.append(
            _segment_tiles(segment, int(spans.row[segment.spans[0]]), num_listed, len(tokens), num_tile_tokens)
        )
        token_lists.append(tokens)
        num_listed += len(tokens)
    return left, np.concatenate(tiles), np.concatenate(token_lists)


def _plain_cost(segments: list[Segment], spans: Spans) -> float:
    """Reads of the spans that share anything, each cell of a segment once from memory and else from the cache."""
    members = np.unique(np.concatenate([segment.spans for segment in segments])) if segments else np.zeros(0, int)
    cost = float(spans.first_limit[members].sum())
    for segment in segments:
        cost -= (1 - _CACHED_READ_COST) * (len(segment.spans) - 1) * (segment.stop - segment.start)
    return cost


def _segment_tiles(segment: Segment, row: int, first: int, num_tokens: int, num_tile_tokens: int) -> Ints:
    firsts = np.arange(0, num_tokens, num_tile_tokens)
    tiles = np.zeros((len(firsts), ITEM_LEN), dtype=np.int64)
    tiles[:, ItemField.ROW] = row
    tiles[:, ItemField.FIRST_TOKEN] = first + firsts
    tiles[:, ItemField.NUM_TOKENS] = np.minimum(num_tile_tokens, num_tokens - firsts)
    tiles[:, ItemField.FIRST_LIMIT] = NO_LIMIT
    tiles[:, ItemField.START] = segment.start
    tiles[:, ItemField.STOP] = segment.stop
    tiles[:, ItemField.FULL_START] = segment.start
    tiles[:, ItemField.FULL_STOP] = segment.stop
    tiles[:, ItemField.SLOT] = 1
    tiles[:, ItemField.BASE] = NO_LIMIT
    tiles[:, ItemField.MASK_OFFSET] = -1
    tiles[:, ItemField.PATH_OFFSET] = -1
    return tiles
