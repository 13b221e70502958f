"""The backend `flex`: PyTorch's flex_attention, which compiles soft caps, sinks and masks into one kernel."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..attention_plan import Planner
from ..attention_rows import AttentionRows
from .attention_case import AttentionCase
from .backend import Backend
from .machine import Machine
from .row_batches import BatchedPlan, RowBatch, row_batches
from .sink_weight import with_sinks

FlexAttention: TypeAlias = Callable[..., Any]


def plan_flex(rows: AttentionRows, device: torch.device, flex: FlexAttention) -> BatchedPlan:
    """flex: `flex_attention`, compiled or not. (Dong et al. 2024, arXiv:2412.05496.)"""
    attend = partial(_attend, flex, rows.soft_cap)
    return BatchedPlan(row_batches(rows, device), sum(rows.query_lens), attend)


def _attend(
    flex: FlexAttention,
    soft_cap: float | None,
    batch: RowBatch,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    scale: float,
    sinks: Tensor | None,
) -> Tensor:
    mask, is_causal = batch.mask, batch.is_causal

    def score(score: Tensor, row: Tensor, _head: Tensor, query: Tensor, cell: Tensor) -> Tensor:
        if soft_cap is not None:
            score = soft_cap * torch.tanh(score / soft_cap)
        if is_causal:
            return torch.where(cell <= query, score, -torch.inf)
        return score if mask is None else torch.where(mask[row, 0, query, cell], score, -torch.inf)

    has_groups = queries.shape[1] != keys.shape[1]
    if sinks is None:
        out: Tensor = flex(queries, keys, values, score_mod=score, scale=scale, enable_gqa=has_groups)
        return out
    from torch.nn.attention.flex_attention import AuxRequest  # takes a while

    out, more = flex(
        queries, keys, values, score_mod=score, scale=scale, enable_gqa=has_groups, return_aux=AuxRequest(lse=True)
    )
    # [num_rows, num_heads, query_len, ...] -> tokens first, as `with_sinks` has them
    return with_sinks(out.transpose(1, 2), more.lse.transpose(1, 2), sinks).transpose(1, 2)


@lru_cache
def _compiled() -> FlexAttention:
    from torch.nn.attention.flex_attention import flex_attention  # takes a while

    compiled: FlexAttention = torch.compile(flex_attention, dynamic=True)
    return compiled


def _why_not(case: AttentionCase, machine: Machine) -> str | None:
    if reason := machine.lacks_capability((7, 5)):
        return f"{reason} (elsewhere it makes the scores as a whole)"
    if case.is_deterministic:
        return "a token's bits depend on the rows beside it"
    return None


def _planner(_case: AttentionCase, device: torch.device) -> Planner:
    flex = _compiled()
    return lambda rows: plan_flex(rows, device, flex)


FLEX = Backend("flex", _why_not, _planner)
