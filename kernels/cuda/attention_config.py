"""TileShape: how large a tile of the attention kernel is, and with how many warps and stages it runs."""

from dataclasses import dataclass

import torch

# fp8 is a type of the cache alone: queries keep the model's type.
QUERY_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
CACHE_DTYPES = (*QUERY_DTYPES, torch.float8_e4m3fn)
_LARGE_SHARED_MEMORY = 160 << 10  # bytes
MAX_HEAD_DIM = 256
MAX_GROUP = 128  # query heads of a key head: they stand in one tile


@dataclass(frozen=True)
class TileShape:
    """Rows of queries (tokens times query heads), cells a time, and the resources of a program."""

    block_m: int
    block_n: int
    num_warps: int
    num_stages: int

    @property
    def is_narrow(self) -> bool:
        """Whether reading bounds it: such a kernel has one loop, with the mask, that is never drained halfway."""
        return self.block_m < 64


def padded_dim(head_dim: int) -> int:
    """The power of two that a tile's rows have; the rest is not read."""
    return max(16, 1 << (head_dim - 1).bit_length())


def block_rows(num_rows: int, group: int, head_dim: int) -> int:
    """Of the tile for spans of `num_rows` rows of queries: 16 (decode), 64 (trees, forks) or 128 (prefill).

    128 rows of 256 numbers would not fit into registers.
    """
    largest = 128 if padded_dim(head_dim) <= 128 or group > 64 else 64
    return next(rows for rows in (16, 64, 128) if rows >= min(num_rows, largest) and rows >= group)


def tile_shape(block_m: int, head_dim: int, query_dtype: torch.dtype, shared_memory: int, has_tree: bool) -> TileShape:
    """The configuration for tiles of `block_m` rows.

    shared_memory: bytes a program may have on the device; desktop devices have less than half of a server's.

    Keys and values wait in two buffers, and the page ids of one more tile are read ahead: that is 3 stages for the
    matrix instructions of Hopper, and 5 where they are those of Ampere (tiles of 16 rows on any device).
    """
    dim = padded_dim(head_dim)
    is_small = shared_memory < _LARGE_SHARED_MEMORY
    if query_dtype == torch.float32:
        # Products of float32 have no matrix instruction of full precision: they are for checks, not for speed.
        num_warps = 4 if block_m == 16 else 8 if block_m * dim <= 64 * 128 else 16
        return TileShape(block_m, 64 if dim <= 32 else 32, num_warps, 1)
    if block_m == 16:
        return TileShape(16, {256: 32, 128: 64}.get(dim, 128), 4, 3 if is_small else 5)
    num_stages = 3 if dim <= 128 else 2
    if is_small and (has_tree or dim > 128):
        num_stages = 1
    return TileShape(block_m, 64, 8 if block_m == 128 or dim == 256 else 4, num_stages)
