"""RadixCache: which texts have their KV cells in the pool, as a tree of token segments."""

import heapq
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .kv_pool import KVPool


@dataclass(slots=True, eq=False)
class Node:
    """An edge of the tree with what lies under it: tokens [start, depth) of a text, and the pages that cover them.

    Only the cache changes a node. Others may read `segment` and `children`, to see how a text went on before.
    """

    segment: "array[int]"  # int32 token ids, empty for a root
    depth: int  # tokens of the text up to the end of the segment
    pages: list[int]  # pages start // page_size .. (depth - 1) // page_size
    parent: "Node | None"
    namespace: str
    children: "dict[int, Node]" = field(default_factory=dict)  # by the first token of their segment
    lock_count: int = 0  # locks on this node and on all below
    last_access: int = 0  # tick of the cache, at least that of any child
    is_queued: bool = False  # has an entry in the cache's eviction heap
    is_evicted: bool = False

    @property
    def start(self) -> int:
        """Tokens of the text before the segment."""
        return self.depth - len(self.segment)

    @property
    def is_root(self) -> bool:
        """Whether the node is the root of its namespace."""
        return self.depth == 0


@dataclass(frozen=True, slots=True)
class PrefixMatch:
    """The longest cached prefix of a text; good until the next eviction unless its node is locked."""

    num_tokens: int
    pages: tuple[int, ...]  # ceil(num_tokens / page_size) pages; of the last one only the matched head is meant
    node: Node  # the deepest node with a matched token (the root for none); the match may end inside its segment


@dataclass(frozen=True, slots=True)
class InsertResult:
    """What became of an insertion."""

    node: Node  # where the inserted text ends
    num_present_tokens: int  # the tree had these before
    pages: tuple[int, ...]  # num_tokens // page_size pages: the tree's own for each page the text fills


