"""The C kernel of attention against its PyTorch twin, for each instruction set; tokens apart to the last bit."""

import math

import pytest
import torch
from attention_case import Row, Step, Texts
from hypothesis import given, settings
from hypothesis import strategies as st
from instruction_sets import SUPPORTED, each_instruction_set, library_for
from torch import Tensor

from palmette.kernels.attention_reference import plan_reference
from palmette.kernels.cpu.attention import CpuAttentionPlan
from palmette.kernels.cpu.instruction_set import InstructionSet

CPU = torch.device("cpu")
MAX_LEN = 90
# Softmax and sums are in float32; in bfloat16 the result is rounded to 8 bits.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}

needs_compiler = pytest.mark.skipif(not SUPPORTED, reason="no C compiler")


def run(step: Step, instruction_set: InstructionSet) -> Tensor:
    plan = CpuAttentionPlan(step.rows, library_for(instruction_set))
    return plan.run(step.q, step.k_cache, step.v_cache, 0.3)


def twin(step: Step) -> Tensor:
    return plan_reference(step.rows, CPU).run(step.q.float(), step.k_cache.float(), step.v_cache.float(), 0.3)


@st.composite
def rows(draw: st.DrawFn, num_texts: int) -> list[Row]:
    made = []
    for text in draw(st.lists(st.integers(0, num_texts - 1), min_size=1, max_size=5, unique=True)):
        stop = draw(st.integers(1, MAX_LEN))
        start = draw(st.one_of(st.just(stop - 1), st.integers(0, stop - 1)))
        made.append(Row(text, start, stop))
    return made


@needs_compiler
@settings(max_examples=60, deadline=None)
@given(
    made=rows(num_texts=5),
    heads=st.sampled_from([(1, 1), (4, 2), (6, 1), (3, 3)]),
    head_dim=st.sampled_from([16, 48, 64, 80, 128]),
    page_size=st.sampled_from([1, 5, 16]),
    window=st.sampled_from([None, 1, 7, 33]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    instruction_set=st.sampled_from(SUPPORTED or tuple(InstructionSet)),
)
def test_it_equals_the_twin(
    made: list[Row],
    heads: tuple[int, int],
    head_dim: int,
    page_size: int,
    window: int | None,
    dtype: torch.dtype,
    instruction_set: InstructionSet,
) -> None:
    texts = Texts(5, MAX_LEN, num_heads=heads[0], num_kv_heads=heads[1], head_dim=head_dim, dtype=dtype, shared=(0, 40))
    step = texts.step(made, page_size, window=window)
    out = run(step, instruction_set)
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), twin(step), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@each_instruction_set
@pytest.mark.parametrize("window", [None, 12])
def test_trees(instruction_set: InstructionSet, window: int | None) -> None:
    texts = Texts(4, MAX_LEN, head_dim=32)
    nodes = ((1, 31, None), (2, 31, None), (2, 32, 1), (3, 33, 2), (1, 32, 0))
    step = texts.step([Row(0, 30, 31, nodes), Row(1, 17, 20), Row(2, 40, 41, nodes[:1])], 4, window=window)
    torch.testing.assert_close(run(step, instruction_set), twin(step), rtol=1e-5, atol=1e-5)


