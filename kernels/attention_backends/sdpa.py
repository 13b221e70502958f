"""The backend `sdpa`: PyTorch's scaled_dot_product_attention, which picks the best of its own kernels."""

import torch
from torch import Tensor
from torch.nn import functional

from ..attention_plan import Planner
from ..attention_rows import AttentionRows
from .attention_case import AttentionCase
from .backend import Backend
from .machine import Machine
from .row_batches import BatchedPlan, RowBatch, row_batches


def plan_sdpa(rows: AttentionRows, device: torch.device) -> BatchedPlan:
    """Rows without a soft cap."""
    assert rows.soft_cap is None, f"soft_cap: expected None, as the library has none, got {rows.soft_cap}"
    return BatchedPlan(row_batches(rows, device), sum(rows.query_lens), _attend)


def _attend(
    batch: RowBatch, queries: Tensor, keys: Tensor, values: Tensor, scale: float, sinks: Tensor | None
) -> Tensor:
    assert sinks is None, "sinks: expected None, as the library has none"
    return functional.scaled_dot_product_attention(
        queries,
        keys,
        values,
        attn_mask=batch.mask,
        is_causal=batch.is_causal,
        scale=scale,
        enable_gqa=queries.shape[1] != keys.shape[1],
    )


def _why_not(case: AttentionCase, _machine: Machine) -> str | None:
    if case.has_soft_cap or case.has_sinks:
        return "has neither soft caps nor sinks"
    if case.is_deterministic:
        return "a token's bits depend on the rows beside it"
    return None


def _planner(_case: AttentionCase, device: torch.device) -> Planner:
    return lambda rows: plan_sdpa(rows, device)


SDPA = Backend("sdpa", _why_not, _planner)