class RadixCache:
    """A radix tree over token ids whose nodes hold pages of KV cells; token-granular over pages of any size.

    The idea is RadixAttention's (Zheng et al. 2023, arXiv:2312.07104) over the paged memory of PagedAttention (Kwon
    et al. 2023, arXiv:2309.06180). Below, page_size 4, three texts of 10, 9 and 6 tokens, letters for tokens:

        root ""
        └── "abcdef"      [0, 6)   pages p0 p1        p1 = efgh, shared with the next node by a split
            ├── "ghij"    [6, 10)  pages p1 p2
            └── "xyz"     [6, 9)   pages q1 q2        q1 = efxy, the second branch's own copy of the head "ef"

    Page i of a text covers tokens [i * page_size, (i + 1) * page_size). A node that starts inside a page references a
    page whose head cells, those of its ancestors, are valid too: it is the page of the branch that computed the node,
    or one shared with the upper half of a split. So page i of a match comes from the deepest matched node that has a
    token in it.

    The tree holds one pool reference per page and node. A branch that puts a page into its page table retains it
    itself; a lock keeps the node in the tree meanwhile. A lock counts on the whole path to the root, so that what is
    unlocked can all be evicted, leaf by leaf. Splits never move a locker's node: the lower half keeps its identity.

    Namespaces (`cache_salt`) share nothing. Not thread-safe: it belongs to the engine's loop. Costs are linear in the
    length matched, inserted, locked or evicted (plus log of the leaves), never in the size of the tree.
    """

    def __init__(self, pool: KVPool, page_size: int | None = None) -> None:
        assert page_size is None or page_size == pool.page_size, f"expected pages of {pool.page_size}, got {page_size}"
        self._pool = pool
        self._page_size = pool.page_size
        self._roots: dict[str, Node] = {}
        self._num_cached_tokens = 0
        self._tick = 0
        # Min-heap of (last_access as of the push, serial, node). Every unlocked leaf has one entry; keys that have
        # grown old are refreshed and entries of nodes that are no leaf or locked are dropped when they surface.
        self._eviction_heap: list[tuple[int, int, Node]] = []
        self._num_pushes = 0

    @property
    def num_cached_tokens(self) -> int:
        """Tokens of all nodes."""
        return self._num_cached_tokens

    @property
    def num_evictable_pages(self) -> int:
        """Pages that would be free if everything unlocked were evicted. Exact: pages that branches hold are not."""
        return self._pool.num_evictable_pages

    # Reading

    def match_prefix(self, namespace: str, token_ids: Sequence[int]) -> PrefixMatch:
        """Find the longest cached prefix of `token_ids`. Changes nothing, and is no use for eviction: `lock` is.

        When not even the first token is cached, the node is the namespace's root (a detached one for a namespace the
        tree does not know, which may be locked and unlocked like any other).
        """
        node = self._roots.get(namespace) or self._new_root(namespace)
        num_tokens = 0
        pages: list[int] = []
        while num_tokens == node.depth and num_tokens < len(token_ids):
            child = node.children.get(token_ids[num_tokens])
            if child is None:
                break
            # The child's first page, where it starts inside one, takes the place of the parent's last.
            pages[num_tokens // self._page_size :] = child.pages
            num_tokens += _shared_len(child.segment, token_ids, num_tokens)
            node = child
        del pages[self._num_pages(num_tokens) :]
        return PrefixMatch(num_tokens, tuple(pages), node)

    # Locks

    def lock(self, node: Node) -> None:
        """Keep the node and all above it from eviction, and count as a use of them. Locks add up.

        A match that ends inside its node's segment locks the rest of the segment too; `lock_match` does not.
        """
        assert not node.is_evicted, f"lock of an evicted node ({len(node.segment)} tokens): lock before evicting"
        self._tick += 1
        current: Node | None = node
        while current is not None:
            if current.lock_count == 0:
                for page_id in current.pages:
                    self._pool.unmark_evictable(page_id)
            current.lock_count += 1
            current.last_access = self._tick
            current = current.parent

    def lock_match(self, match: PrefixMatch) -> Node:
        """Lock exactly what was matched, splitting the match's node where the match ends; returns the locked node."""
        node = match.node
        # Another text may have split the node since: the match then ends in one above.
        while node.parent is not None and node.start >= match.num_tokens:
            node = node.parent
        assert match.num_tokens <= node.depth, f"match of {match.num_tokens} tokens: {node.depth} are left of it"
        if match.num_tokens < node.depth:
            node = self._split(node, match.num_tokens)
        self.lock(node)
        return node

    def unlock(self, node: Node) -> None:
        """Take back one `lock` of the node."""
        self._tick += 1
        current: Node | None = node
        while current is not None:
            assert current.lock_count >= 1, (
                f"unlock of a node at depth {node.depth}: expected a lock count >= 1 at depth {current.depth}, "
                f"got {current.lock_count}"
            )
            current.lock_count -= 1
            current.last_access = self._tick
            if current.lock_count == 0:
                for page_id in current.pages:
                    self._pool.mark_evictable(page_id)
                self._queue_if_evictable(current)
                self._drop_if_empty_root(current)
            current = current.parent

    # Writing

    def insert(self, namespace: str, token_ids: Sequence[int], pages: Sequence[int]) -> InsertResult:
        """Add a text whose cells are in `pages`: page i holds tokens [i * page_size, ...) from its very first cell.

        The tree retains the pages of what was new, and takes none of the caller's references. What was there keeps
        the tree's pages; the caller may swap its duplicates of full pages for those of the result (retain theirs,
        release its own). The cells of a partly filled last page that the tree covers must not change any more.
        The result's node ends exactly where the text does, and is not locked by this.
        """
        num_tokens = len(token_ids)
        assert len(pages) >= self._num_pages(num_tokens), (
            f"insert of {num_tokens} tokens: expected {self._num_pages(num_tokens)} pages, got {len(pages)}"
        )
        match = self.match_prefix(namespace, token_ids)
        node = match.node
        if node.is_root:
            if num_tokens == 0:
                return InsertResult(node, 0, ())
            self._roots[namespace] = node
        if match.num_tokens < node.depth:
            node = self._split(node, match.num_tokens)
        if match.num_tokens < num_tokens:
            node = self._append(node, token_ids, pages)
        self._tick += 1
        current: Node | None = node
        while current is not None:
            current.last_access = self._tick
            current = current.parent
        self._queue_if_evictable(node)
        first_new_page = match.num_tokens // self._page_size
        num_full_pages = num_tokens // self._page_size
        full_pages = (*match.pages[:first_new_page], *pages[first_new_page:num_full_pages])
        return InsertResult(node, match.num_tokens, full_pages)

    def _append(self, node: Node, token_ids: Sequence[int], pages: Sequence[int]) -> Node:
        """Put the tokens past `node`, which has no child for them, under it; returns the node they are in."""
        start, depth = node.depth, len(token_ids)
        segment = array("i", token_ids[start:])
        own_pages = list(pages[start // self._page_size : self._num_pages(depth)])
        self._pool.retain_all(own_pages)
        self._num_cached_tokens += len(segment)
        # A text that is inserted page by page as it is generated stays one node. (A second locker would get a
        # longer lock than it asked for; a node that ends inside a page would have to change that page.)
        can_grow = not node.is_root and not node.children and node.lock_count <= 1 and start % self._page_size == 0
        if can_grow:
            node.segment.extend(segment)
            node.depth = depth
            node.pages.extend(own_pages)
        else:
            child = Node(segment, depth, own_pages, node, node.namespace)
            node.children[segment[0]] = child
            node = child
        if node.lock_count == 0:
            for page_id in own_pages:
                self._pool.mark_evictable(page_id)
        return node

    def _split(self, node: Node, depth: int) -> Node:
        """Cut a node in two at `depth`, inside its segment; returns the new upper half, the node is the lower."""
        start, parent = node.start, node.parent
        assert parent is not None, f"split at depth {depth} of a root"
        assert start < depth < node.depth, f"split at depth {depth} of a node that covers [{start}, {node.depth})"
        first_page = start // self._page_size
        upper = Node(
            node.segment[: depth - start],
            depth,
            node.pages[: self._num_pages(depth) - first_page],
            parent,
            node.namespace,
            lock_count=node.lock_count,
            last_access=node.last_access,
        )
        node.segment = node.segment[depth - start :]
        node.pages = node.pages[depth // self._page_size - first_page :]
        node.parent = upper
        upper.children[node.segment[0]] = node
        parent.children[upper.segment[0]] = upper
        if depth % self._page_size != 0:
            shared_page = node.pages[0]
            self._pool.retain(shared_page)
            if node.lock_count == 0:
                self._pool.mark_evictable(shared_page)
        return upper

    # Eviction

    def evict(self, num_pages: int) -> int:
        """Free pages of the least recently used unlocked leaves, from their ends, until `num_pages` became free.

        Returns how many did: fewer when nothing is left to evict. Pages that a branch holds leave the tree without
        counting. Cost: the pages and tokens evicted, times the log of the number of leaves.
        """
        num_freed = 0
        while num_freed < num_pages and self._eviction_heap:
            last_access, _, node = heapq.heappop(self._eviction_heap)
            node.is_queued = False
            if last_access == node.last_access and not node.children and node.lock_count == 0:
                num_freed += self._trim(node, num_pages - num_freed)
            self._queue_if_evictable(node)
        return num_freed

    def flush(self) -> int:
        """Evict all that is unlocked; returns the number of pages that became free."""
        return self.evict(self._pool.num_pages)

    def _trim(self, leaf: Node, num_pages: int) -> int:
        """Give up pages at the end of a leaf until `num_pages` are free or the leaf is gone; returns those freed."""
        start = leaf.start
        num_free_before = self._pool.num_free_pages
        while leaf.pages and self._pool.num_free_pages - num_free_before < num_pages:
            page_id = leaf.pages.pop()
            self._pool.unmark_evictable(page_id)
            self._pool.release(page_id)
        depth = (start // self._page_size + len(leaf.pages)) * self._page_size if leaf.pages else start
        self._num_cached_tokens -= leaf.depth - depth
        if leaf.pages:
            del leaf.segment[depth - start :]
            leaf.depth = depth
        else:
            self._remove(leaf)
        return self._pool.num_free_pages - num_free_before

    def _remove(self, leaf: Node) -> None:
        parent = leaf.parent
        assert parent is not None, "removal of a root, expected a leaf"
        del parent.children[leaf.segment[0]]
        leaf.parent = None
        leaf.is_evicted = True
        self._queue_if_evictable(parent)
        self._drop_if_empty_root(parent)

    def _queue_if_evictable(self, node: Node) -> None:
        if not (node.is_queued or node.children or node.lock_count or node.is_evicted or node.is_root):
            node.is_queued = True
            self._num_pushes += 1
            heapq.heappush(self._eviction_heap, (node.last_access, self._num_pushes, node))

    def _drop_if_empty_root(self, node: Node) -> None:
        if node.is_root and not node.children and node.lock_count == 0 and self._roots.get(node.namespace) is node:
            del self._roots[node.namespace]

    # Audit

    def check_integrity(self, held: Mapping[int, int] | None = None) -> None:
        """Raise AssertionError, with the numbers, unless tree and pool agree in all they count. O(tree + pool).

        `held` tells how many references the callers hold of each page; with it every reference must have an owner.
        """
        self._pool.check_integrity()
        num_tokens = 0
        references: dict[int, int] = {}
        evictable: dict[int, int] = {}
        for namespace, root in self._roots.items():
            assert root.parent is None, f"root {namespace!r}: has a parent"
            assert not root.pages, f"root {namespace!r}: expected no pages, got {root.pages}"
            for node in _nodes_under(root):
                self._check_node(node, namespace)
                num_tokens += len(node.segment)
                for page_id in node.pages:
                    references[page_id] = references.get(page_id, 0) + 1
                    if node.lock_count == 0:
                        evictable[page_id] = evictable.get(page_id, 0) + 1
        assert num_tokens == self._num_cached_tokens, (
            f"expected num_cached_tokens of {num_tokens}, got {self._num_cached_tokens}"
        )
        for page_id in range(self._pool.num_pages):
            count, num_own = self._pool.reference_count(page_id), references.get(page_id, 0)
            assert count >= num_own, f"page {page_id}: the tree has {num_own} references, the pool counts {count}"
            num_held = count - num_own if held is None else held.get(page_id, 0)
            assert count == num_own + num_held, (
                f"page {page_id}: expected {num_own} references of the tree + {num_held} held, the pool counts {count}"
            )
            num_marked = self._pool.evictable_count(page_id)
            assert num_marked == evictable.get(page_id, 0), (
                f"page {page_id}: unlocked nodes have {evictable.get(page_id, 0)} references, {num_marked} are marked"
            )
        num_queued = len({id(node) for _, _, node in self._eviction_heap})
        assert num_queued == len(self._eviction_heap), (
            f"expected {num_queued} entries in the eviction heap, got {len(self._eviction_heap)} (duplicates)"
        )

    def _check_node(self, node: Node, namespace: str) -> None:
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
            assert child.last_access <= node.last_access, (
                f"{where}: last used at {node.last_access}, its child at {child.last_access}"
            )
        if node.is_root:
            assert node.children or node.lock_count, f"{where}: an empty root was left behind"
            return
        num_pages = self._num_pages(node.depth) - node.start // self._page_size
        assert len(node.pages) == num_pages, f"{where}: expected {num_pages} pages, got {len(node.pages)}"
        if not node.children and node.lock_count == 0:
            assert node.is_queued, f"{where}: an unlocked leaf that eviction does not know"

    # Parts

    def _num_pages(self, num_tokens: int) -> int:
        return -(-num_tokens // self._page_size)

    @staticmethod
    def _new_root(namespace: str) -> Node:
        return Node(array("i"), 0, [], None, namespace)


def _nodes_under(root: Node) -> Iterator[Node]:
    """The root and all below it."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children.values())


def _shared_len(segment: "array[int]", token_ids: Sequence[int], start: int) -> int:
    """How many tokens of `segment` are `token_ids[start:]`'s too, from the front. O(result).

    Blocks that double in length are compared as arrays, in C; the first that differs is halved to the difference.
    """
    limit = min(len(segment), len(token_ids) - start)
    low, block_len = 0, 32
    while low < limit:
        high = min(low + block_len, limit)
        ours, theirs = segment[low:high], array("i", token_ids[start + low : start + high])
        if ours != theirs:
            return low + _first_difference(ours, theirs)
        low = high
        block_len *= 2
    return limit


def _first_difference(left: "array[int]", right: "array[int]") -> int:
    """The first index where two different arrays of one length differ."""
    low, high = 0, len(left) - 1
    while low < high:
        middle = (low + high) // 2
        if left[low : middle + 1] == right[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low
