"""What flash-attn and FlashInfer are told of a step, by what they say they do with it; needs neither."""

import numpy as np
import pytest
import torch
from attention_case import Row, Step, Texts
from attention_contracts import PagedWrapper, varlen_attention
from attention_steps import NODES, STEPS, make_step
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from palmette.kernels.attention_backends.flash_attn import FlashAttnPlan, varlen_tables
from palmette.kernels.attention_backends.flashinfer import FlashInferPlan, Wrappers
from palmette.kernels.attention_backends.flashinfer_parts import flashinfer_parts
from palmette.kernels.attention_plan import AttentionPlan
from palmette.kernels.attention_reference import plan_reference

CPU = torch.device("cpu")
SINKS = torch.tensor([0.5, -1.0, 3.0, 0.0])


def check(step: Step, plan: AttentionPlan, sinks: Tensor | None = None) -> None:
    out = plan.run(step.q, step.k_cache, step.v_cache, 0.3, sinks, 2.0)
    expected = plan_reference(step.rows, CPU).run(step.q, step.k_cache, step.v_cache, 0.3, sinks, 2.0)
    torch.testing.assert_close(out, expected, rtol=2e-5, atol=2e-5)


def infer(step: Step, wrappers: Wrappers | None = None, *, can_share: bool = True) -> FlashInferPlan:
    return FlashInferPlan(step.rows, CPU, wrappers or Wrappers(PagedWrapper), can_share=can_share)


@pytest.mark.parametrize("name", [name for name in STEPS if "trees" not in name])
@pytest.mark.parametrize("sinks", [None, SINKS], ids=["", "sinks"])
def test_flash_attn(name: str, sinks: Tensor | None) -> None:
    step = make_step(name, torch.float32, head_dim=16)
    check(step, FlashAttnPlan(step.rows, CPU, varlen_attention), sinks)


def test_pages_of_256_are_read_where_they_are_and_others_are_gathered() -> None:
    paged = varlen_tables(make_step("decode, pages of 256", torch.float32).rows)
    assert paged.slots is None
    assert paged.block_table is not None
    assert paged.block_table.dtype == np.int32
    gathered = varlen_tables(make_step("decode", torch.float32).rows)
    assert gathered.block_table is None
    assert gathered.slots is not None
    assert gathered.query_starts.tolist() == [0, 1, 2, 3, 4]
    assert gathered.cell_starts.tolist() == [0, 100, 170, 171, 301]
    assert (gathered.max_query_len, gathered.max_kv_len) == (1, 130)


@pytest.mark.parametrize("name", STEPS)
def test_flashinfer(name: str) -> None:
    step = make_step(name, torch.float32, head_dim=16)
    check(step, infer(step))


@pytest.mark.parametrize("name", ["decode", "mixed", "trees, window", "a common beginning", "soft cap"])
def test_flashinfer_with_sinks(name: str) -> None:
    step = make_step(name, torch.float32, head_dim=16)
    check(step, infer(step, can_share=False), SINKS)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.one_of(
            st.integers(300, 340).map(lambda start: Row(0, start, start + 1)),
            st.tuples(st.integers(0, 1), st.integers(0, 290), st.integers(2, 40)).map(
                lambda row: Row(row[0], row[1], row[1] + row[2])
            ),
            st.integers(85, 90).map(lambda start: Row(2, start, 90, NODES)),
        ),
        min_size=1,
        max_size=6,
    ),
    page_size=st.sampled_from([1, 5, 16]),
    window=st.sampled_from([None, 1, 33]),
    soft_cap=st.sampled_from([None, 1.5]),
)
def test_flashinfer_on_any_rows(rows: list[Row], page_size: int, window: int | None, soft_cap: float | None) -> None:
    step = Texts(3, 400, num_heads=2, num_kv_heads=1, shared=(300, 60)).step(
        rows, page_size, window=window, soft_cap=soft_cap
    )
    check(step, infer(step))


def test_rows_go_to_the_wrapper_of_their_kind() -> None:
    def kinds(name: str) -> dict[str, list[int] | None]:
        parts = flashinfer_parts(make_step(name, torch.float32).rows)
        return {part.kind: None if part.tokens is None else part.tokens.tolist() for part in parts}

    assert kinds("decode") == {"decode": None}
    assert kinds("prefill") == {"append": None}
    mixed = kinds("mixed")
    assert mixed["decode"] == [150, 151, 152, 153]
    assert mixed["append"] == list(range(150))
    assert set(kinds("trees")) == {"decode", "append", "trees"}
    shared = kinds("a common beginning")
    assert shared["shared"] is not None
    assert shared["append"] == list(range(4, 34))  # too short, and too unlike


def test_a_common_beginning_is_one_list() -> None:
    step = make_step("a common beginning", torch.float32)
    part = next(part for part in flashinfer_parts(step.rows) if part.kind == "shared")
    shared, own = part.levels
    assert shared.query_starts[-1] == own.query_starts[-1]
    assert len(own.query_starts) - 1 > len(shared.query_starts) - 1
    assert shared.last_page_lens.tolist() == [16] * len(shared.last_page_lens)
    assert shared.page_starts[1] * 16 >= 256
    alone = flashinfer_parts(step.rows, can_share=False)
    assert [each.kind for each in alone] == ["decode", "append"]
    assert sum(len(each.levels[0].pages) for each in alone) > sum(
        len(level.pages) for each in flashinfer_parts(step.rows) for level in each.levels
    )


def test_a_wrapper_is_planned_once_a_step() -> None:
    made: list[PagedWrapper] = []

    def make(kind: str) -> PagedWrapper:
        made.append(PagedWrapper(kind))
        return made[-1]

    wrappers = Wrappers(make)
    step = make_step("decode", torch.float32, head_dim=16)
    first, second = infer(step, wrappers), infer(step, wrappers)
    for _ in range(3):
        check(step, first)
    assert [wrapper.num_plans for wrapper in made] == [1]
    # A wrapper holds one plan: who comes after another plans again, and gets its own rows' result.
    longer = make_step("decode, window", torch.float32, head_dim=16)
    check(step, second)
    check(longer, infer(longer, wrappers))
    check(step, first)
    assert [wrapper.num_plans for wrapper in made] == [3, 1]
    assert len(wrappers.slots) == 2
