"""One plan whose tables are written anew for each step, as a CUDA graph needs it."""

from collections.abc import Sequence

import pytest
import torch
from attention_case import Row, Step, Texts

from palmette.kernels.attention import attention
from palmette.kernels.attention_plan import AttentionPlan
from palmette.kernels.attention_reference import plan_reference
from palmette.kernels.cuda.attention_graph import AttentionGraphPlan
from palmette.kernels.cuda.attention_plan import AttentionOptions
from palmette.kernels.graph_bounds import GraphBounds, StepTooLarge

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BOUNDS = GraphBounds(num_rows=2, max_query_len=4, max_kv_len=300)
NODES = ((1, 90, None), (0, 90, None), (1, 91, 0))


def check(plan: AttentionPlan, step: Step) -> None:
    out = attention(*(tensor.to(DEVICE) for tensor in (step.q, step.k_cache, step.v_cache)), plan, 0.4).cpu()
    twin = plan_reference(step.rows, torch.device("cpu"))
    expected = attention(step.q, step.k_cache, step.v_cache, twin, 0.4)
    torch.testing.assert_close(out, expected, rtol=2e-5, atol=2e-5)


def addresses(graph: AttentionGraphPlan) -> list[int]:
    plan = graph.plan
    tables = [plan.page_table, plan.masks, plan.paths, plan.positions, *(launch.items for launch in plan.launches)]
    return [0 if table is None else table.data_ptr() for table in tables]


@pytest.mark.parametrize(
    ("steps", "window", "options"),
    [
        (
            [[Row(0, 290, 291), Row(1, 20, 21)], [Row(1, 0, 1), Row(0, 3, 4)], [Row(0, 140, 141), Row(0, 299, 300)]],
            None,
            AttentionOptions(num_programs=3),
        ),
        ([[Row(0, 290, 291), Row(1, 20, 21)], [Row(1, 98, 100)]], None, AttentionOptions()),  # one row less
        ([[Row(0, 90, 91), Row(0, 89, 90, NODES)], [Row(0, 0, 3), Row(1, 98, 100)]], 50, AttentionOptions()),
        (
            [[Row(1, 20, 21), Row(0, 89, 90, NODES)], [Row(0, 249, 250), Row(0, 3, 7)]],
            None,
            AttentionOptions(is_deterministic=True, split_len=128),
        ),
    ],
)
def test_each_step_is_attended_in_the_same_tables(
    steps: Sequence[Sequence[Row]], window: int | None, options: AttentionOptions
) -> None:
    texts = Texts(2, 300, num_heads=2, num_kv_heads=1)
    made = [texts.step(rows, window=window) for rows in steps]
    graph = AttentionGraphPlan(made[0].rows, DEVICE, BOUNDS, options)
    before = addresses(graph)
    check(graph.plan, made[0])
    for step in made[1:]:
        graph.update(step.rows)
        assert addresses(graph) == before
        check(graph.plan, step)


def test_a_step_beyond_the_bounds_is_refused() -> None:
    texts = Texts(2, 320)
    graph = AttentionGraphPlan(texts.step([Row(0, 9, 10), Row(1, 9, 10)]).rows, DEVICE, BOUNDS, AttentionOptions())
    for rows, message in (
        ([Row(0, 300, 301), Row(1, 0, 1)], "at most 300 of cells, got 301"),
        ([Row(0, 20, 21), Row(1, 0, 2)], "at most 2 of tokens, got 3"),
        ([Row(0, 0, 1), Row(0, 1, 2), Row(0, 2, 3)], "at most 2 of rows, got 3"),
        ([Row(0, 0, 1)], "expected 2 tokens, got 1"),
    ):
        with pytest.raises((StepTooLarge, ValueError), match=message):
            graph.update(texts.step(rows).rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_plan_is_replayed() -> None:
    texts = Texts(2, 3000, num_heads=16, num_kv_heads=2, head_dim=128, dtype=torch.bfloat16)
    first, second = (texts.step([Row(0, end, end + 1), Row(1, 7, 8)]) for end in (40, 2900))
    bounds = GraphBounds(num_rows=2, max_query_len=1, max_kv_len=3000)
    graph_plan = AttentionGraphPlan(first.rows, DEVICE, bounds, AttentionOptions())
    size = max(len(first.k_cache), len(second.k_cache))
    k_cache, v_cache = (
        torch.zeros((size, *first.k_cache.shape[1:]), dtype=torch.bfloat16, device=DEVICE) for _ in "kv"
    )
    q = first.q.to(DEVICE)
    graph_plan.plan.run(q, k_cache, v_cache, 0.1)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = graph_plan.plan.run(q, k_cache, v_cache, 0.1)
    for step in (first, second):
        graph_plan.update(step.rows)
        q.copy_(step.q)
        k_cache[: len(step.k_cache)] = step.k_cache.to(DEVICE)
        v_cache[: len(step.v_cache)] = step.v_cache.to(DEVICE)
        graph.replay()
        twin = plan_reference(step.rows, torch.device("cpu"))
        expected = attention(step.q, step.k_cache, step.v_cache, twin, 0.1)
        torch.testing.assert_close(out.cpu(), expected, rtol=3e-2, atol=3e-2)
