"""The index against matching from scratch, while a tree is inserted into, locked, and evicted from at random."""

import pytest
from hash_model import LAYOUT
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from stub_rows import stub_row

from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.cache.node import Node
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.row import Row
from palmette.runtime.scheduling.waiting_index import WaitingIndex

texts = st.lists(st.integers(1, 2), min_size=1, max_size=12)  # two tokens: everything shares something
namespaces = st.sampled_from(["", "other"])
NUM_PAGES, PAGE_SIZE = 40, 2


class IndexMachine(RuleBasedStateMachine):
    """Whatever happens to the tree, each row's match is what a match from scratch says."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = KVPool(LAYOUT, NUM_PAGES, PAGE_SIZE)
        self.cache = RadixCache(self.pool)
        self.changed: list[Row] = []
        self.index = WaitingIndex(self.cache, self.changed.append)
        self.rows: dict[Row, int] = {}
        self.locked: list[Node] = []

    @rule(text=texts, namespace=namespaces)
    def wait(self, text: list[int], namespace: str) -> None:
        row = stub_row(text, len(self.rows), namespace=namespace)
        self.index.add(row)
        self.rows[row] = row.num_match

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(list(self.rows)))
        del self.rows[row]
        self.index.remove(row)
        assert row not in self.index

    @rule(text=texts, namespace=namespaces)
    def insert(self, text: list[int], namespace: str) -> None:
        num_pages = -(-len(text) // PAGE_SIZE)
        self.cache.evict(num_pages - self.pool.num_free_pages)
        if self.pool.num_free_pages < num_pages:
            return
        pages = self.pool.allocate(num_pages)
        self.cache.insert(namespace, text, pages)
        self.pool.release_all(pages)

    @rule(text=texts, namespace=namespaces)
    def lock(self, text: list[int], namespace: str) -> None:
        self.locked.append(self.cache.lock_match(self.cache.match_prefix(namespace, text)))

    @precondition(lambda self: self.locked)
    @rule()
    def unlock(self) -> None:
        self.cache.unlock(self.locked.pop())

    @rule(num_pages=st.integers(1, 6))
    def evict(self, num_pages: int) -> None:
        self.cache.evict(num_pages)

    @invariant()
    def every_match_is_right_and_every_change_was_told(self) -> None:
        self.index.check_integrity()
        assert {*self.changed} >= {row for row, num_match in self.rows.items() if row.num_match != num_match}
        self.changed.clear()
        self.rows = {row: row.num_match for row in self.rows}


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_an_insertion_touches_only_the_rows_whose_match_it_lengthens() -> None:
    pool = KVPool(LAYOUT, 64, 1)
    cache = RadixCache(pool)
    touched: list[Row] = []
    index = WaitingIndex(cache, touched.append)
    rows = [stub_row([first, second, 7], number=10 * first + second) for first in (1, 2) for second in range(8)]
    for row in rows:
        index.add(row)
    cache.insert("", [1, 3], pool.allocate(2))
    assert touched == rows[:8]
    touched.clear()
    cache.insert("", [1, 4, 9], pool.allocate(3))
    assert touched == [rows[4]]
    assert [row.num_match for row in rows[:8]] == [1, 1, 1, 2, 2, 1, 1, 1]


def test_a_node_that_grows_takes_along_those_who_go_on_like_it() -> None:
    pool = KVPool(LAYOUT, 64, 2)
    cache = RadixCache(pool)
    touched: list[Row] = []
    index = WaitingIndex(cache, touched.append)
    pages = pool.allocate(3)
    node = cache.insert("", [1, 2, 3, 4], pages[:2]).node
    alike, other = stub_row([1, 2, 3, 4, 5, 6, 7], 1), stub_row([1, 2, 3, 4, 1, 6, 7], 2)
    index.add(alike)
    index.add(other)
    assert cache.insert("", [1, 2, 3, 4, 5, 6], pages).node is node, "it grew"
    assert touched == [alike]
    assert (alike.num_match, other.num_match) == (6, 4)
    index.check_integrity()


@pytest.mark.parametrize("limit", [None, 1])
def test_the_last_token_and_input_to_be_scored_are_not_taken(
    limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = KVPool(LAYOUT, 8, 1)
    cache = RadixCache(pool)
    index = WaitingIndex(cache, lambda row: None)
    row = stub_row([1, 2, 3])
    monkeypatch.setattr(type(row.task), "match_limit", limit)
    index.add(row)
    cache.insert("", [1, 2, 3], pool.allocate(3))
    assert row.num_match == (2 if limit is None else 1)
