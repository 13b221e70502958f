"""Whole passes through plans with fixed tables, as graphs hold them: padding, trees, windows, long and short texts."""

import pytest
import torch
from pass_texts import PassTexts, Turn, tiny_decoder

from palmette.kernels.attention_plan import GraphAttention
from palmette.kernels.attention_rows import AttentionRows
from palmette.kernels.cuda.attention_graph import AttentionGraphPlan
from palmette.kernels.cuda.attention_plan import AttentionOptions
from palmette.kernels.graph_bounds import GraphBounds
from palmette.runtime.step_graphs import step_graph
from palmette.runtime.step_graphs.buckets import Buckets
from palmette.runtime.step_graphs.graph_recorder import CallAgain
from palmette.runtime.step_graphs.step_graphs import StepGraphs

TREE = (None, 0, 0, 1, None)
PASSES = [
    [Turn(0, 1), Turn(1, 1), Turn(2, 1)],
    [Turn(0, 1), Turn(1, 1, TREE)],
    [Turn(0, 3), Turn(1, 1)],
    [Turn(1, 1)],
]


@pytest.mark.parametrize(("window", "is_deterministic"), [(None, False), (7, True)])
def test_passes(window: int | None, is_deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan_for_graph(
        rows: AttentionRows, device: torch.device, bounds: GraphBounds, *, is_deterministic: bool
    ) -> GraphAttention:
        return AttentionGraphPlan(rows, device, bounds, AttentionOptions(is_deterministic, split_len=128))

    monkeypatch.setattr(step_graph, "plan_for_graph", plan_for_graph)
    model = tiny_decoder(window=window, num_layers=1)
    texts = PassTexts(3, 160, 16)
    plain_pool, pool = texts.pool(model), texts.pool(model, 8)
    graphs = StepGraphs(model, pool, CallAgain(), Buckets(8, 160), is_deterministic=is_deterministic)
    for turns in ([Turn(0, 40), Turn(1, 130), Turn(2, 5)], *PASSES):
        batch = texts.batch(turns)
        pool.cells[:, :, texts.num_pages :] = torch.nan
        expected = model.forward(batch, plain_pool)
        torch.testing.assert_close(graphs.forward(batch, pool), expected, rtol=1e-4, atol=1e-4)
    assert (graphs.num_direct, graphs.num_replays) == (1, len(PASSES))
