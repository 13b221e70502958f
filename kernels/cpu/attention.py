"""CpuAttentionPlan: the rows of a step through the C kernel, and those it has no terms for through PyTorch."""

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from ..attention_reference import ReferencePlan, plan_reference
from ..attention_rows import AttentionRows
from .library import CpuLibrary

_LANES: Final = 16  # what head_dim is a multiple of, for any instruction set
_TYPES: Final = {torch.float32: 0, torch.bfloat16: 1}
_CPU: Final = torch.device("cpu")


class _Rows(ctypes.Structure):
    """`struct palmette_rows` of attention.c."""

    _fields_ = (
        ("num_rows", ctypes.c_int64),
        ("numbers", ctypes.c_void_p),
        ("page_table", ctypes.c_void_p),
        ("table_stride", ctypes.c_int64),
        ("page_size", ctypes.c_int64),
        ("window", ctypes.c_int64),
        ("masks", ctypes.c_void_p),
    )


class CpuAttentionPlan:
    """The rows of a step, parted among the kernels.

    In the C kernel a token's result depends on its own cells alone, to the last bit: alone, in a batch, in any chunk.
    """

    def __init__(self, rows: AttentionRows, library: CpuLibrary) -> None:
        assert rows.page_table.device.type == "cpu", f"page_table: expected the CPU, got {rows.page_table.device}"
        self._rows = rows
        self._library = library
        self._run = _function(library)
        self._parts: list[tuple[int, int, ReferencePlan]] = []  # first token, number of tokens, plan
        self._reference: ReferencePlan | None = None
        numbers: list[tuple[int, int, int]] = []
        members: list[int] = []
        first = 0
        for row, (query_len, kv_len) in enumerate(zip(rows.query_lens, rows.kv_lens, strict=True)):
            has_depths = rows.window is not None and rows.ancestor_masks[row] is not None
            if rows.soft_cap is None and not has_depths:
                numbers.append((first, query_len, kv_len))
                members.append(row)
            else:
                part = replace(
                    rows,
                    query_lens=(query_len,),
                    kv_lens=(kv_len,),
                    page_table=rows.page_table[row : row + 1],
                    ancestor_masks=(rows.ancestor_masks[row],),
                    positions=None if rows.positions is None else rows.positions[first : first + query_len],
                )
                self._parts.append((first, query_len, plan_reference(part, _CPU)))
            first += query_len
        self._num_tokens = first
        self._arguments = self._make_arguments(numbers, members) if members else None

    def _make_arguments(self, numbers: list[tuple[int, int, int]], members: Sequence[int]) -> _Rows:
        rows = self._rows
        table = rows.page_table if len(members) == len(rows.query_lens) else rows.page_table[list(members)]
        self._page_table = table.contiguous()
        self._numbers = torch.tensor(numbers)  # [num_rows, 3] int64
        self._masks = [None if (mask := rows.ancestor_masks[row]) is None else mask.contiguous() for row in members]
        masks = None
        if any(mask is not None for mask in self._masks):
            addresses = [0 if mask is None else mask.data_ptr() for mask in self._masks]
            masks = self._mask_table = torch.tensor(addresses)
        return _Rows(
            len(numbers),
            self._numbers.data_ptr(),
            self._page_table.data_ptr(),
            self._page_table.shape[1],
            rows.page_size,
            rows.window or 0,
            0 if masks is None else masks.data_ptr(),
        )

    def run(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        scale: float,
        sinks: Tensor | None = None,
        v_scale: float = 1.0,
    ) -> Tensor:
        """See `attention.attention`."""
        num_heads, head_dim = q.shape[1:]
        if sinks is not None or v_scale != 1.0 or k_cache.dtype not in _TYPES or head_dim % _LANES:
            if self._reference is None:
                self._reference = plan_reference(self._rows, _CPU)
            return self._reference.run(q, k_cache, v_cache, scale, sinks, v_scale)
        assert q.shape[0] == self._num_tokens, f"q: expected {self._num_tokens} tokens, got {q.shape[0]}"
        assert q.dtype == k_cache.dtype == v_cache.dtype, f"{q.dtype}, {k_cache.dtype} and {v_cache.dtype} differ"
        assert k_cache.shape[1] == self._rows.page_size, f"pages of {self._rows.page_size}, got {k_cache.shape}"
        assert k_cache.is_contiguous(), f"k_cache: expected it contiguous, got strides {k_cache.stride()}"
        assert v_cache.is_contiguous(), f"v_cache: expected it contiguous, got strides {v_cache.stride()}"
        assert k_cache.shape == v_cache.shape, f"caches: expected one shape, got {k_cache.shape}, {v_cache.shape}"
        num_kv_heads = k_cache.shape[2]
        assert num_heads % num_kv_heads == 0, f"expected a multiple of {num_kv_heads} heads, got {num_heads}"
        q = q.contiguous()
        out = torch.empty_like(q)
        if self._arguments is not None:
            failed = self._run(
                ctypes.addressof(self._arguments),
                q.data_ptr(),
                k_cache.data_ptr(),
                v_cache.data_ptr(),
                out.data_ptr(),
                _TYPES[q.dtype],
                num_heads,
                num_kv_heads,
                head_dim,
                scale,
                torch.get_num_threads() if self._library.has_threads else 1,
            )
            if failed:
                raise MemoryError(f"attention over {max(self._rows.kv_lens)} cells: no memory left for the scores")
        for first, num_tokens, part in self._parts:
            tokens = slice(first, first + num_tokens)
            out[tokens] = part.run(q[tokens], k_cache, v_cache, scale)
        return out


def _function(library: CpuLibrary) -> "ctypes._NamedFuncPointer":
    function = library.functions.palmette_attention
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = (*(pointer,) * 5, *(number,) * 4, ctypes.c_float, number)
    function.restype = ctypes.c_int
    return function
