"""Every backend of attention against the PyTorch twin, on the same steps, where package and device are there."""

import warnings
from dataclasses import replace

import pytest
import torch
from attention_case import Row, Step, Texts
from attention_steps import NODES, STEPS, make_step
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from palmette.kernels.attention import attention
from palmette.kernels.attention_backends.attention_case import AttentionCase, mix_of
from palmette.kernels.attention_backends.backend_name import BACKEND_NAMES, BackendName
from palmette.kernels.attention_backends.choice import BACKENDS
from palmette.kernels.attention_backends.flex import plan_flex
from palmette.kernels.attention_backends.machine import find_machine
from palmette.kernels.attention_backends.sdpa import plan_sdpa
from palmette.kernels.attention_plan import Planner
from palmette.kernels.attention_reference import plan_reference

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CPU = torch.device("cpu")
SCALE = 0.3
SINKS = torch.tensor([0.5, -1.0, 3.0, 0.0])
# float32 where the backend has it, as it shows more; else bfloat16, whose result is rounded to 8 bits.
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 3e-2}


def run(step: Step, planner: Planner, device: torch.device, sinks: Tensor | None = None, **scales: float) -> Tensor:
    q, k_cache, v_cache = (tensor.to(device) for tensor in (step.q, step.k_cache, step.v_cache))
    there = None if sinks is None else sinks.to(device)
    return attention(q, k_cache, v_cache, planner(step.rows), SCALE, there, **scales).cpu()


def twin(step: Step, sinks: Tensor | None = None, **scales: float) -> Tensor:
    cells = (step.k_cache.float(), step.v_cache.float())
    return attention(step.q.float(), *cells, plan_reference(step.rows, CPU), SCALE, sinks, **scales)


def case_of(step: Step, *, has_sinks: bool = False) -> AttentionCase:
    rows = step.rows
    assert rows.num_heads is not None
    assert rows.head_dim is not None
    return AttentionCase(
        step.q.dtype,
        rows.num_heads,
        rows.num_kv_heads,
        rows.head_dim,
        rows.page_size,
        mix_of(rows),
        step.k_cache.dtype,
        has_soft_cap=rows.soft_cap is not None,
        has_sinks=has_sinks,
    )


def check(name: BackendName, step_name: str, sinks: Tensor | None = None, **scales: float) -> None:
    if name == "torch" and DEVICE == CPU:
        pytest.skip("torch: on a CPU this is the twin itself, which tests/kernels/test_attention.py checks")
    machine, reason = find_machine(DEVICE), None
    for dtype, tolerance in TOLERANCE.items():
        step = make_step(step_name, dtype)
        case = case_of(step, has_sinks=sinks is not None)
        reason = BACKENDS[name].why_not(case, machine)
        if reason is None:
            out = run(step, BACKENDS[name].planner(case, DEVICE), DEVICE, sinks, **scales)
            assert out.dtype == dtype
            torch.testing.assert_close(out.float(), twin(step, sinks, **scales), rtol=tolerance, atol=tolerance)
            return
    pytest.skip(f"{name}: {reason}")


@pytest.mark.parametrize("name", BACKEND_NAMES)
@pytest.mark.parametrize("step", STEPS)
def test_it_equals_the_twin(name: BackendName, step: str) -> None:
    check(name, step)


@pytest.mark.parametrize("name", BACKEND_NAMES)
@pytest.mark.parametrize("step", ["decode", "mixed", "trees", "a common beginning", "soft cap"])
def test_sinks_and_scales(name: BackendName, step: str) -> None:
    check(name, step, SINKS, k_scale=0.5, v_scale=3.0)


@pytest.mark.parametrize("step", ["decode", "mixed", "trees"])
@pytest.mark.parametrize("name", [name for name in BACKEND_NAMES if name != "torch"])
def test_cells_of_8_bits(name: BackendName, step: str) -> None:
    made = make_step(step, torch.bfloat16)
    cells = [cache.nan_to_num(0).to(torch.float8_e4m3fn) for cache in (made.k_cache, made.v_cache)]
    made = Step(made.rows, made.q, *cells, made.tokens)
    reason = BACKENDS[name].why_not(case_of(made), find_machine(DEVICE))
    if reason is not None:
        pytest.skip(f"{name}: {reason}")
    out = run(made, BACKENDS[name].planner(case_of(made), DEVICE), DEVICE, v_scale=0.5)
    torch.testing.assert_close(out.float(), twin(made, v_scale=0.5), rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize(("step", "sinks"), [("trees, window", None), ("prefill, one text", None), ("soft cap", SINKS)])
def test_flex_uncompiled(step: str, sinks: Tensor | None) -> None:
    from torch.nn.attention.flex_attention import flex_attention

    made = make_step(step, torch.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        out = run(made, lambda rows: plan_flex(rows, CPU, flex_attention), CPU, sinks)
    torch.testing.assert_close(out, twin(made, sinks), rtol=2e-5, atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.one_of(
            st.integers(0, 140).map(lambda start: Row(0, start, start + 1)),
            st.tuples(st.integers(0, 70), st.integers(2, 40)).map(lambda pair: Row(1, pair[0], sum(pair))),
            st.integers(85, 90).map(lambda start: Row(2, start, 90, NODES)),
        ),
        min_size=1,
        max_size=5,
    ),
    page_size=st.sampled_from([1, 5, 16]),
    heads=st.sampled_from([(1, 1), (3, 1), (2, 2), (4, 2)]),
    window=st.sampled_from([None, 1, 33]),
)
def test_sdpa_on_any_rows(rows: list[Row], page_size: int, heads: tuple[int, int], window: int | None) -> None:
    step = Texts(3, 150, num_heads=heads[0], num_kv_heads=heads[1]).step(rows, page_size, window=window)
    out = run(step, lambda rows: plan_sdpa(rows, CPU), CPU)
    torch.testing.assert_close(out, twin(step), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("window", [None, 1500])
def test_sdpa_cuts_long_rows(window: int | None) -> None:
    step = Texts(1, 2200, num_heads=2, num_kv_heads=1).step([Row(0, 10, 2200)], window=window)
    plan = plan_sdpa(step.rows, CPU)
    assert sorted(batch.slots.shape[0] for batch in plan.batches) == [1, 1, 1]
    torch.testing.assert_close(run(step, lambda _: plan, CPU), twin(step), rtol=2e-5, atol=2e-5)


def test_sdpa_refuses_what_the_library_lacks() -> None:
    step = make_step("decode", torch.float32)
    with pytest.raises(AssertionError, match=r"soft_cap: expected None, as the library has none, got 2.0"):
        plan_sdpa(replace(step.rows, soft_cap=2.0), CPU)
    with pytest.raises(AssertionError, match="sinks: expected None"):
        plan_sdpa(step.rows, CPU).run(step.q, step.k_cache, step.v_cache, SCALE, SINKS)
    with pytest.raises(AssertionError, match="q: expected 4 tokens, got 3"):
        plan_sdpa(step.rows, CPU).run(step.q[:3], step.k_cache, step.v_cache, SCALE)