@needs_compiler
@settings(max_examples=50, deadline=None)
@given(
    made=rows(num_texts=3),
    window=st.sampled_from([None, 7, 33]),
    page_size=st.sampled_from([3, 16]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    num_threads=st.sampled_from([1, 2]),
    instruction_set=st.sampled_from(SUPPORTED or tuple(InstructionSet)),
)
def test_a_token_is_the_same_in_any_company(
    made: list[Row],
    window: int | None,
    page_size: int,
    dtype: torch.dtype,
    num_threads: int,
    instruction_set: InstructionSet,
) -> None:
    texts = Texts(3, MAX_LEN, head_dim=64, dtype=dtype)
    step = texts.step(made, page_size, window=window)
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        together = run(step, instruction_set)
    finally:
        torch.set_num_threads(before)
    for index, (text, position) in enumerate(step.tokens):
        alone = texts.step([Row(text, position, position + 1)], 16, window=window, seed=index)
        assert torch.equal(run(alone, instruction_set)[0], together[index])


@needs_compiler
@settings(max_examples=60, deadline=None)
@given(
    stop=st.integers(1, 50),
    num_before=st.integers(1, 3),
    chosen=st.lists(st.integers(0, 2), min_size=1, max_size=24),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    instruction_set=st.sampled_from(SUPPORTED or tuple(InstructionSet)),
)
def test_a_node_of_a_tree_is_the_same_where_its_ancestors_alone_precede_it(
    stop: int, num_before: int, chosen: list[int], dtype: torch.dtype, instruction_set: InstructionSet
) -> None:
    """Three texts go on from one prefix, their cells in any order: as guesses lie, and as they lie when accepted."""
    texts = Texts(3, 80, head_dim=32, dtype=dtype, shared=(stop, stop))
    last: dict[int, int] = {}
    nodes: list[tuple[int, int, int | None]] = []
    for node, text in enumerate(chosen):
        nodes.append((text, stop + chosen[:node].count(text), last.get(text)))
        last[text] = node
    tree = texts.step([Row(0, max(0, stop - num_before), stop, tuple(nodes))], 4)
    out = run(tree, instruction_set)[-len(nodes) :]
    for index, (text, position, _) in enumerate(nodes):
        alone = texts.step([Row(text, position, position + 1)], 4, seed=1)
        assert torch.equal(run(alone, instruction_set)[0], out[index])


@each_instruction_set
def test_a_long_text_on_two_threads(instruction_set: InstructionSet) -> None:
    texts = Texts(2, 1500, num_heads=8, num_kv_heads=2, head_dim=64)
    step = texts.step([Row(0, 1499, 1500), Row(1, 1300, 1303)], 16)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        out = run(step, instruction_set)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(out, twin(step), rtol=1e-5, atol=1e-5)


@each_instruction_set
def test_large_scores_do_not_overflow(instruction_set: InstructionSet) -> None:
    texts = Texts(1, 40, head_dim=16)
    texts.q *= 1000
    step = texts.step([Row(0, 38, 40)], 16)
    torch.testing.assert_close(run(step, instruction_set), twin(step), rtol=1e-4, atol=1e-4)


@each_instruction_set
def test_what_is_not_a_number_is_seen(instruction_set: InstructionSet) -> None:
    texts = Texts(2, 40, head_dim=16)
    texts.k[0, 3] = math.nan
    out = run(texts.step([Row(0, 39, 40), Row(1, 39, 40)], 16), instruction_set)
    assert out[0].isnan().all()
    assert out[1].isfinite().all()


@needs_compiler
def test_what_the_kernel_cannot_do_goes_to_the_twin() -> None:
    texts = Texts(2, 40, head_dim=24)  # no multiple of 16
    step = texts.step([Row(0, 39, 40), Row(1, 10, 13)], 16)
    torch.testing.assert_close(run(step, SUPPORTED[0]), twin(step))
    texts = Texts(2, 40, head_dim=32)
    step = texts.step([Row(0, 39, 40), Row(1, 10, 13)], 16, soft_cap=2.0)
    torch.testing.assert_close(run(step, SUPPORTED[0]), twin(step))
    sinks = torch.tensor([0.5, -1.0, 2.0, 0.0])
    step = texts.step([Row(0, 39, 40), Row(1, 10, 13)], 16)
    plan = CpuAttentionPlan(step.rows, library_for(SUPPORTED[0]))
    expected = plan_reference(step.rows, CPU).run(step.q, step.k_cache, step.v_cache, 0.3, sinks, 0.5)
    torch.testing.assert_close(plan.run(step.q, step.k_cache, step.v_cache, 0.3, sinks, 0.5), expected)


@needs_compiler
def test_wrong_arguments_are_refused() -> None:
    step = Texts(1, 40, head_dim=16).step([Row(0, 38, 40)], 16)
    plan = CpuAttentionPlan(step.rows, library_for(SUPPORTED[0]))
    with pytest.raises(AssertionError, match="expected 2 tokens, got 1"):
        plan.run(step.q[:1], step.k_cache, step.v_cache, 1.0)
    with pytest.raises(AssertionError, match="bfloat16"):
        plan.run(step.q.bfloat16(), step.k_cache, step.v_cache, 1.0)
    with pytest.raises(AssertionError, match="k_cache: expected it contiguous"):
        plan.run(step.q, step.k_cache.transpose(2, 3).contiguous().transpose(2, 3), step.v_cache, 1.0)
