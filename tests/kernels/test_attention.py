import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from palmette.kernels import attention_reference, row_groups
from palmette.kernels.attention import attention, plan
from palmette.kernels.attention_rows import AttentionRows

HEAD_DIM = 8


def dense(q: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """One row, one head after the other. q: [queries, heads, dim], keys: [cells, kv_heads, dim]."""
    group = q.shape[1] // keys.shape[1]
    out = torch.empty_like(q)
    for head in range(q.shape[1]):
        scores = scale * q[:, head].double() @ keys[:, head // group].double().T
        weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
        out[:, head] = (weights @ values[:, head // group].double()).to(q.dtype)
    return out


class Case:
    """Rows of random lengths over a shuffled pool, some of which share their first pages."""

    def __init__(
        self,
        lens: list[tuple[int, int]],
        page_size: int,
        num_shared: int = 0,
        window: int | None = None,
        has_masks: bool = False,
        seed: int = 0,
        group: int = 2,
        num_kv_heads: int = 2,
        dtype: torch.dtype = torch.float32,
        is_shuffled: bool = True,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        pages = [-(-kv // page_size) for _, kv in lens]
        num_pages = sum(pages) + 3
        order = torch.randperm(num_pages, generator=generator) if is_shuffled else torch.arange(num_pages)
        table = torch.zeros((len(lens), max(pages)), dtype=torch.int64)
        taken = 0
        for row, count in enumerate(pages):
            table[row, :count] = order[taken : taken + count]
            taken += count
        for row, (query, kv) in enumerate(lens):
            base = kv - query
            first_base = lens[0][1] - lens[0][0]
            count = min(num_shared, base // page_size, first_base // page_size)
            table[row, :count] = table[0, :count]
        shape = (num_pages, page_size, num_kv_heads, HEAD_DIM)
        self.k_cache = torch.full(shape, math.nan)
        self.v_cache = torch.full(shape, math.nan)
        self.scale = HEAD_DIM**-0.5
        self.lens = lens
        self.masks: list[Tensor | None] = []
        positions = []
        self.cells = []
        for row, (query, kv) in enumerate(lens):
            cells = torch.arange(kv)
            slots = table[row][cells // page_size] * page_size + cells % page_size
            self.cells.append(slots)
            base = kv - query
            if has_masks and row % 2 == 0:
                parents = [int(torch.randint(-1, i, (), generator=generator)) if i else -1 for i in range(query)]
                mask = torch.eye(query, dtype=torch.bool)
                for i, parent in enumerate(parents):
                    if parent >= 0:
                        mask[i] |= mask[parent]
                self.masks.append(mask)
                positions += [base + int(mask[i].sum()) - 1 for i in range(query)]
            else:
                self.masks.append(None)
                positions += [base + i for i in range(query)]
        for slots in self.cells:
            for cache in (self.k_cache, self.v_cache):
                cache.view(-1, num_kv_heads, HEAD_DIM)[slots] = torch.randn(
                    (len(slots), num_kv_heads, HEAD_DIM), generator=generator
                )
        self.k_cache, self.v_cache = self.k_cache.to(dtype), self.v_cache.to(dtype)
        self.positions = torch.tensor(positions)
        self.window = window
        num_tokens = sum(query for query, _ in lens)
        self.q = torch.randn((num_tokens, num_kv_heads * group, HEAD_DIM), generator=generator).to(dtype)
        self.rows = AttentionRows(
            query_lens=tuple(query for query, _ in lens),
            kv_lens=tuple(kv for _, kv in lens),
            page_table=table,
            page_size=page_size,
            num_kv_heads=num_kv_heads,
            ancestor_masks=tuple(self.masks),
            positions=self.positions,
            window=window,
        )

    def run(self) -> Tensor:
        return attention(self.q, self.k_cache, self.v_cache, plan(self.rows, torch.device("cpu")), self.scale)

    def expected(self) -> Tensor:
        out, first = [], 0
        for (query, kv), slots, ancestors in zip(self.lens, self.cells, self.masks, strict=True):
            base = kv - query
            own = self.positions[first : first + query]
            mask = torch.arange(kv) <= base + torch.arange(query)[:, None]
            if ancestors is not None:
                mask[:, base:] = ancestors
            if self.window is not None:
                cell_positions = torch.cat((torch.arange(base), own))
                mask &= cell_positions > own[:, None] - self.window
            keys = self.k_cache.flatten(0, 1)[slots]
            values = self.v_cache.flatten(0, 1)[slots]
            out.append(dense(self.q[first : first + query], keys, values, mask, self.scale))
            first += query
        return torch.cat(out)

    def check(self, **tolerance: float) -> None:
        torch.testing.assert_close(self.run(), self.expected(), **tolerance)


@st.composite
def row_lens(draw: st.DrawFn) -> list[tuple[int, int]]:
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        query = draw(st.sampled_from([1, 1, 1, 2, 5, 33, 40]))
        rows.append((query, query + draw(st.integers(0, 40))))
    return rows


@settings(max_examples=150, deadline=None)
@given(
    lens=row_lens(),
    page_size=st.sampled_from([1, 4, 16]),
    num_shared=st.integers(0, 6),
    window=st.sampled_from([None, 1, 7, 30]),
    has_masks=st.booleans(),
    seed=st.integers(0, 1000),
    group=st.sampled_from([1, 3]),
    num_kv_heads=st.sampled_from([1, 2]),
    is_shuffled=st.booleans(),
)
def test_equals_dense_attention(
    lens: list[tuple[int, int]],
    page_size: int,
    num_shared: int,
    window: int | None,
    has_masks: bool,
    seed: int,
    group: int,
    num_kv_heads: int,
    is_shuffled: bool,
) -> None:
    Case(lens, page_size, num_shared, window, has_masks, seed, group, num_kv_heads, is_shuffled=is_shuffled).check()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    Case([(1, 70), (1, 66), (4, 30), (40, 90)], 4, num_shared=8, dtype=dtype).check(rtol=3e-2, atol=3e-2)


def test_long_row_is_attended_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_reference, "_BLOCK_LEN", 16)
    for window in (None, 20):
        for has_masks in (False, True):
            case = Case([(70, 100)], 4, window=window, has_masks=has_masks)
            blocks = attention_reference.plan_reference(case.rows, torch.device("cpu")).blocks
            assert [block.num_queries for block in blocks] == [16, 16, 16, 16, 6]
            case.check()


def test_shared_prefix_is_read_once() -> None:
    case = Case([(1, 1010 + row) for row in range(8)], 4, num_shared=250)
    groups = attention_reference.plan_reference(case.rows, torch.device("cpu")).groups
    assert [group.num_rows for group in groups] == [8]
    assert groups[0].shared is not None
    assert groups[0].shared.length == 1000
    case.check(rtol=1e-5, atol=1e-5)


def test_groups_follow_the_tree_of_pages() -> None:
    # Rows 0 to 3 share 60 pages of 16, rows 4 to 7 other 60; all share the first.
    pages = torch.zeros((9, 64), dtype=torch.int64)
    for row in range(8):
        half = row // 4
        pages[row, 1:60] = torch.arange(100 * half + 1, 100 * half + 60)
        pages[row, 60:] = torch.arange(1000 + 10 * row, 1004 + 10 * row)
    pages[8, 1:] = torch.arange(2000, 2063)  # a row that shares only the first page
    lens = [1] * 9
    groups = row_groups.group_rows(range(9), pages.numpy(), lens, [64 * 16] * 9, 16)
    assert [(group.rows, group.shared_len) for group in groups] == [((0, 1, 2, 3), 960), ((4, 5, 6, 7), 960), ((8,), 0)]


def test_a_cell_that_some_token_does_not_see_is_not_shared() -> None:
    # Both rows have the same two pages, but the first tokens of both do not see all of the second.
    pages = torch.tensor([[3, 4, 5], [3, 4, 6]])
    (group,) = row_groups.group_rows([0, 1], pages.numpy(), [3, 3], [9, 8], 4)
    assert group.shared_len == 4


def test_a_window_counts_depths_not_indices() -> None:
    # Nodes 0 and 1 are both at depth 0, and 2 is the child of 1: a window of 1 shows it nothing but itself.
    case = Case([(3, 10)], 4, window=1)
    mask = torch.tensor([[True, False, False], [False, True, False], [False, True, True]])
    case.masks = [mask]
    case.positions = torch.tensor([7, 7, 8])
    case.rows = replace(case.rows, ancestor_masks=(mask,), positions=case.positions)
    case.check()


@pytest.mark.parametrize("lens", [[(1, 9)], [(1, 70), (1, 66)], [(4, 30), (3, 33)], [(40, 40), (1, 20)], [(40, 90)]])
@pytest.mark.parametrize("soft_cap", [None, 0.7])
def test_soft_cap_and_sinks(lens: list[tuple[int, int]], soft_cap: float | None) -> None:
    case = Case(lens, 4, num_shared=8)
    sinks = torch.tensor([0.5, -1.0, 3.0, 0.0])
    step = plan(replace(case.rows, soft_cap=soft_cap), torch.device("cpu"))
    out = attention(case.q, case.k_cache, case.v_cache, step, case.scale, sinks, k_scale=2.0, v_scale=3.0)
    first = 0
    for (query, kv), slots in zip(case.lens, case.cells, strict=True):
        is_seen = torch.arange(kv) <= kv - query + torch.arange(query)[:, None]
        for head in range(4):
            keys, values = (cache.flatten(0, 1)[slots, head // 2].double() for cache in (case.k_cache, case.v_cache))
            scores = 2 * case.scale * case.q[first : first + query, head].double() @ keys.T
            if soft_cap is not None:
                scores = soft_cap * (scores / soft_cap).tanh()
            weights = scores.exp() * is_seen
            weights /= weights.sum(1, keepdim=True) + sinks[head].exp()
            expected = 3 * (weights @ values).float()
            torch.testing.assert_close(out[first : first + query, head], expected, rtol=1e-4, atol=1e-5)
        first += query


def test_fp8_cells() -> None:
    case = Case([(1, 9), (2, 20)], 4, dtype=torch.bfloat16)
    k_cache, v_cache = (cache.nan_to_num(0).to(torch.float8_e4m3fn) for cache in (case.k_cache, case.v_cache))
    step = plan(case.rows, torch.device("cpu"))
    out = attention(case.q, k_cache, v_cache, step, case.scale)
    assert torch.equal(out, attention(case.q, k_cache.bfloat16(), v_cache.bfloat16(), step, case.scale))


def test_wrong_lengths_are_refused() -> None:
    table = torch.zeros((1, 2), dtype=torch.int64)
    with pytest.raises(AssertionError, match="query_len <= kv_len, got 3, 2"):
        AttentionRows((3,), (2,), table, page_size=4, num_kv_heads=1)
    with pytest.raises(AssertionError, match="at most 8 cells a row, got 9"):
        AttentionRows((3,), (9,), table, page_size=4, num_kv_heads=1)
