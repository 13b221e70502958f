"""The index and the order against matching from scratch, while a tree is inserted into, locked, and evicted from."""

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
from palmette.runtime.scheduling.match_order import MatchOrder
from palmette.runtime.scheduling.text_node import TextNode
from palmette.runtime.scheduling.waiting_index import WaitingIndex

texts = st.lists(st.integers(1, 2), min_size=1, max_size=12)  # two tokens: everything shares something
namespaces = st.sampled_from(["", "other"])
lines = st.sampled_from("ab")
NUM_PAGES, PAGE_SIZE = 40, 2


class Touched:
    """Notes which groups are taken out and put back, by the ends of their heads."""

    def __init__(self) -> None:
        self.out: list[int] = []
        self.back: list[int] = []

    def take_out(self, node: TextNode) -> None:
        self.out.append(node.depth)

    def put_back(self, node: TextNode) -> None:
        self.back.append(node.depth)

    def pop(self) -> list[int]:
        """The groups since the last call."""
        assert self.out == self.back, "whatever is taken out is put back"
        out = self.out.copy()
        self.out.clear()
        self.back.clear()
        return out


class IndexMachine(RuleBasedStateMachine):
    """Whatever happens to the tree, each row's match, and its place in its line, is what matching from scratch says."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = KVPool(LAYOUT, NUM_PAGES, PAGE_SIZE)
        self.cache = RadixCache(self.pool)
        self.order = MatchOrder()
        self.index = WaitingIndex(self.cache, self.order)
        self.line_of: dict[Row, str] = {}
        self.leaders: list[Row] = []
        self.locked: list[Node] = []
        self.num_rows = 0

    @rule(text=texts, namespace=namespaces, line=lines)
    def wait(self, text: list[int], namespace: str, line: str) -> None:
        self.num_rows += 1
        row = stub_row(text, self.num_rows, namespace=namespace)
        self.line_of[row] = line
        self.order.add(row, line, self.index.add(row))

    @precondition(lambda self: self.line_of)
    @rule(data=st.data(), is_gone=st.booleans())
    def leave(self, data: st.DataObject, is_gone: bool) -> None:
        row = data.draw(st.sampled_from(list(self.line_of)))
        self.order.remove(row, self.line_of.pop(row))
        if is_gone:
            self.index.remove(row)
            assert row not in self.index
        else:
            self.index.lead(row)
            self.leaders.append(row)

    @precondition(lambda self: self.leaders)
    @rule(data=st.data())
    def stop_leading(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.leaders))
        self.leaders.remove(row)
        self.index.remove(row)

    @precondition(lambda self: any(len(row.branch.token_ids) > 1 for row in self.line_of))
    @rule(data=st.data())
    def look_for_leaders(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from([row for row in self.line_of if len(row.branch.token_ids) > 1]))
        num_tokens = data.draw(st.integers(1, len(row.branch.token_ids) - 1))
        wanted = row.branch.token_ids[:num_tokens]
        assert set(self.index.leaders_of(row, num_tokens)) == {
            leader
            for leader in self.leaders
            if (leader.branch.namespace, leader.branch.token_ids[:num_tokens]) == (row.branch.namespace, wanted)
        }

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
    def every_match_is_right_and_every_line_in_order(self) -> None:
        self.index.check_integrity()
        self.order.check_integrity()
        assert set(self.index.leaders) == set(self.leaders)
        assert len(self.index) == len(self.line_of) + len(self.leaders)
        for line in "ab":
            rows = [row for row in self.line_of if self.line_of[row] == line]
            first = min(rows, key=lambda row: (-self.num_match(row), row.arrival), default=None)
            assert self.order.first(line) is first
            expected = None if first is None else (-self.num_match(first), *first.arrival)
            assert self.order.first_key(line) == expected

    def num_match(self, row: Row) -> int:
        branch = row.branch
        return min(self.cache.match_prefix(branch.namespace, branch.token_ids).num_tokens, len(branch.token_ids) - 1)


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_change_of_the_tree_costs_as_many_steps_as_it_has_branchings_of_texts_however_many_wait() -> None:
    pool = KVPool(LAYOUT, 64, 1)
    cache, touched = RadixCache(pool), Touched()
    index = WaitingIndex(cache, touched)
    rows = [stub_row([first, second, 7, 8], 100 * first + second) for first in (1, 2) for second in range(3, 90)]
    for row in rows:
        index.add(row)
    touched.pop()
    cache.insert("", [1, 3], pool.allocate(2))
    assert touched.pop() == [1, 3], "those that begin with 1, and of them one row"
    assert [index.match_len(row) for row in (rows[0], rows[1], rows[86], rows[87])] == [2, 1, 1, 0]
    cache.insert("", [1, 4, 9], pool.allocate(3))
    assert touched.pop() == [3]
    cache.insert("", [5, 5], pool.allocate(2))
    assert touched.pop() == [], "nobody waits for it"
    cache.flush()
    assert sorted(touched.pop()) == [1, 3, 3], "back to where they came from, in as many steps"
    assert [index.match_len(row) for row in rows] == [0] * len(rows)
    index.check_integrity()


def test_a_node_that_grows_takes_along_those_who_go_on_like_it() -> None:
    pool = KVPool(LAYOUT, 64, 2)
    cache, touched = RadixCache(pool), Touched()
    index = WaitingIndex(cache, touched)
    pages = pool.allocate(3)
    node = cache.insert("", [1, 2, 3, 4], pages[:2]).node
    alike, other = stub_row([1, 2, 3, 4, 5, 6, 7], 1), stub_row([1, 2, 3, 4, 1, 6, 7], 2)
    index.add(alike)
    index.add(other)
    touched.pop()
    assert cache.insert("", [1, 2, 3, 4, 5, 6], pages).node is node, "it grew"
    assert touched.pop() == [6]
    assert (index.match_len(alike), index.match_len(other)) == (6, 4)
    index.check_integrity()


@pytest.mark.parametrize("limit", [None, 1])
def test_the_last_token_and_input_to_be_scored_are_not_taken(
    limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = KVPool(LAYOUT, 8, 1)
    cache = RadixCache(pool)
    index = WaitingIndex(cache, MatchOrder())
    row = stub_row([1, 2, 3])
    monkeypatch.setattr(type(row.task), "match_limit", limit)
    index.add(row)
    cache.insert("", [1, 2, 3], pool.allocate(3))
    assert index.match_len(row) == (2 if limit is None else 1)


def test_the_last_token_of_a_leader_may_be_cached_too() -> None:
    pool = KVPool(LAYOUT, 64, 1)
    cache = RadixCache(pool)
    index = WaitingIndex(cache, MatchOrder())
    cache.insert("", [1, 2, 3, 4, 5], pool.allocate(5))
    leader, row = stub_row([1, 2, 3], 1), stub_row([1, 2, 3, 4, 9], 2)
    index.add(leader)
    index.lead(leader)
    index.add(row)
    assert index.match_len(row) == 4
    assert list(index.leaders_of(row, 3)) == [leader]
    index.check_integrity()


def test_what_waits_no_more_leaves_nothing_behind() -> None:
    pool = KVPool(LAYOUT, 64, 1)
    cache = RadixCache(pool)
    order = MatchOrder()
    index = WaitingIndex(cache, order)
    rows = [stub_row([1, 2, 3, *rest], number) for number, rest in enumerate([[], [4, 5, 6], [4, 5, 7], [8, 8, 8]])]
    for row in rows:
        order.add(row, "", index.add(row))
    cache.insert("", [1, 2, 3, 4, 5], pool.allocate(5))
    assert order.first("") is rows[1]
    for row in (rows[1], rows[3], rows[0], rows[2]):
        order.remove(row, "")
        index.remove(row)
        index.check_integrity()
        order.check_integrity()
    assert len(index) == len(order) == 0
    assert order.first("") is None
    assert not any(vars(index)[name] for name in ("_roots", "_heads_at", "_leaders")), vars(index)
