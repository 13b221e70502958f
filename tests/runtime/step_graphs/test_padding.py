"""Padding touches nobody's text: it writes to scratch alone, and reads what this very pass wrote there."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from pass_texts import PassTexts, Turn

from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.models.batch import Batch
from palmette.runtime.step_graphs.padding import only_padding, pad

LAYOUT = KVLayout(num_layers=1, num_kv_heads=1, head_dim=2, dtype=torch.float32)


def cells_of(batch: Batch, row: int, page_size: int) -> list[int]:
    """The slots that a row reads, its own included."""
    pages = batch.page_table[row].tolist()
    return [pages[cell // page_size] * page_size + cell % page_size for cell in range(batch.kv_lens[row])]


@given(
    page_size=st.integers(1, 17),
    query_lens=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    num_padding=st.integers(0, 40),
    wants_all=st.booleans(),
)
def test_padding(page_size: int, query_lens: list[int], num_padding: int, wants_all: bool) -> None:
    texts = PassTexts(len(query_lens), 20, page_size)
    batch = texts.batch([Turn(text, length) for text, length in enumerate(query_lens)], wants_all=wants_all)
    pool = KVPool(LAYOUT, texts.num_pages, page_size, num_scratch_tokens=40)
    num_tokens = batch.num_tokens + num_padding
    padded = pad(batch, num_tokens, pool)
    # The batch's own part is what it was.
    for name in ("token_ids", "positions", "slots"):
        assert torch.equal(getattr(padded, name)[: batch.num_tokens], getattr(batch, name))
        assert len(getattr(padded, name)) == num_tokens
    assert padded.query_lens[: batch.num_rows] == batch.query_lens
    assert padded.kv_lens[: batch.num_rows] == batch.kv_lens
    assert torch.equal(padded.page_table[: batch.num_rows], batch.page_table)
    assert torch.equal(padded.logit_indices[: len(batch.logit_indices)], batch.logit_indices)
    assert len(padded.logit_indices) == num_tokens
    # Padding writes to scratch, each token elsewhere, and reads no other cells than those.
    written = padded.slots[batch.num_tokens :].tolist()
    assert len(set(written)) == num_padding
    assert all(slot // page_size in pool.scratch_pages for slot in written)
    for index, row in enumerate(range(batch.num_rows, padded.num_rows)):
        read = cells_of(padded, row, page_size)
        assert set(read) <= set(written)
        assert read[-1] == written[index], "a token sees its own cell"
    assert sum(padded.query_lens) == num_tokens


@given(page_size=st.integers(1, 9), num_pages=st.integers(1, 30), num_scratch_tokens=st.integers(0, 20))
def test_scratch_is_never_handed_out(page_size: int, num_pages: int, num_scratch_tokens: int) -> None:
    pool = KVPool(LAYOUT, num_pages, page_size, num_scratch_tokens=num_scratch_tokens)
    assert len(pool.scratch_pages) * page_size >= num_scratch_tokens
    held = pool.allocate(num_pages)
    assert pool.num_free_pages == 0
    assert not set(held) & set(pool.scratch_pages)
    pool.release_all(held)
    first = pool.allocate(1)
    after = pool.allocate(num_pages - 1, after=first[0])
    assert not {*first, *after} & set(pool.scratch_pages)
    pool.check_integrity()
    assert pool.k(0).shape[0] == num_pages + len(pool.scratch_pages)


def test_a_pass_of_padding_alone() -> None:
    pool = KVPool(LAYOUT, 2, 4, num_scratch_tokens=8)
    batch = only_padding(7, pool, has_trees=True)
    assert batch.slots.tolist() == list(range(8, 15))
    assert batch.kv_lens == (1, 2, 3, 4, 1, 2, 3)
    assert batch.page_table[:, 0].tolist() == [2] * 4 + [3] * 3
    mask, *others = batch.ancestor_masks
    assert mask is not None
    assert mask.all()
    assert others == [None] * 6
