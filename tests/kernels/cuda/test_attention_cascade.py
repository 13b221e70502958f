"""Ranges of cells that rows share are found in the tree of their pages, attended once, and only where it pays."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from attention_case import Row, Texts
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from palmette.kernels.attention import attention
from palmette.kernels.attention_reference import plan_reference
from palmette.kernels.attention_rows import AttentionRows
from palmette.kernels.cuda.attention_item import ItemField
from palmette.kernels.cuda.attention_plan import AttentionOptions, plan_paged
from palmette.kernels.cuda.attention_tiles import Spans, spans_of
from palmette.kernels.cuda.cascade import Segment, TileCosts, choose_segments, find_segments, share

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def decode_rows(page_lists: Sequence[Sequence[int]], page_size: int = 128, num_tokens: int = 1) -> AttentionRows:
    """Rows whose last token lies in their last page."""
    table = torch.zeros((len(page_lists), max(len(pages) for pages in page_lists)), dtype=torch.int64)
    for row, pages in enumerate(page_lists):
        table[row, : len(pages)] = torch.tensor(pages)
    kv_lens = tuple((len(pages) - 1) * page_size + num_tokens for pages in page_lists)
    return AttentionRows(
        (num_tokens,) * len(page_lists), kv_lens, table, page_size, num_kv_heads=8, num_heads=32, head_dim=128
    )


def segments_of(rows: AttentionRows) -> tuple[Spans, list[Segment]]:
    spans, _ = spans_of(rows)
    table: NDArray[np.int32] = rows.page_table.numpy().astype(np.int32)
    return spans, find_segments(spans, np.arange(len(spans)), table, rows.page_size, 128)


def named(segments: list[Segment]) -> set[tuple[tuple[int, ...], int, int]]:
    return {(tuple(segment.spans.tolist()), segment.start, segment.stop) for segment in segments}


def test_every_fork_of_the_tree_is_a_segment() -> None:
    # All share the first page but row 4; rows 0 and 1 share two more, rows 2 and 3 another.
    _, segments = segments_of(decode_rows([[7, 1, 2, 10], [7, 1, 2, 11], [7, 5, 12, 13], [7, 5, 14], [8, 15]]))
    assert named(segments) == {((0, 1, 2, 3), 0, 128), ((0, 1), 128, 384), ((2, 3), 128, 256)}


def test_segments_are_cut_to_whole_blocks() -> None:
    _, segments = segments_of(decode_rows([[*range(25), 100 + row] for row in range(2)], page_size=16))
    assert named(segments) == {((0, 1), 0, 384)}
    # Seven pages are less than a block: they are shared by the two rows that share the eighth too.
    _, segments = segments_of(decode_rows([[*range(9), 20], [*range(9), 21], [*range(7), 22]], page_size=16))
    assert named(segments) == {((0, 1), 0, 128)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=2, max_size=6))
def test_shared_and_own_cells_are_all_cells_once(forks: list[list[int]]) -> None:
    # Pages are the nodes of a tree of which each row is a path; the last page is a row's own.
    names: dict[tuple[int, ...], int] = {}
    lists = [
        [*(names.setdefault(tuple(path[: depth + 1]), len(names)) for depth in range(len(path))), 1000 + row]
        for row, path in enumerate(forks)
    ]
    rows = decode_rows(lists)
    spans, segments = segments_of(rows)
    seen = {row: np.zeros(kv_len, dtype=int) for row, kv_len in enumerate(rows.kv_lens)}
    if segments:
        left, tiles, tokens = share(spans, segments, num_tile_tokens=3)
        for tile in tiles:
            first = tile[ItemField.FIRST_TOKEN]
            for token in tokens[first : first + tile[ItemField.NUM_TOKENS]].tolist():
                seen[token][tile[ItemField.START] : tile[ItemField.STOP]] += 1
    else:
        left = spans
    for index in range(len(left)):
        seen[int(left.row[index])][int(left.start[index]) : int(left.stop[index])] += 1
    assert all((counts == 1).all() for counts in seen.values())


def chosen(rows: AttentionRows) -> set[tuple[tuple[int, ...], int, int]]:
    spans, segments = segments_of(rows)
    return named(choose_segments(segments, spans, TileCosts(group=4, block_rows=128, num_kv_heads=8, cell_bytes=512)))


def test_a_long_prefix_of_many_rows_is_worth_sharing() -> None:
    rows = decode_rows([[*range(32), 100 + row] for row in range(64)])
    assert chosen(rows) == {(tuple(range(64)), 0, 4096)}


@pytest.mark.parametrize(
    "rows",
    [
        decode_rows([[*range(2), 100 + row] for row in range(4)]),  # short
        decode_rows([[*range(32), 100 + row] for row in range(2)]),  # what two more launches cost
        decode_rows([[0, *range(100 * row, 100 * row + 60)] for row in range(1, 65)]),  # little of much
    ],
)
def test_what_gains_little_is_not_shared(rows: AttentionRows) -> None:
    assert chosen(rows) == set()


def test_queries_that_fill_tiles_gain_nothing() -> None:
    rows = decode_rows([[*range(32), 100 + row] for row in range(8)], num_tokens=32)
    assert plan_paged(rows, torch.device("cpu")).token_list is None


@pytest.mark.parametrize("sinks", [None, torch.tensor([0.5, 2.0])])
def test_equals_the_twin(sinks: torch.Tensor | None) -> None:
    texts = Texts(4, 340, num_heads=2, num_kv_heads=1, shared=(300, 280, 150))
    nodes = ((2, 290, None), (3, 290, None), (2, 291, 0))
    step = texts.step([Row(0, 310, 311), Row(1, 320, 324), Row(3, 160, 161), Row(2, 289, 290, nodes), Row(0, 100, 102)])
    plan = plan_paged(step.rows, DEVICE, AttentionOptions(num_programs=4, sharing="always"))
    assert plan.token_list is not None
    on_device = [tensor.to(DEVICE) for tensor in (step.q, step.k_cache, step.v_cache)]
    out = attention(*on_device, plan, 0.4, None if sinks is None else sinks.to(DEVICE)).cpu()
    twin = plan_reference(step.rows, torch.device("cpu"))
    expected = attention(step.q, step.k_cache, step.v_cache, twin, 0.4, sinks)
    torch.testing.assert_close(out, expected, rtol=2e-5, atol=2e-5)
