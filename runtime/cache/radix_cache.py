"""RadixCache: which texts have their KV cells in the pool, as a tree of token segments."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .eviction_policy import EvictionPolicyName, make_eviction_policy
from .eviction_queue import EvictionQueue
from .kv_pool import KVPool
from .node import Node
from .prefix_match import PrefixMatch
from .segment import shared_len
from .tree_audit import check_tree
from .tree_listener import TreeListener
from .tree_snapshot import TreeSnapshot, snapshot_nodes


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
    length matched, inserted, locked or evicted, never in the size of the tree; a split copies the node it cuts.
    """

    def __init__(
        self, pool: KVPool, page_size: int | None = None, *, eviction_policy: EvictionPolicyName = "lru"
    ) -> None:
        assert page_size is None or page_size == pool.page_size, f"expected pages of {pool.page_size}, got {page_size}"
        self._pool = pool
        self._page_size = pool.page_size
        self._roots: dict[str, Node] = {}
        self._num_cached_tokens = 0
        self.num_evicted_tokens = 0
        """Given up since the start, to make room or by `flush`."""
        self._rank_of = make_eviction_policy(eviction_policy)
        self._queue = EvictionQueue(self._rank_of)
        self.listeners: list[TreeListener] = []
        """Who is told of every change of the tree."""

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
        """Find the longest cached prefix of `token_ids`. Changes nothing, and is no use for eviction: a lock is.

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
            num_tokens += shared_len(child.segment, token_ids, num_tokens)
            node = child
        del pages[self._num_pages(num_tokens) :]
        return PrefixMatch(num_tokens, tuple(pages), node)

    def snapshot(
        self, holders: Iterable[tuple[int, Node]] = (), *, max_nodes: int = 500, num_preview_tokens: int = 24
    ) -> TreeSnapshot:
        """The tree as plain data. Changes nothing, and is no use. O(nodes shown, holders, unlocked nodes).

        holders: (branch id, the deepest node it has locked).
        """
        return TreeSnapshot(
            nodes=snapshot_nodes(
                self._roots.values(),
                self._queue,
                holders,
                max_nodes=max_nodes,
                num_preview_tokens=num_preview_tokens,
            ),
            num_cached_tokens=self._num_cached_tokens,
            num_pages=self._pool.num_pages,
            num_free_pages=self._pool.num_free_pages,
            num_preview_tokens=num_preview_tokens,
        )

    # Locks

    def lock(self, node: Node) -> None:
        """Keep the node and all above it from eviction. Locks add up; when the last one goes, they were just used.

        A match that ends inside its node's segment locks the rest of the segment too; `lock_match` does not.
        """
        self._lock(node, num_new_uses=0)

    def _lock(self, node: Node, num_new_uses: int) -> None:
        assert not node.is_evicted, f"lock of an evicted node ({len(node.segment)} tokens): lock before evicting"
        for current in node.path():
            if current.lock_count == 0:
                self._pool.unmark_all_evictable(current.pages)
                self._queue.discard(current)
            current.lock_count += 1
            current.num_uses += num_new_uses

    def lock_match(self, match: PrefixMatch, *, is_use: bool = True) -> Node:
        """Lock exactly what was matched, splitting the match's node where the match ends; returns the locked node.

        `is_use`: whether this is a new use of the text, for the policies that count them.
        """
        node = match.node
        # Another text may have split the node since: the match then ends in one above.
        while node.parent is not None and node.start >= match.num_tokens:
            node = node.parent
        assert match.num_tokens <= node.depth, f"match of {match.num_tokens} tokens: {node.depth} are left of it"
        if match.num_tokens < node.depth:
            node = self._split(node, match.num_tokens)
        self._lock(node, num_new_uses=int(is_use))
        return node

    def unlock(self, node: Node) -> None:
        """Take back one `lock` of the node."""
        for current in node.path():
            assert current.lock_count >= 1, (
                f"unlock of a node at depth {node.depth}: expected a lock count >= 1 at depth {current.depth}, "
                f"got {current.lock_count}"
            )
            current.lock_count -= 1
            if current.lock_count == 0:
                self._pool.mark_all_evictable(current.pages)
                if current.is_root:
                    self._drop_if_empty_root(current)
                else:
                    self._queue.put(current)

    # Writing

    def insert(
        self, namespace: str, token_ids: Sequence[int], pages: Sequence[int], *, priority: int = 0
    ) -> InsertResult:
        """Add a text whose cells are in `pages`: page i holds tokens [i * page_size, ...) from its very first cell.

        The tree retains the pages of what was new, and takes none of the caller's references. What was there keeps
        the tree's pages; the caller may swap its duplicates of full pages for those of the result (retain theirs,
        release its own). The cells of a partly filled last page that the tree covers must not change any more.
        The result's node ends exactly where the text does, and is not locked by this. All of the text has at least
        that `priority` from now on, while it is cached.
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
            node = self._append(node, token_ids, pages, priority)
        self._touch(node, priority)
        first_new_page = match.num_tokens // self._page_size
        num_full_pages = num_tokens // self._page_size
        full_pages = (*match.pages[:first_new_page], *pages[first_new_page:num_full_pages])
        return InsertResult(node, match.num_tokens, full_pages)

    def _append(self, node: Node, token_ids: Sequence[int], pages: Sequence[int], priority: int) -> Node:
        """Put the tokens past `node`, which has no child for them, under it; returns the node they are in."""
        start, depth = node.depth, len(token_ids)
        segment = array("i", token_ids[start:])
        own_pages = list(pages[start // self._page_size : self._num_pages(depth)])
        self._pool.retain_all(own_pages)
        self._num_cached_tokens += len(segment)
        child = Node(segment, depth, own_pages, node, node.namespace, priority=priority)
        # A text that is inserted page by page as it is generated stays one node. (A second locker would get a longer
        # lock than it asked for; a node that ends inside a page would have to change that page; and what is worth
        # more to the eviction policy than the new tokens must not take them along.)
        is_open = not node.is_root and not node.children and node.lock_count <= 1 and start % self._page_size == 0
        if is_open and self._rank_of(node) == self._rank_of(child):
            node.segment.extend(segment)
            node.depth = depth
            node.pages.extend(own_pages)
        else:
            node.children[segment[0]] = child
            node = child
        if node.lock_count == 0:
            self._pool.mark_all_evictable(own_pages)
        for listener in self.listeners:
            listener.on_insert(node, start)
        return node

    def _touch(self, node: Node, priority: int) -> None:
        """Count an insertion of the text that ends in `node`, for the order of eviction."""
        for current in node.path():
            current.priority = max(current.priority, priority)
            if current.lock_count == 0 and not current.is_root:
                self._queue.put(current)

    def _split(self, node: Node, depth: int) -> Node:
        """Cut a node in two at `depth`, inside its segment; returns the new upper half, the node is the lower.

        The caller locks the upper half or touches it: until then it is not in the eviction queue.
        """
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
            num_uses=node.num_uses,
            priority=node.priority,
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
        for listener in self.listeners:
            listener.on_split(upper, node)
        return upper

    # Eviction

    def evict(self, num_pages: int) -> int:
        """Free pages of the leaves that the policy gives up first, from their ends, until `num_pages` became free.

        Returns how many did: fewer when nothing unlocked is left. Pages that a branch holds leave the tree
        without counting. Cost: the pages and tokens evicted.
        """
        num_freed = 0
        while num_freed < num_pages:
            leaf = self._queue.first()
            if leaf is None:
                break
            num_freed += self._trim(leaf, num_pages - num_freed)
        return num_freed

    def flush(self) -> int:
        """Evict all that is unlocked; returns the number of pages that became free."""
        return self.evict(self._pool.num_pages)

    def _trim(self, leaf: Node, num_pages: int) -> int:
        """Give up pages at the end of a leaf until `num_pages` are free or the leaf is gone; returns those freed."""
        start, parent = leaf.start, leaf.parent
        assert parent is not None, "trim of a root, expected a leaf"
        assert not leaf.children, f"trim of a node with {len(leaf.children)} children, expected a leaf"
        num_freed = 0
        while leaf.pages and num_freed < num_pages:
            num_freed += self._pool.release_evictable(leaf.pages.pop())
        depth = (start // self._page_size + len(leaf.pages)) * self._page_size if leaf.pages else start
        self._num_cached_tokens -= leaf.depth - depth
        self.num_evicted_tokens += leaf.depth - depth
        if leaf.pages:
            del leaf.segment[depth - start :]
            leaf.depth = depth
        else:
            self._remove(leaf, parent)
        for listener in self.listeners:
            listener.on_evict(leaf, parent)
        return num_freed

    def _remove(self, leaf: Node, parent: Node) -> None:
        del parent.children[leaf.segment[0]]
        self._queue.discard(leaf)
        leaf.parent = None
        leaf.is_evicted = True
        if parent.is_root:
            self._drop_if_empty_root(parent)

    def _drop_if_empty_root(self, root: Node) -> None:
        if not root.children and root.lock_count == 0 and self._roots.get(root.namespace) is root:
            del self._roots[root.namespace]

    # Audit

    def check_integrity(self, held: Mapping[int, int] | None = None) -> None:
        """Raise AssertionError, with the numbers, unless tree and pool agree in all they count. O(tree + pool).

        `held` tells how many references the callers hold of each page; with it every reference must have an owner.
        """
        check_tree(self._roots, self._pool, self._queue, self._num_cached_tokens, held)

    # Parts

    def _num_pages(self, num_tokens: int) -> int:
        return -(-num_tokens // self._page_size)

    @staticmethod
    def _new_root(namespace: str) -> Node:
        return Node(array("i"), 0, [], None, namespace)
