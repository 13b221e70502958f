"""The Triton attention against its PyTorch twin; without a device in the interpreter, on small shapes."""

import pytest
import torch
from attention_case import Row, Step, Texts
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from palmette.kernels.attention import attention
from palmette.kernels.attention_reference import plan_reference
from palmette.kernels.attention_rows import AttentionRows
from palmette.kernels.cuda.attention_plan import AttentionOptions, plan_paged

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SCALE = 0.4
ONE_PROGRAM = AttentionOptions(num_programs=1)


def run(step: Step, options: AttentionOptions = ONE_PROGRAM, **terms: object) -> Tensor:
    plan = plan_paged(step.rows, DEVICE, options)
    sinks = terms.pop("sinks", None)
    if isinstance(sinks, Tensor):
        terms["sinks"] = sinks.to(DEVICE)
    caches = (step.k_cache.to(DEVICE), step.v_cache.to(DEVICE))
    return attention(step.q.to(DEVICE), *caches, plan, SCALE, **terms).cpu()  # type: ignore[arg-type] # a test's terms


def check(step: Step, options: AttentionOptions = ONE_PROGRAM, tolerance: float = 2e-5, **terms: object) -> None:
    twin = plan_reference(step.rows, torch.device("cpu"))
    expected = attention(step.q, step.k_cache, step.v_cache, twin, SCALE, **terms)  # type: ignore[arg-type]
    torch.testing.assert_close(run(step, options, **terms), expected, rtol=tolerance, atol=tolerance)


NODES = ((1, 90, None), (2, 90, None), (1, 91, 0), (2, 91, 1), (2, 92, 3))


# To shrink a failing step would take minutes in the interpreter.
@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    rows=st.lists(
        st.one_of(
            st.integers(0, 140).map(lambda start: Row(0, start, start + 1)),
            st.tuples(st.integers(0, 70), st.integers(2, 40)).map(lambda pair: Row(1, pair[0], sum(pair))),
            st.integers(85, 90).map(lambda start: Row(2, start, 90, NODES)),
        ),
        min_size=1,
        max_size=2,
    ),
    page_size=st.sampled_from([1, 16, 64]),
    heads=st.sampled_from([(1, 1), (3, 1), (2, 2)]),
    window=st.sampled_from([None, 1, 33]),
    soft_cap=st.sampled_from([None, 1.5]),
    has_sinks=st.booleans(),
    options=st.sampled_from(
        [
            AttentionOptions(num_programs=1),
            AttentionOptions(num_programs=8),
            AttentionOptions(num_programs=2, is_deterministic=True, split_len=128),
        ]
    ),
)
def test_equals_the_twin(
    rows: list[Row],
    page_size: int,
    heads: tuple[int, int],
    window: int | None,
    soft_cap: float | None,
    has_sinks: bool,
    options: AttentionOptions,
) -> None:
    texts = Texts(3, 150, num_heads=heads[0], num_kv_heads=heads[1])
    step = texts.step(rows, page_size, window=window, soft_cap=soft_cap)
    check(step, options, sinks=torch.linspace(-1, 2, heads[0]) if has_sinks else None)


@pytest.mark.parametrize("head_dim", [64, 80, 96, 128, 256])
def test_head_dims(head_dim: int) -> None:
    texts = Texts(1, 90, num_heads=2, num_kv_heads=1, head_dim=head_dim)
    check(texts.step([Row(0, 69, 70), Row(0, 40, 80)]))


