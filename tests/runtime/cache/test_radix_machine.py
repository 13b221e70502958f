"""The pool and the radix cache under random use, against cells that tell which text they belong to.

Each cell holds a hash of (token, position, previous cell), written through the branch's own page table. A page that
is stale, freed, swapped, or copied wrongly is seen when a match or a branch is read back.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from palmette.runtime.cache.eviction_policy import EvictionPolicyName
from palmette.runtime.cache.kv_pool import KVLayout, KVPool, OutOfPages
from palmette.runtime.cache.node import Node
from palmette.runtime.cache.radix_cache import RadixCache

LAYOUT = KVLayout(num_layers=2, num_kv_heads=1, head_dim=1, dtype=torch.int64)
NAMESPACES = ("", "salted")
MAX_NUM_PAGES = {1: 40, 2: 24, 4: 16, 16: 8}
MAX_TEXT_LEN = {1: 12, 2: 12, 4: 18, 16: 50}


def cell_hashes(token_ids: Sequence[int], namespace: str) -> list[int]:
    """What the cells of a text must hold."""
    hashes, previous = [], len(namespace)
    for position, token_id in enumerate(token_ids):
        previous = hash((token_id, position, previous)) & (2**62 - 1)
        hashes.append(previous)
    return hashes


@dataclass
class Branch:
    """A live text: its tokens, its page table (one reference a page), and the node it locks."""

    namespace: str
    token_ids: list[int]
    pages: list[int]
    node: Node
    num_locked_tokens: int


class Mirror:
    """A listener that keeps the tree's nodes, with their [start, depth), from nothing but what it hears."""

    def __init__(self) -> None:
        self.nodes: dict[Node, tuple[int, int]] = {}

    def on_insert(self, node: Node, start: int) -> None:
        known = self.nodes.get(node)
        assert start == (node.start if known is None else known[1])
        self.nodes[node] = (node.start, node.depth)

    def on_split(self, upper: Node, lower: Node) -> None:
        start, depth = self.nodes[lower]
        assert start < upper.depth < depth
        assert lower.parent is upper
        self.nodes |= {upper: (start, upper.depth), lower: (upper.depth, depth)}

    def on_evict(self, node: Node, parent: Node) -> None:
        start, depth = self.nodes.pop(node)
        assert start == parent.depth
        if not node.is_evicted:
            assert node.parent is parent
            assert start < node.depth < depth
            self.nodes[node] = (start, node.depth)


