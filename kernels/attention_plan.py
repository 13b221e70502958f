"""AttentionPlan: what a backend of attention worked out about the rows of a step; GraphAttention: of many steps."""

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


class GraphAttention(Protocol):
    """A plan whose launches are always the same: what they attend is in tables, which are written anew."""

    @property
    def plan(self) -> AttentionPlan:
        """To be captured."""
        ...

    def update(self, rows: AttentionRows) -> None:
        """Make `rows`, whose number of tokens is the captured one, what `plan` attends from here on.

        Raises StepTooLarge, and leaves the plan as it was, where the rows are not within the bounds.
        """
        ...