@pytest.mark.parametrize("group", [1, 5, 8, 71, 128])
def test_group_sizes(group: int) -> None:
    texts = Texts(1, 60, num_heads=group, num_kv_heads=1)
    check(texts.step([Row(0, 50, 51), Row(0, 46, 55)]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    texts = Texts(1, 150, dtype=dtype)
    check(texts.step([Row(0, 149, 150), Row(0, 70, 100)]), tolerance=2e-2)


def test_fp8_cells_with_scales() -> None:
    step = Texts(1, 500, num_heads=2, num_kv_heads=1, dtype=torch.bfloat16).step([Row(0, 499, 500), Row(0, 90, 100)])
    cells = [cache.nan_to_num(0).to(torch.float8_e4m3fn) for cache in (step.k_cache, step.v_cache)]
    step = Step(step.rows, step.q, *cells, step.tokens)
    check(step, tolerance=2e-2, k_scale=0.5, v_scale=3.0)
    split = AttentionOptions(num_programs=16)
    assert plan_paged(step.rows, DEVICE, split).merge is not None
    check(step, split, tolerance=2e-2, k_scale=0.5, v_scale=3.0)


def test_long_rows_are_split_and_merged() -> None:
    texts = Texts(2, 1100, num_heads=2, num_kv_heads=1)
    step = texts.step([Row(0, 1099, 1100), Row(1, 300, 301)])
    options = AttentionOptions(num_programs=16)
    (launch,) = plan_paged(step.rows, DEVICE, options).launches
    assert launch.num_items == 12  # 9 and 3 of 128 cells
    check(step, options, sinks=torch.tensor([0.5, 9.0]))


def test_a_part_that_a_token_does_not_see_counts_nothing() -> None:
    # The first tokens of the chunk see nothing of the second split.
    texts = Texts(1, 140, num_heads=2, num_kv_heads=1)
    check(texts.step([Row(0, 120, 140)]), AttentionOptions(num_programs=64))


def test_tokens_of_a_chain_of_drafts_are_plain_text() -> None:
    chain = tuple((0, 50 + node, node - 1 if node else None) for node in range(4))
    step = Texts(1, 60).step([Row(0, 49, 50, chain)])
    assert plan_paged(step.rows, DEVICE).masks is None
    check(step)


def test_a_tree_of_more_than_32_nodes() -> None:
    nodes = tuple((0, 30 + (node > 0), 0 if node else None) for node in range(70))
    check(Texts(1, 40).step([Row(0, 27, 30, nodes)], 4))


def test_queries_may_be_a_view_of_a_wider_tensor() -> None:
    step = Texts(1, 60).step([Row(0, 58, 60)])
    wide = torch.cat((step.q, torch.full_like(step.q, torch.nan)), dim=1)
    narrow = Step(step.rows, wide[:, : step.q.shape[1]], step.k_cache, step.v_cache, step.tokens)
    assert torch.equal(run(narrow), run(step))


def test_wrong_arguments_are_refused() -> None:
    step = Texts(1, 20).step([Row(0, 19, 20)], 4)
    plan = plan_paged(step.rows, DEVICE)
    q, k_cache, v_cache = (tensor.to(DEVICE) for tensor in (step.q, step.k_cache, step.v_cache))
    with pytest.raises(AssertionError, match=r"q: expected the shape \(1, 4, 16\), got \(2, 4, 16\)"):
        plan.run(torch.cat((q, q)), k_cache, v_cache, SCALE)
    with pytest.raises(AssertionError, match=r"k_cache: expected \[num_pages, \*\(4, 2, 16\)\]"):
        plan.run(q, k_cache[:, :2], v_cache, SCALE)
    with pytest.raises(AssertionError, match=r"v_cache: expected the queries' torch.float32 or fp8, got torch.float16"):
        plan.run(q, k_cache, v_cache.half(), SCALE)
    with pytest.raises(AssertionError, match=r"sinks: expected \[4\], got \(3,\)"):
        plan.run(q, k_cache, v_cache, SCALE, sinks=torch.zeros(3, device=DEVICE))
    with pytest.raises(AssertionError, match=r"scale: expected a number > 0, got 0"):
        plan.run(q, k_cache, v_cache, 0)
    odd_pages = AttentionRows((1,), (1,), torch.zeros((1, 1), dtype=torch.int64), 3, 1, num_heads=1, head_dim=16)
    with pytest.raises(AssertionError, match=r"page_size: expected a power of 2, got 3"):
        plan_paged(odd_pages, DEVICE)
    with pytest.raises(ValueError, match="split_len: expected a multiple of 128 cells, got 100"):
        AttentionOptions(split_len=100)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("head_dim", [64, 80, 128, 256])
def test_real_sizes(head_dim: int, dtype: torch.dtype) -> None:
    texts = Texts(4, 3000, num_heads=16, num_kv_heads=2, head_dim=head_dim, dtype=dtype, shared=(2048, 2048))
    nodes = ((1, 2500, None), (2, 2500, None), (1, 2501, 0), (2, 2501, 1))
    rows = [Row(0, 2999, 3000), Row(1, 2600, 2601), Row(2, 1000, 2900), Row(1, 2499, 2500, nodes), Row(3, 0, 700)]
    for window in (None, 300):
        step = texts.step(rows, window=window, soft_cap=None if window is None else 20.0)
        for options in (
            AttentionOptions(),
            AttentionOptions(sharing="always"),
            AttentionOptions(is_deterministic=True),
        ):
            check(step, options, tolerance=3e-2)
