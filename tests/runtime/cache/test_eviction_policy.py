"""What goes first under each policy, against a search of all cached text, and what finding it costs."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.runtime.cache.eviction_policy import EvictionPolicyName
from palmette.runtime.cache.eviction_queue import EvictionQueue
from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.cache.node import Node
from palmette.runtime.cache.radix_cache import RadixCache

LAYOUT = KVLayout(num_layers=1, num_kv_heads=1, head_dim=1, dtype=torch.int64)
POLICIES: tuple[EvictionPolicyName, ...] = ("lru", "lfu", "priority")
NUM_PAGES = 60

Prefix = tuple[int, ...]


@dataclass
class Record:
    """What is known of a cached prefix's last token."""

    last_use: int
    num_uses: int = 0
    priority: int = 0


class Model:
    """Cached prefixes one by one; what goes first is searched for among all that nothing goes on from."""

    def __init__(self, policy: EvictionPolicyName) -> None:
        self.policy = policy
        self.tick = 0
        self.records: dict[Prefix, Record] = {}

    def insert(self, text: Prefix, priority: int) -> None:
        self.tick += 1
        for n in range(1, len(text) + 1):
            record = self.records.setdefault(text[:n], Record(self.tick, 0, priority))
            record.last_use = self.tick
            record.priority = max(record.priority, priority)

    def use(self, text: Prefix) -> None:
        self.tick += 1
        match = self.match(text)
        for n in range(1, len(match) + 1):
            self.records[match[:n]].last_use = self.tick
            self.records[match[:n]].num_uses += 1

    def evict(self) -> None:
        leaves = [prefix for prefix in self.records if self._is_leaf(prefix)]
        if leaves:
            del self.records[min(leaves, key=self._order)]

    def match(self, text: Prefix) -> Prefix:
        return max((text[:n] for n in range(len(text) + 1) if n == 0 or text[:n] in self.records), key=len)

    def _is_leaf(self, prefix: Prefix) -> bool:
        return not any(len(other) == len(prefix) + 1 and other[:-1] == prefix for other in self.records)

    def _order(self, prefix: Prefix) -> tuple[int, int]:
        record = self.records[prefix]
        return {"lru": 0, "lfu": record.num_uses, "priority": record.priority}[self.policy], record.last_use


texts = st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), texts, st.integers(-1, 2)),
        st.tuples(st.just("use"), texts, st.just(0)),
        st.tuples(st.just("evict"), st.just(()), st.integers(1, 3)),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(policy=st.sampled_from(POLICIES), steps=actions)
def test_eviction_takes_what_a_search_would(policy: EvictionPolicyName, steps: list[tuple[str, Prefix, int]]) -> None:
    pool = KVPool(LAYOUT, NUM_PAGES, page_size=1)
    cache, model = RadixCache(pool, eviction_policy=policy), Model(policy)
    for action, text, number in steps:
        if action == "insert" and pool.num_free_pages >= len(text):
            pages = pool.allocate(len(text))
            cache.insert("", text, pages, priority=number)
            pool.release_all(pages)
            model.insert(text, number)
        elif action == "use":
            cache.unlock(cache.lock_match(cache.match_prefix("", text)))
            model.use(text)
        elif action == "evict":
            cache.evict(number)
            for _ in range(number):
                model.evict()
        cache.check_integrity({})
        assert _cached(cache) == set(model.records)


def _cached(cache: RadixCache) -> set[Prefix]:
    prefixes: set[Prefix] = set()
    stack: list[tuple[Node, Prefix]] = [(root, ()) for root in cache._roots.values()]
    while stack:
        node, text = stack.pop()
        prefixes |= {(*text, *node.segment[: n + 1]) for n in range(len(node.segment))}
        stack += [(child, (*text, *node.segment)) for child in node.children.values()]
    return prefixes