class RadixMachine(RuleBasedStateMachine):
    """Branches come, share, write, fork and go while the cache evicts; a set of cached prefixes is the model."""

    @initialize(
        page_size=st.sampled_from([1, 2, 4, 16]),
        is_scarce=st.booleans(),
        policy=st.sampled_from(["lru", "lfu", "priority"]),
    )
    def start(self, page_size: int, is_scarce: bool, policy: EvictionPolicyName) -> None:
        self.page_size = page_size
        num_pages = MAX_NUM_PAGES[page_size] // (2 if is_scarce else 1)
        self.pool = KVPool(LAYOUT, num_pages, page_size)
        self.cells = self.pool.cells.view(2, 2, num_pages, page_size).numpy()
        self.cache = RadixCache(self.pool, eviction_policy=policy)
        self.mirror = Mirror()
        self.cache.listeners.append(self.mirror)
        self.branches: list[Branch] = []
        self.cached: set[tuple[str, tuple[int, ...]]] = set()

    # What the branches do

    @rule(data=st.data(), namespace=st.sampled_from(NAMESPACES), is_exact_lock=st.booleans())
    def begin(self, data: st.DataObject, namespace: str, is_exact_lock: bool) -> None:
        token_ids = data.draw(self._texts(namespace))
        match = self.cache.match_prefix(namespace, token_ids)
        expected = max(
            (n for n in range(len(token_ids) + 1) if n == 0 or (namespace, tuple(token_ids[:n])) in self.cached),
        )
        assert match.num_tokens == expected
        self._check_cells(namespace, token_ids[: match.num_tokens], match.pages)
        if is_exact_lock:
            node = self.cache.lock_match(match)
            assert node.depth == match.num_tokens
        else:
            node = match.node
            self.cache.lock(node)
        self.pool.retain_all(match.pages)
        branch = Branch(namespace, token_ids[: match.num_tokens], list(match.pages), node, match.num_tokens)
        self.branches.append(branch)
        if not self._write(branch, token_ids[match.num_tokens :]):
            self._end(branch)

    @precondition(lambda self: self.branches)
    @rule(data=st.data(), tail=st.lists(st.integers(0, 2), max_size=20))
    def extend(self, data: st.DataObject, tail: list[int]) -> None:
        branch = data.draw(st.sampled_from(self.branches))
        self._write(branch, tail[: MAX_TEXT_LEN[self.page_size] - len(branch.token_ids)])

    @precondition(lambda self: self.branches)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        parent = data.draw(st.sampled_from(self.branches))
        self.cache.lock(parent.node)
        self.pool.retain_all(parent.pages)
        self.branches.append(
            Branch(parent.namespace, list(parent.token_ids), list(parent.pages), parent.node, parent.num_locked_tokens)
        )

    @precondition(lambda self: self.branches)
    @rule(data=st.data(), is_swapping=st.booleans(), only_full_pages=st.booleans(), priority=st.integers(-2, 2))
    def insert(self, data: st.DataObject, is_swapping: bool, only_full_pages: bool, priority: int) -> None:
        self._insert(data.draw(st.sampled_from(self.branches)), is_swapping, only_full_pages, priority)

    @precondition(lambda self: self.branches)
    @rule(data=st.data(), is_inserting=st.booleans())
    def end(self, data: st.DataObject, is_inserting: bool) -> None:
        branch = data.draw(st.sampled_from(self.branches))
        if is_inserting:
            self._insert(branch, is_swapping=False, only_full_pages=False)
        self._end(branch)

    @rule(data=st.data(), namespace=st.sampled_from(NAMESPACES))
    def whole_life(self, data: st.DataObject, namespace: str) -> None:
        """A branch that comes, leaves its text in the tree and goes: text that nobody locks."""
        self.begin(data, namespace, is_exact_lock=True)
        if self.branches:
            self._insert(self.branches[-1], is_swapping=True, only_full_pages=False)
            self._end(self.branches[-1])

    # What memory does

    @rule(num_pages=st.integers(1, 4))
    def evict(self, num_pages: int) -> None:
        num_free, num_evictable = self.pool.num_free_pages, self.cache.num_evictable_pages
        num_freed = self.cache.evict(num_pages)
        assert num_freed == min(num_pages, num_evictable)
        assert self.pool.num_free_pages == num_free + num_freed
        self._after_eviction()

    @rule()
    def flush(self) -> None:
        num_evictable = self.cache.num_evictable_pages
        assert self.cache.flush() == num_evictable
        self._after_eviction()
        assert self.cache.num_evictable_pages == 0

    # What must hold

    @invariant()
    def audit(self) -> None:
        self.cache.check_integrity(Counter(page_id for branch in self.branches for page_id in branch.pages))
        assert self._enumerate() == self.cached
        assert self.cache.num_cached_tokens == len(self.cached)
        for branch in self.branches:
            self._check_cells(branch.namespace, branch.token_ids, branch.pages)

    @invariant()
    def the_listener_knows_every_node(self) -> None:
        nodes = [node for root in self.cache._roots.values() for node in root.subtree() if not node.is_root]
        assert self.mirror.nodes == {node: (node.start, node.depth) for node in nodes}

    @invariant()
    def cached_text_reads_back(self) -> None:
        for namespace, token_ids in self.cached:
            match = self.cache.match_prefix(namespace, token_ids)
            assert match.num_tokens == len(token_ids)
            self._check_cells(namespace, token_ids, match.pages)

    def teardown(self) -> None:
        if hasattr(self, "branches"):
            for branch in list(self.branches):
                self._end(branch)
            self.cache.flush()
            self.cache.check_integrity({})
            assert self.pool.num_free_pages == self.pool.num_pages
            assert self.cache.num_cached_tokens == 0

    # Parts

    def _texts(self, namespace: str) -> st.SearchStrategy[list[int]]:
        """New texts, and texts that begin like a cached one."""
        longest = MAX_TEXT_LEN[self.page_size]
        fresh = st.lists(st.integers(0, 2), max_size=longest)
        known = sorted(token_ids for name, token_ids in self.cached if name == namespace)
        if not known:
            return fresh
        return st.builds(lambda head, tail: [*head, *tail][:longest], st.sampled_from(known), fresh)

    def _write(self, branch: Branch, token_ids: Sequence[int]) -> bool:
        """Append tokens, with copy-on-write; False when there is no memory for them."""
        num_old, num_new = len(branch.token_ids), len(branch.token_ids) + len(token_ids)
        if num_new == num_old:
            return True
        offset = num_old % self.page_size
        is_shared = offset != 0 and self.pool.reference_count(branch.pages[-1]) > 1
        num_fresh = -(-num_new // self.page_size) - len(branch.pages) + is_shared
        num_free = self.pool.num_free_pages
        if num_free < num_fresh:
            self.cache.evict(num_fresh - num_free)
            self._after_eviction()
        try:
            fresh = self.pool.allocate(num_fresh, after=branch.pages[-1] if branch.pages else None)
        except OutOfPages:
            return False
        if is_shared:
            self.pool.copy_cells(branch.pages[-1], fresh[0], offset)
            self.pool.release(branch.pages.pop())
        branch.pages.extend(fresh)
        branch.token_ids.extend(token_ids)
        hashes = cell_hashes(branch.token_ids, branch.namespace)
        for position in range(num_old, num_new):
            page_id = branch.pages[position // self.page_size]
            assert self.pool.reference_count(page_id) == 1, "a write to a shared page"
            for layer in range(2):
                for side in range(2):
                    self.cells[layer, side, page_id, position % self.page_size] = hashes[position] + 2 * layer + side
        return True

    def _insert(self, branch: Branch, is_swapping: bool, only_full_pages: bool, priority: int = 0) -> None:
        num_tokens = len(branch.token_ids)
        if only_full_pages:
            num_tokens -= num_tokens % self.page_size
        token_ids = branch.token_ids[:num_tokens]
        prefixes = {(branch.namespace, tuple(token_ids[: n + 1])) for n in range(num_tokens)}
        result = self.cache.insert(branch.namespace, token_ids, branch.pages, priority=priority)
        assert result.num_present_tokens == len(prefixes & self.cached)
        assert result.node.depth == num_tokens
        assert result.pages == self._match_pages(branch.namespace, token_ids)[: num_tokens // self.page_size]
        self.cached |= prefixes
        self.cache.lock(result.node)
        self.cache.unlock(branch.node)
        branch.node, branch.num_locked_tokens = result.node, num_tokens
        if is_swapping:
            for index, page_id in enumerate(result.pages):
                self.pool.retain(page_id)
                self.pool.release(branch.pages[index])
                branch.pages[index] = page_id

    def _match_pages(self, namespace: str, token_ids: Sequence[int]) -> tuple[int, ...]:
        return self.cache.match_prefix(namespace, token_ids).pages

    def _end(self, branch: Branch) -> None:
        self.branches.remove(branch)
        self.pool.release_all(branch.pages)
        self.cache.unlock(branch.node)

    def _check_cells(self, namespace: str, token_ids: Sequence[int], pages: Sequence[int]) -> None:
        assert len(pages) == -(-len(token_ids) // self.page_size)
        for position, expected in enumerate(cell_hashes(token_ids, namespace)):
            cell = self.cells[:, :, pages[position // self.page_size], position % self.page_size]
            assert cell.tolist() == [[expected, expected + 1], [expected + 2, expected + 3]]

    def _after_eviction(self) -> None:
        """What is left was there before, and what a branch locks is left."""
        left = self._enumerate()
        assert left <= self.cached
        for branch in self.branches:
            for n in range(branch.num_locked_tokens):
                assert (branch.namespace, tuple(branch.token_ids[: n + 1])) in left
        self.cached = left

    def _enumerate(self) -> set[tuple[str, tuple[int, ...]]]:
        """All prefixes in the tree."""
        prefixes: set[tuple[str, tuple[int, ...]]] = set()
        stack: list[tuple[Node, tuple[int, ...]]] = [(root, ()) for root in self.cache._roots.values()]
        while stack:
            node, text = stack.pop()
            for token_id in node.segment:
                text = (*text, token_id)
                prefixes.add((node.namespace, text))
            stack.extend((child, text) for child in node.children.values())
        return prefixes


RadixMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestRadixMachine = RadixMachine.TestCase
