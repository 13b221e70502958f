"""AttentionPlan: what a backend of attention worked out about the rows of a step."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from torch import Tensor

from .attention_rows import AttentionRows


class AttentionPlan(Protocol):
    """What a backend worked out about the rows of a step; every layer with the same window shares it."""

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
        ...


Planner: TypeAlias = Callable[[AttentionRows], AttentionPlan]
"""Prepares a step; what it keeps between steps is memory to work in."""