def _with_leaves(policy: EvictionPolicyName, num_leaves: int) -> tuple[RadixCache, list[list[int]]]:
    """A tree of two-page texts that share their first page."""
    pool = KVPool(LAYOUT, num_leaves + 2, page_size=2)
    cache = RadixCache(pool, eviction_policy=policy)
    (head,) = pool.allocate(1)
    known = [[1, 2, 10 + index, 3] for index in range(num_leaves)]
    for text in known:
        (page_id,) = pool.allocate(1)
        cache.insert("", text, [head, page_id])
        pool.release(page_id)
    pool.release(head)
    return cache, known


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("num_leaves", [10, 1000])
def test_an_eviction_looks_at_what_it_evicts_and_at_nothing_else(
    policy: EvictionPolicyName, num_leaves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, known = _with_leaves(policy, num_leaves)
    for text in known:  # whatever was noted of a leaf before is out of date now
        cache.unlock(cache.lock_match(cache.match_prefix("", text)))
    looked_at: list[str] = []
    for name in ("first", "put", "discard"):
        original = getattr(EvictionQueue, name)

        def counted(queue: EvictionQueue, *nodes: Node, name: str = name, original: object = original) -> object:
            looked_at.append(name)
            return original(queue, *nodes)  # type: ignore[operator]

        monkeypatch.setattr(EvictionQueue, name, counted)
    assert cache.evict(3) == 3
    assert sorted(looked_at) == ["discard"] * 3 + ["first"] * 3


def test_lists_of_ranks_nobody_has_are_dropped() -> None:
    cache, known = _with_leaves("lfu", 3)
    for _ in range(50):
        cache.unlock(cache.lock_match(cache.match_prefix("", known[0])))
    assert len(cache._queue._levels) == len(cache._queue._ranks) <= 3
    cache.check_integrity({})


def test_a_match_that_is_no_new_use_is_not_counted() -> None:
    cache, known = _with_leaves("lfu", 2)
    for text, is_use in ((known[0], True), (known[1], False), (known[1], False)):
        cache.unlock(cache.lock_match(cache.match_prefix("", text), is_use=is_use))
    cache.evict(1)
    assert [cache.match_prefix("", text).num_tokens for text in known] == [4, 2]


def test_a_prefix_is_worth_what_the_best_text_through_it_is() -> None:
    pool = KVPool(LAYOUT, 8, page_size=2)
    cache = RadixCache(pool, eviction_policy="priority")
    for text, priority in (([1, 2, 3, 4], 5), ([1, 2, 5, 6], 0), ([7, 8], 3)):
        pages = pool.allocate(len(text) // 2)
        cache.insert("", text, pages, priority=priority)
        pool.release_all(pages)
    order = []
    while pool.num_free_pages < pool.num_pages:
        before = {text: cache.match_prefix("", text).num_tokens for text in ((1, 2, 3, 4), (1, 2, 5, 6), (7, 8))}
        cache.evict(1)
        cache.check_integrity({})
        order.append([text for text, depth in before.items() if cache.match_prefix("", text).num_tokens < depth])
    assert order == [[(1, 2, 5, 6)], [(7, 8)], [(1, 2, 3, 4)], [(1, 2, 3, 4), (1, 2, 5, 6)]]


@pytest.mark.parametrize(("policy", "is_one_node"), [("lru", True), ("lfu", False), ("priority", False)])
def test_a_text_goes_on_in_its_node_only_where_the_policy_values_both_alike(
    policy: EvictionPolicyName, is_one_node: bool
) -> None:
    pool = KVPool(LAYOUT, 4, page_size=2)
    cache = RadixCache(pool, eviction_policy=policy)
    pages = pool.allocate(2)
    node = cache.insert("", [1, 2], pages, priority=1).node
    cache.unlock(cache.lock_match(cache.match_prefix("", [1, 2])))
    longer = cache.insert("", [1, 2, 3, 4], pages).node
    assert (longer is node) == is_one_node
    cache.check_integrity(dict.fromkeys(pages, 1))
