"""Splits: long ranges of cells cut into parts that run side by side, and the list of what is merged afterwards.

Splitting keys and values over programs is Flash-Decoding (Dao et al. 2023); one length for all rows of a step, chosen
so that the programs fill the device, is FlashInfer's (Ye et al. 2025, arXiv:2501.01005).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .attention_item import BLOCK_ALIGNMENT, ItemField
from .attention_tiles import Ints

# What a program and a part cost besides its cells, in cells (about 30 ns each where all programs read): the launch of
# a program and its first, unhidden reads; reading a part again, of which the merge reads many at a time.
_PROGRAM_COST = 96
_PART_COST = 4
_MAX_PARTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128)  # tried, of the longest range


@dataclass(frozen=True)
class Merges:
    """Which parts make up the result of which token, as lists end to end."""

    tokens: NDArray[np.int32]  # [num_merged] of the batch
    offsets: NDArray[np.int32]  # [num_merged + 1] into `slots`
    slots: NDArray[np.int32]  # of a token the parts by rising cells
    num_slots: int


def choose_split_len(lens: Ints, num_kv_heads: int, num_programs: int, max_num_items: int | None = None) -> int:
    """How many cells an item takes at most, a multiple of BLOCK_ALIGNMENT, by the estimated time of the launch.

    lens: [num_tiles] cells. num_programs: how many the device runs at a time. The estimate is the waves of programs
    times the mean program, or the longest program where that is more. There are at most `max_num_items` items, or as
    many as tiles if that is more.
    """
    longest = int(lens.max())
    if len(lens) * num_kv_heads >= 4 * num_programs or longest <= BLOCK_ALIGNMENT:
        return -(-longest // BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
    blocks = -(-longest // BLOCK_ALIGNMENT)
    split_lens = np.unique([-(-blocks // parts) for parts in _MAX_PARTS])[::-1] * BLOCK_ALIGNMENT
    counts = -(-lens // split_lens[:, None])  # [num_candidates, num_tiles]
    num_items = counts.sum(axis=1)
    waves = -(-num_items * num_kv_heads // num_programs)
    mean = lens.sum() / num_items
    cost = np.maximum(waves * (mean + _PROGRAM_COST), np.minimum(split_lens, longest) + _PROGRAM_COST)
    # The parts are merged by programs that fill the device better than those that made them.
    if max_num_items is not None:
        cost = np.where(num_items <= max_num_items, cost, np.inf)
    cost = cost + (counts.max(axis=1) > 1) * _PROGRAM_COST + _PART_COST * counts.max(axis=1)
    return int(split_lens[cost.argmin()])


def split(tiles: Ints, split_len: int, is_absolute: bool) -> Ints:
    """Cut the tiles' ranges: into `split_len` cells from where each begins or, if absolute, at its multiples."""
    start, stop = tiles[:, ItemField.START], tiles[:, ItemField.STOP]
    origin = start // split_len * split_len if is_absolute else start
    counts = -(-(stop - origin) // split_len)
    if (counts == 1).all():
        return tiles
    index = np.repeat(np.arange(len(tiles)), counts)
    ends = np.cumsum(counts)
    part = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
    items = tiles[index]
    first = origin[index] + part * split_len
    items[:, ItemField.START] = np.maximum(first, items[:, ItemField.START])
    items[:, ItemField.STOP] = np.minimum(first + split_len, items[:, ItemField.STOP])
    items[:, ItemField.SLOT] |= (counts > 1)[index]
    return items


def number_slots(items: Ints, token_list: NDArray[np.int32] | None) -> Merges | None:
    """Give each item that is a part its place among the partial results, and list what is to be merged.

    On entry SLOT says whether the item is a part; on return it is its first slot, or -1.
    """
    is_part = items[:, ItemField.SLOT] > 0
    items[:, ItemField.SLOT] = -1
    if not is_part.any():
        return None
    index = np.flatnonzero(is_part)
    counts = items[index, ItemField.NUM_TOKENS]
    ends = np.cumsum(counts)
    items[index, ItemField.SLOT] = ends - counts
    num_slots = int(ends[-1])
    slots = np.arange(num_slots)
    tokens = np.repeat(items[index, ItemField.FIRST_TOKEN] - (ends - counts), counts) + slots
    if token_list is not None:
        tokens = token_list[tokens].astype(np.int64)
    order = np.lexsort((np.repeat(items[index, ItemField.START], counts), tokens))
    merged, firsts = np.unique(tokens[order], return_index=True)
    offsets = np.append(firsts, num_slots)
    return Merges(merged.astype(np.int32), offsets.astype(np.int32), slots[order].astype(np.int32), num_slots)
