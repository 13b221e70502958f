"""PagedAttentionPlan: the launches of a step, the same for every layer with its window and cap."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .attention_config import CACHE_DTYPES, QUERY_DTYPES, padded_dim, tile_shape
from .attention_merge import merge_kernel
from .paged_attention import paged_attention_kernel

_LOG2_E = math.log2(math.e)
_BLOCK_PARTS = 16  # parts that the merge kernel adds at a time


@dataclass(frozen=True)
class Launch:
    """Items that one tile size serves."""

    block_m: int
    items: Tensor  # [num_items * ITEM_LEN] int32
    num_items: int


@dataclass(frozen=True)
class MergeTables:
    """See `attention_splits.Merges`; on the device."""

    tokens: Tensor  # [num_merged] int32
    offsets: Tensor  # [num_merged + 1] int32
    slots: Tensor  # int32
    num_slots: int


@dataclass(frozen=True)
class PagedAttentionPlan:
    """What the kernels must know of a step, on the device. `run` waits for nothing and copies nothing."""

    num_tokens: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    page_size: int
    soft_cap: float | None
    window: int | None  # None too where it hides nothing
    split_len: int  # cells at whose multiples the softmax restarts; 0: it does not
    launches: tuple[Launch, ...]
    merge: MergeTables | None
    page_table: Tensor  # [num_rows * table_stride] int32
    table_stride: int
    token_list: Tensor | None
    masks: Tensor | None
    positions: Tensor | None  # [num_tokens] int64
    paths: Tensor | None
    shared_memory: int  # bytes a program may have

    def run(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        scale: float,
        sinks: Tensor | None = None,
        v_scale: float = 1.0,
    ) -> Tensor:
        """See `attention.attention`. At most one launch for each tile size, and one that merges."""
        self._check(q, k_cache, v_cache, scale, sinks)
        out = torch.empty((self.num_tokens, self.num_heads, self.head_dim), dtype=q.dtype, device=q.device)
        if q.device.type == "cpu":
            # The interpreter computes in numpy, which has neither bfloat16 nor fp8.
            result = torch.empty(out.shape, dtype=torch.float32)
            self._launch(q.float(), k_cache.float(), v_cache.float(), result, scale, sinks, v_scale)
            return out.copy_(result)
        self._launch(q, k_cache, v_cache, out, scale, sinks, v_scale)
        return out

    def _launch(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        out: Tensor,
        scale: float,
        sinks: Tensor | None,
        v_scale: float,
    ) -> None:
        num_slots = 0 if self.merge is None else self.merge.num_slots
        partial_out = torch.empty((num_slots, self.num_heads, self.head_dim), dtype=torch.float32, device=q.device)
        partial_log_sum = torch.empty((num_slots, self.num_heads), dtype=torch.float32, device=q.device)
        dim = padded_dim(self.head_dim)
        if self.soft_cap is None:
            score_scale, soft_cap = scale * _LOG2_E, 0.0
        else:
            score_scale, soft_cap = 2 * _LOG2_E * scale / self.soft_cap, _LOG2_E * self.soft_cap
        for launch in self.launches:
            shape = tile_shape(launch.block_m, self.head_dim, q.dtype, self.shared_memory, self.masks is not None)
            paged_attention_kernel[(launch.num_items * self.num_kv_heads,)](
                q,
                k_cache,
                v_cache,
                out,
                partial_out,
                partial_log_sum,
                partial_out if sinks is None else sinks,
                launch.items,
                self.page_table,
                _given(self.token_list, launch.items),
                _given(self.masks, launch.items),
                _given(self.positions, launch.items),
                _given(self.paths, launch.items),
                self.num_kv_heads,
                q.stride(0),
                self.table_stride,
                score_scale,
                soft_cap,
                v_scale,
                self.window or 0,
                GROUP=self.num_heads // self.num_kv_heads,
                HEAD_DIM=self.head_dim,
                PADDED_DIM=dim,
                PAGE_SIZE=self.page_size,
                BLOCK_M=launch.block_m,
                BLOCK_N=shape.block_n,
                SPLIT_LEN=self.split_len,
                IS_ALWAYS_MASKED=shape.is_narrow,
                HAS_TOKEN_LIST=self.token_list is not None,
                HAS_TREE=self.masks is not None,
                HAS_PATHS=self.paths is not None,
                HAS_WINDOW=self.window is not None,
                HAS_SOFT_CAP=self.soft_cap is not None,
                HAS_SINKS=sinks is not None,
                num_warps=shape.num_warps,
                num_stages=shape.num_stages,
            )
        if self.merge is None:
            return
        merge_kernel[(len(self.merge.tokens), self.num_heads)](
            partial_out,
            partial_log_sum,
            out,
            partial_out if sinks is None else sinks,
            self.merge.tokens,
            self.merge.offsets,
            self.merge.slots,
            self.num_heads,
            v_scale,
            HEAD_DIM=self.head_dim,
            PADDED_DIM=dim,
            BLOCK_PARTS=1 if self.split_len else _BLOCK_PARTS,
            HAS_SINKS=sinks is not None,
            num_warps=1 if self.split_len else 4,
        )

    def _check(self, q: Tensor, k_cache: Tensor, v_cache: Tensor, scale: float, sinks: Tensor | None) -> None:
        expected = (self.num_tokens, self.num_heads, self.head_dim)
        assert q.shape == expected, f"q: expected the shape {expected}, got {tuple(q.shape)}"
        assert q.dtype in QUERY_DTYPES, f"q: expected one of {QUERY_DTYPES}, got {q.dtype}"
        assert q.stride()[1:] == (self.head_dim, 1), f"q: expected heads laid end to end, got strides {q.stride()}"
        cells = (self.page_size, self.num_kv_heads, self.head_dim)
        for name, cache in (("k_cache", k_cache), ("v_cache", v_cache)):
            assert cache.shape[1:] == cells, f"{name}: expected [num_pages, *{cells}], got {tuple(cache.shape)}"
            assert cache.is_contiguous(), f"{name}: expected a contiguous cache, got strides {cache.stride()}"
            assert cache.dtype in CACHE_DTYPES, f"{name}: expected one of {CACHE_DTYPES}, got {cache.dtype}"
            assert cache.dtype in (q.dtype, torch.float8_e4m3fn), (
                f"{name}: expected the queries' {q.dtype} or fp8, got {cache.dtype}"
            )
            assert cache.device == q.device, f"{name}: expected it on {q.device}, got {cache.device}"
        assert scale > 0, f"scale: expected a number > 0, got {scale}"
        if sinks is not None:
            assert sinks.shape == (self.num_heads,), f"sinks: expected [{self.num_heads}], got {tuple(sinks.shape)}"
            assert sinks.dtype == torch.float32, f"sinks: expected float32, got {sinks.dtype}"


def _given(table: Tensor | None, other: Tensor) -> Tensor:
    # A kernel that has no use for a table gets any other in its place.
    return other if table is None else table
