"""Faults of the radix cache, of the order of eviction, and of the pool."""

from .mutation import Mutation

_RADIX = "runtime/cache/radix_cache.py"
_QUEUE = "runtime/cache/eviction_queue.py"
_POOL = "runtime/cache/kv_pool.py"

CACHE_MUTANTS = (
    Mutation(
        "namespace-ignored-in-match",
        "A text is found that another namespace has cached.",
        _RADIX,
        "node = self._roots.get(namespace) or self._new_root(namespace)",
        'node = self._roots.get("") or self._new_root(namespace)',
    ),
    Mutation(
        "match-keeps-parents-page",
        "Where a child starts inside a page, the match takes the page of its parent, whose tail is of another text.",
        _RADIX,
        "pages[num_tokens // self._page_size :] = child.pages",
        "pages[self._num_pages(num_tokens) :] = child.pages[num_tokens % self._page_size != 0 :]",
    ),
    Mutation(
        "match-one-token-long",
        "A match counts the first token that differs.",
        "runtime/cache/segment.py",
        "return low + _first_difference(ours, theirs)",
        "return low + _first_difference(ours, theirs) + 1",
    ),
    Mutation(
        "split-stale-page-row",
        "The lower half of a node that is cut inside a page begins with the page after it.",
        _RADIX,
        "node.pages = node.pages[depth // self._page_size - first_page :]",
        "node.pages = node.pages[self._num_pages(depth) - first_page :] or node.pages[-1:]",
    ),
    Mutation(
        "split-page-not-retained",
        "Both halves of a node that is cut inside a page hold it, but it is counted for one.",
        _RADIX,
        "self._pool.retain(shared_page)",
        "pass",
    ),
    Mutation(
        "split-marks-locked-page",
        "The page that two halves share counts as evictable though they are locked.",
        _RADIX,
        "            if node.lock_count == 0:\n                self._pool.mark_evictable(shared_page)",
        "            if node.lock_count <= 1:\n                self._pool.mark_evictable(shared_page)",
    ),
    Mutation(
        "split-forgets-locks",
        "The upper half of a node that is cut is not locked by those who have locked the node.",
        _RADIX,
        "lock_count=node.lock_count,",
        "lock_count=min(node.lock_count, 1),",
    ),
    Mutation(
        "insert-gives-page-of-another-text",
        "Whoever inserts a text is given the tree's page also where only the head of that page agrees.",
        _RADIX,
        "first_new_page = match.num_tokens // self._page_size",
        "first_new_page = self._num_pages(match.num_tokens)",
    ),
    Mutation(
        "open-node-grows-inside-page",
        "A text that goes on inside a page is put into the node that ends there, which has that page already.",
        _RADIX,
        "is_open = not node.is_root and not node.children and node.lock_count <= 1 and start % self._page_size == 0",
        "is_open = not node.is_root and not node.children and node.lock_count <= 1",
    ),
    Mutation(
        "open-node-grows-over-ranks",
        "A text that is worth less to the eviction policy grows a node that is worth more.",
        _RADIX,
        "if is_open and self._rank_of(node) == self._rank_of(child):",
        "if is_open:",
    ),
    Mutation(
        "locked-node-evictable",
        "A node that gets locked stays in the eviction queue.",
        _RADIX,
        "self._queue.discard(current)",
        "self._queue.discard(node)",
    ),
    Mutation(
        "uses-counted-for-leaf-only",
        "A match counts as a use of its last node, not of those above it, so a parent goes before its child.",
        _RADIX,
        "current.num_uses += num_new_uses",
        "current.num_uses += num_new_uses * (current is node)",
    ),
    Mutation(
        "priority-of-last-insert",
        "A cached text has the priority of its last insertion, not of the highest.",
        _RADIX,
        "current.priority = max(current.priority, priority)",
        "current.priority = priority",
    ),
    Mutation(
        "cached-tokens-drift",
        "A leaf that loses its last pages is counted as if it had lost all of its tokens.",
        _RADIX,
        "self._num_cached_tokens -= leaf.depth - depth",
        "self._num_cached_tokens -= len(leaf.segment)",
    ),
    Mutation(
        "trim-depth-off",
        "A leaf that starts inside a page and loses pages keeps tokens whose page is gone.",
        _RADIX,
        "depth = (start // self._page_size + len(leaf.pages)) * self._page_size if leaf.pages else start",
        "depth = min(start + len(leaf.pages) * self._page_size, leaf.depth) if leaf.pages else start",
    ),
    Mutation(
        "last-used-evicted-first",
        "A node that nobody uses any more is the next to go, instead of the one used longest ago.",
        _QUEUE,
        "        level[node] = None\n",
        "        level[node] = None\n        level.move_to_end(node, last=False)\n",
    ),
    Mutation(
        "page-reference-not-dropped",
        "A page that one of several owners gives up keeps his reference.",
        _POOL,
        "        self._reference_counts[page_id] = count\n",
        "        self._reference_counts[page_id] = max(count, 2)\n",
    ),
    Mutation(
        "evictable-pages-drift",
        "A page that only the tree held, and that a branch takes, still counts as evictable.",
        _POOL,
        "            if count == marks[page_id]:\n                self._num_evictable_pages -= 1",
        "            if count == marks[page_id] > 1:\n                self._num_evictable_pages -= 1",
    ),
    Mutation(
        "copy-one-cell-short",
        "The copy of a page's head misses its last cell.",
        _POOL,
        "self.cells[:, :, destination_page, :num_cells].copy_(self.cells[:, :, source_page, :num_cells])",
        "self.cells[:, :, destination_page, : num_cells - 1].copy_(self.cells[:, :, source_page, : num_cells - 1])",
    ),
    Mutation(
        "copy-keys-only",
        "The copy of a page's head leaves out the values.",
        _POOL,
        "self.cells[:, :, destination_page, :num_cells].copy_(self.cells[:, :, source_page, :num_cells])",
        "self.cells[:, 0, destination_page, :num_cells].copy_(self.cells[:, 0, source_page, :num_cells])",
    ),
)
