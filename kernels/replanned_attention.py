"""ReplannedAttention: the twin of AttentionGraphPlan on a CPU, where nothing is captured and every step is planned."""

from collections.abc import Callable

from torch import Tensor

from .attention_plan import AttentionPlan
from .attention_rows import AttentionRows
from .graph_bounds import GraphBounds


class ReplannedAttention:
    """`plan` is handed to the layers once; `update` has it attend other rows, within the same bounds."""

    def __init__(
        self, rows: AttentionRows, bounds: GraphBounds, make_plan: Callable[[AttentionRows], AttentionPlan]
    ) -> None:
        """`rows`: of the first step; `make_plan`: what plans a step by itself."""
        self._bounds = bounds
        self._make_plan = make_plan
        self._num_tokens = sum(rows.query_lens)
        self._has_trees = any(mask is not None for mask in rows.ancestor_masks)
        self._current = make_plan(rows)

    @property
    def plan(self) -> AttentionPlan:
        """What attends the rows of the last update."""
        return self

    def update(self, rows: AttentionRows) -> None:
        """See `attention.GraphAttention`."""
        self._bounds.check(rows.query_lens, rows.kv_lens, self._num_tokens)
        self._current = self._make_plan(rows)

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
        return self._current.run(q, k_cache, v_cache, scale, sinks, v_scale)
