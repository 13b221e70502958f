"""The audit of the radix tree: whether nodes, pages and the order of eviction agree in all they count."""

from collections import Counter
from collections.abc import Iterable, Mapping

from .eviction_queue import EvictionQueue
from .kv_pool import KVPool
from .node import Node


def check_tree(
    roots: Mapping[str, Node],
    pool: KVPool,
    queue: EvictionQueue,
    num_cached_tokens: int,
    held: Mapping[int, int] | None,
) -> None:
    """Raise AssertionError, with the numbers, unless tree, pool and queue agree. O(tree + pool).

    `held` tells how many references the callers hold of each page; with it every reference must have an owner.
    """
    pool.check_integrity()
    nodes: list[Node] = []
    for namespace, root in roots.items():
        assert root.parent is None, f"root {namespace!r}: has a parent"
        assert not root.pages, f"root {namespace!r}: expected no pages, got {root.pages}"
        for node in root.subtree():
            _check_node(node, namespace, pool.page_size)
            nodes.append(node)
    num_tokens = sum(len(node.segment) for node in nodes)
    assert num_tokens == num_cached_tokens, f"expected num_cached_tokens of {num_tokens}, got {num_cached_tokens}"
    _check_pages(nodes, pool, held)
    queue.check_integrity()
    num_unlocked = sum(node.lock_count == 0 and not node.is_root for node in nodes)
    assert len(queue) == num_unlocked, f"expected {num_unlocked} nodes in the eviction queue, got {len(queue)}"


def _check_node(node: Node, namespace: str, page_size: int) -> None:
    where = f"node [{node.start}, {node.depth}) of {namespace!r}"
    assert node.namespace == namespace, f"{where}: is of namespace {node.namespace!r}"
    assert not node.is_evicted, f"{where}: is marked as evicted"
    num_locks_below = sum(child.lock_count for child in node.children.values())
    assert node.lock_count >= num_locks_below >= 0, (
        f"{where}: lock count {node.lock_count}, expected at least the {num_locks_below} of its children"
    )
    for token_id, child in node.children.items():
        assert child.parent is node, f"{where}: the child for token {token_id} has another parent"
        assert len(child.segment) > 0, f"{where}: the child for token {token_id} has no tokens"
        assert child.segment[0] == token_id, f"{where}: the child for {token_id} begins with {child.segment[0]}"
        assert child.start == node.depth, f"{where}: the child for token {token_id} starts at {child.start}"
        assert child.num_uses <= node.num_uses, f"{where}: {node.num_uses} uses, its child has {child.num_uses}"
        assert child.priority <= node.priority, f"{where}: priority {node.priority}, its child's is {child.priority}"
    if node.is_root:
        assert node.children or node.lock_count, f"{where}: an empty root was left behind"
        return
    num_pages = -(-node.depth // page_size) - node.start // page_size
    assert len(node.pages) == num_pages, f"{where}: expected {num_pages} pages, got {len(node.pages)}"
    is_queued = node.queue_rank is not None
    assert is_queued == (node.lock_count == 0), (
        f"{where}: lock count {node.lock_count}, but {'known' if is_queued else 'unknown'} to eviction"
    )


def _check_pages(nodes: Iterable[Node], pool: KVPool, held: Mapping[int, int] | None) -> None:
    references: Counter[int] = Counter()
    evictable: Counter[int] = Counter()
    for node in nodes:
        references.update(node.pages)
        if node.lock_count == 0:
            evictable.update(node.pages)
    for page_id in range(pool.num_pages):
        count, num_own = pool.reference_count(page_id), references[page_id]
        assert count >= num_own, f"page {page_id}: the tree has {num_own} references, the pool counts {count}"
        num_held = count - num_own if held is None else held.get(page_id, 0)
        assert count == num_own + num_held, (
            f"page {page_id}: expected {num_own} references of the tree + {num_held} held, the pool counts {count}"
        )
        num_marked = pool.evictable_count(page_id)
        assert num_marked == evictable[page_id], (
            f"page {page_id}: unlocked nodes have {evictable[page_id]} references, {num_marked} are marked"
        )
