"""The port to attention over paged keys and values: plan once a step, run once a layer."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from .attention_backends.attention_case import AttentionCase, RowMix, mix_of
from .attention_backends.backend_name import BackendName
from .attention_backends.choice import BACKENDS, Choice, choose_backends
from .attention_backends.machine import find_machine
from .attention_plan import AttentionPlan, GraphAttention, Planner
from .attention_reference import plan_reference
from .attention_rows import AttentionRows
from .cpu.attention import CpuAttentionPlan
from .cpu.library import cpu_library
from .graph_bounds import GraphBounds
from .replanned_attention import ReplannedAttention


class Attention:
    """Who attends to the rows of a model's steps: for each mix of rows one backend, chosen when an engine starts."""

    def __init__(self, choices: Mapping[RowMix, Choice], case: AttentionCase, device: torch.device) -> None:
        """case: the model's, of any mix. What backends need is imported here; memory they take at first use."""
        self.choices = choices
        self.num_plans_elsewhere = 0
        """Plans for rows that the backend that was asked for cannot attend, so that another did."""
        names = dict.fromkeys(choice.name for choice in choices.values())
        self._planners: dict[BackendName, Planner] = {name: BACKENDS[name].planner(case, device) for name in names}

    def plan(self, rows: AttentionRows) -> AttentionPlan:
        """Prepare a step."""
        choice = self.choices[mix_of(rows)]
        self.num_plans_elsewhere += choice.instead_of is not None
        return self._planners[choice.name](rows)


def choose_attention(case: AttentionCase, device: torch.device, forced: BackendName | None = None) -> Attention:
    """The backends for a model on a device. forced: who is to attend, wherever it can.

    Raises: BackendCannotServe where `forced` cannot.
    """
    return Attention(choose_backends(case, find_machine(device), forced), case, device)


def plan(rows: AttentionRows, device: torch.device, *, is_deterministic: bool = False) -> AttentionPlan:
    """Prepare a step with the backend for `device`: Triton on CUDA, C on a CPU where it is there, else PyTorch.

    is_deterministic: the bits of a token's result depend on its own text alone; on CUDA only. Rows that do not say
    their `num_heads` and `head_dim`, or whose pages are no power of two, are attended by PyTorch.
    """
    if device.type == "cuda":
        # Triton is no dependency of a CPU, and importing it takes a while.
        from .cuda.attention_plan import AttentionOptions, can_plan, plan_paged

        if can_plan(rows):
            return plan_paged(rows, device, AttentionOptions(is_deterministic=is_deterministic))
    library = cpu_library() if device.type == "cpu" else None
    return plan_reference(rows, device) if library is None else CpuAttentionPlan(rows, library)


def plan_for_graph(
    rows: AttentionRows, device: torch.device, bounds: GraphBounds, *, is_deterministic: bool = False
) -> GraphAttention:
    """A plan that the steps within `bounds` share; `rows` are the first of them, and tell the number of tokens.

    They also tell whether there are ancestor masks: later rows may have some only if these have. A CPU captures
    nothing; there it is a plan with the same interface.
    """
    if device.type == "cuda":
        from .cuda.attention_graph import AttentionGraphPlan
        from .cuda.attention_plan import AttentionOptions

        return AttentionGraphPlan(rows, device, bounds, AttentionOptions(is_deterministic=is_deterministic))
    return ReplannedAttention(rows, bounds, partial(plan, device=device, is_deterministic=is_deterministic))


def attention(
    q: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    plan: AttentionPlan,
    scale: float,
    sinks: Tensor | None = None,
    k_scale: float = 1.0,
    v_scale: float = 1.0,
) -> Tensor:
    """softmax(scale * q k^T) v for each token over the cells it sees; the tokens' own cells are already written.

    q: [num_tokens, num_heads, head_dim] model dtype; num_heads is a multiple of num_kv_heads.
    k_cache, v_cache: [num_pages, page_size, num_kv_heads, head_dim], contiguous, the dtype of q or float8_e4m3fn.
    sinks: [num_heads] float32, a logit of each head that takes weight and gives no value.
    k_scale, v_scale: what the cells' numbers are to be multiplied by.
    Returns [num_tokens, num_heads, head_dim] in the dtype of q.
    """
    assert k_cache.dtype in (q.dtype, torch.float8_e4m3fn), (
        f"expected queries in the dtype of the cache {k_cache.dtype}, got {q.dtype}"
    )
    return plan.run(q, k_cache, v_cache, scale * k_scale, sinks, v_scale)
