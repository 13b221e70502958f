"""The port to attention over paged keys and values: plan once a step, run once a layer."""

from typing import Protocol

import torch
from torch import Tensor

from .attention_reference import plan_reference
from .attention_rows import AttentionRows


class AttentionPlan(Protocol):
    """What a backend worked out about the rows of a step; every layer with the same window shares it."""

    def run(self, q: Tensor, k_cache: Tensor, v_cache: Tensor, scale: float) -> Tensor:
        """See `attention`."""
        ...


def plan(rows: AttentionRows, device: torch.device) -> AttentionPlan:
    """Prepare a step with the backend for `device`. Every device has the PyTorch one."""
    return plan_reference(rows, device)


def attention(q: Tensor, k_cache: Tensor, v_cache: Tensor, plan: AttentionPlan, scale: float) -> Tensor:
    """softmax(scale * q k^T) v for each token over the cells it sees; the tokens' own cells are already written.

    q: [num_tokens, num_heads, head_dim] model dtype; num_heads is a multiple of num_kv_heads.
    k_cache, v_cache: [num_pages, page_size, num_kv_heads, head_dim], contiguous, the dtype of q.
    Returns [num_tokens, num_heads, head_dim] in the dtype of q.
    """
    assert q.dtype == k_cache.dtype, f"expected queries in the dtype of the cache {k_cache.dtype}, got {q.dtype}"
    return plan.run(q, k_cache, v_cache, scale)
