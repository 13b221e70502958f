"""FlashAttnPlan: the rows of a step through the package flash-attn, by pages or by cells that are gathered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..attention_plan import Planner
from ..attention_rows import AttentionRows
from ..upload import upload
from .attention_case import AttentionCase
from .backend import Backend
from .host_rows import on_host
from .machine import Machine
from .read_cells import read_cells
from .sink_weight import with_sinks
from .visible_cells import cell_slots

PAGE_UNIT: Final = 256
"""What the page size must be a multiple of for the package to read pages where they are."""

VarlenAttention: TypeAlias = Callable[..., Any]
"""`flash_attn.flash_attn_varlen_func` (FlashAttention-2, Dao 2023, arXiv:2307.08691)."""


@dataclass(frozen=True)
class VarlenTables:
    """The rows as that function is told of them; on the host."""

    query_starts: NDArray[np.int32]  # [num_rows + 1] tokens before each row
    cell_starts: NDArray[np.int32]  # [num_rows + 1] cells before each row, which also says how many a row has
    max_query_len: int
    max_kv_len: int
    block_table: NDArray[np.int32] | None  # [num_rows, max_num_pages]; None: pages are read by `slots`
    slots: NDArray[np.int64] | None  # [num_cells] where the cells of all rows lie, row after row


def varlen_tables(rows: AttentionRows) -> VarlenTables:
    """Pages of a multiple of 256 tokens are read where they are; of others the cells are gathered, for each layer."""
    rows = on_host(rows)
    is_paged = rows.page_size % PAGE_UNIT == 0
    return VarlenTables(
        np.cumsum((0, *rows.query_lens), dtype=np.int32),
        np.cumsum((0, *rows.kv_lens), dtype=np.int32),
        max(rows.query_lens),
        max(rows.kv_lens),
        rows.page_table.numpy().astype(np.int32) if is_paged else None,
        None if is_paged else np.concatenate([cell_slots(rows, row) for row in range(len(rows.kv_lens))]),
    )


class FlashAttnPlan:
    """One call a layer."""

    def __init__(self, rows: AttentionRows, device: torch.device, attend: VarlenAttention) -> None:
        assert all(mask is None for mask in rows.ancestor_masks), (
            "ancestor_masks: expected none, as the package has none"
        )
        tables = varlen_tables(rows)
        self._attend = attend
        self._window = (-1, -1) if rows.window is None else (rows.window - 1, 0)
        self._soft_cap = rows.soft_cap or 0.0
        self._max_query_len, self._max_kv_len = tables.max_query_len, tables.max_kv_len
        self._query_starts, self._cell_starts = _send(tables.query_starts, device), _send(tables.cell_starts, device)
        self._block_table = None if tables.block_table is None else _send(tables.block_table, device)
        self._slots = None if tables.slots is None else _send(tables.slots, device)

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
        assert k_cache.dtype == v_cache.dtype == q.dtype, f"cells: expected {q.dtype}, got {k_cache.dtype}"
        if self._slots is not None:
            k_cache, v_cache = (read_cells(cache, self._slots, q.dtype) for cache in (k_cache, v_cache))
        result = self._attend(
            q,
            k_cache,
            v_cache,
            self._query_starts,
            self._cell_starts,
            self._max_query_len,
            self._max_kv_len,
            softmax_scale=scale,
            causal=True,
            window_size=self._window,
            softcap=self._soft_cap,
            block_table=self._block_table,
            return_attn_probs=sinks is not None,
        )
        out: Tensor = result
        if sinks is not None:
            out, log_sum, _ = result  # the second is [num_heads, num_tokens]
            out = with_sinks(out, log_sum.t(), sinks)
        return out if v_scale == 1.0 else out.mul_(v_scale)


def _send(array: NDArray[Any], device: torch.device) -> Tensor:
    return upload(torch.from_numpy(array), device)


def _why_not(case: AttentionCase, machine: Machine) -> str | None:
    if reason := machine.lacks_capability((8, 0)) or machine.lacks_package("flash-attn"):
        return reason
    if case.dtype not in (torch.float16, torch.bfloat16):
        return f"computes in float16 and bfloat16, and this model in {case.dtype}"
    if case.cell_dtype != case.dtype:
        return f"reads cells of the queries' {case.dtype}, and these are {case.cell_dtype}"
    if case.head_dim > 256 or case.head_dim % 8:
        return f"heads have a multiple of 8 numbers, up to 256, and these have {case.head_dim}"
    if case.mix == "trees":
        return "has no ancestor masks"
    if case.is_deterministic:
        return "a token's bits depend on how its text is cut into chunks"
    return None


def _planner(_case: AttentionCase, device: torch.device) -> Planner:
    from flash_attn import flash_attn_varlen_func  # an extra, which only CUDA has

    return lambda rows: FlashAttnPlan(rows, device, flash_attn_varlen_func)


FLASH_ATTN = Backend("flash-attn", _why_not, _planner)
