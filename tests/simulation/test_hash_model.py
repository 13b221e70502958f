"""The hash model through slots and page tables, against what it says of a text alone."""

import numpy as np
import pytest
import torch
from hash_model import LAYOUT, HashModel, naive_logits
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.models.batch import Batch
from palmette.runtime.token_tree import TokenTree

VOCAB_SIZE = 37
NUM_PAGES = 64

texts = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=24)


class Paged:
    """Texts in a pool, each with pages in an order of its own, computed chunk by chunk."""

    def __init__(self, page_size: int, pages: list[int]) -> None:
        self.pool = KVPool(LAYOUT, NUM_PAGES, page_size)
        self.model = HashModel(VOCAB_SIZE)
        self._pages = pages

    def batch(self, rows: list[tuple[int, list[int], int, TokenTree | None]]) -> Batch:
        """Rows of (number, text, tokens computed before, tree after the text); all their logits are wanted."""
        token_ids, positions, slots, tables = list[int](), list[int](), list[int](), list[list[int]]()
        query_lens, kv_lens, masks = list[int](), list[int](), list[torch.Tensor | None]()
        page_size = self.pool.page_size
        for number, text, start, tree in rows:
            nodes = tree.token_ids if tree is not None else []
            own = [*text[start:], *nodes]
            token_ids += own
            depths = tree.depths if tree is not None else []
            positions += [*range(start, len(text)), *(len(text) + depth for depth in depths)]
            tables.append(self._pages[number * 16 : number * 16 + 16])
            slots += [
                tables[-1][cell // page_size] * page_size + cell % page_size for cell in range(start, start + len(own))
            ]
            query_lens.append(len(own))
            kv_lens.append(start + len(own))
            masks.append(tree.ancestor_mask(len(text) - start) if tree is not None else None)
        return Batch(
            torch.tensor(token_ids),
            torch.tensor(positions),
            torch.tensor(slots),
            tuple(query_lens),
            tuple(kv_lens),
            torch.tensor(tables),
            torch.arange(len(token_ids)),
            tuple(masks),
        )


@st.composite
def paged_pools(draw: st.DrawFn) -> Paged:
    return Paged(draw(st.sampled_from([2, 4, 16])), draw(st.permutations(range(NUM_PAGES))))


@settings(max_examples=60, deadline=None)
@given(paged=paged_pools(), chosen=st.lists(st.tuples(texts, st.integers(0, 23)), min_size=1, max_size=4))
def test_chunks_of_texts_on_scattered_pages_equal_the_texts(paged: Paged, chosen: list[tuple[list[int], int]]) -> None:
    cuts = [(number, text, min(cut, len(text) - 1)) for number, (text, cut) in enumerate(chosen)]
    heads = [(number, text[:cut], 0, None) for number, text, cut in cuts if cut]
    if heads:
        paged.model.forward(paged.batch(heads), paged.pool)
    logits = paged.model.forward(paged.batch([(number, text, cut, None) for number, text, cut in cuts]), paged.pool)
    expected = [naive_logits(text[: end + 1], VOCAB_SIZE) for _, text, cut in cuts for end in range(cut, len(text))]
    assert np.array_equal(logits.numpy(), np.stack(expected))


@settings(max_examples=60, deadline=None)
@given(
    paged=paged_pools(),
    text=texts,
    cut=st.integers(0, 23),
    choices=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=4),
)
def test_every_node_of_a_tree_sees_its_ancestors_alone(
    paged: Paged, text: list[int], cut: int, choices: list[list[int]]
) -> None:
    cut = min(cut, len(text) - 1)
    tree = TokenTree()
    for choice in choices:
        tree.add_path(choice)
    if cut:
        paged.model.forward(paged.batch([(0, text[:cut], 0, None)]), paged.pool)
    logits = paged.model.forward(paged.batch([(0, text, cut, tree), (1, [5, 6], 0, None)]), paged.pool).numpy()
    for node in range(len(tree)):
        path: list[int] = []
        above: int | None = node
        while above is not None:
            path.insert(0, tree.token_ids[above])
            above = tree.parents[above]
        assert np.array_equal(logits[len(text) - cut + node], naive_logits([*text, *path], VOCAB_SIZE))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("slot", range(7))
def test_any_cell_that_is_not_its_own_shows(side: int, slot: int) -> None:
    def last_logits(spoil: bool) -> np.ndarray:  # type: ignore[type-arg] # float32
        paged = Paged(4, list(range(NUM_PAGES)))
        paged.model.forward(paged.batch([(0, [1, 2, 3, 4, 5, 6, 7], 0, None)]), paged.pool)
        if spoil:
            paged.pool.cells.view(2, -1)[side, slot] += 1
        return paged.model.forward(paged.batch([(0, [1, 2, 3, 4, 5, 6, 7, 8], 7, None)]), paged.pool).numpy()

    assert not np.array_equal(last_logits(spoil=False), last_logits(spoil=True))


def test_pages_that_are_swapped_show() -> None:
    paged = Paged(2, list(range(NUM_PAGES)))
    paged.model.forward(paged.batch([(0, [1, 1, 1, 1, 1], 0, None)]), paged.pool)
    swapped = Paged(2, [1, 0, *range(2, NUM_PAGES)])
    swapped.pool.cells.copy_(paged.pool.cells)
    good, bad = (each.model.forward(each.batch([(0, [1] * 6, 5, None)]), each.pool) for each in (paged, swapped))
    assert not torch.equal(good, bad)
