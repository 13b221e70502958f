"""Memory: how branches hold pages, share them through the radix tree, and write without harming each other."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from .branch import Branch
from .cache.kv_pool import KVPool
from .cache.radix_cache import RadixCache


class Memory:
    """The KV pool and the radix cache, as branches use them.

    A branch owns one reference to each page of its table and locks the deepest tree node it shares. A page with
    more than one reference is read-only; `reserve` copies it before a branch writes there.
    """

    def __init__(self, pool: KVPool, cache: RadixCache, *, is_caching: bool = True) -> None:
        self.pool = pool
        self.cache = cache
        self.is_caching = is_caching
        self._holders: dict[int, Branch] = {}

    @property
    def holders(self) -> list[Branch]:
        """Branches that hold pages, those that have done so for longest first."""
        return list(self._holders.values())

    def num_pages_for(self, num_cells: int) -> int:
        """Pages that hold `num_cells` cells."""
        return -(-num_cells // self.pool.page_size)

    def num_match(self, branch: Branch, limit: int | None) -> int:
        """Tokens of the branch's tape that the cache holds and the branch may take, `limit` at most."""
        if not self.is_caching:
            return 0
        num_tokens = self.cache.match_prefix(branch.namespace, branch.token_ids).num_tokens
        return min(num_tokens, _match_limit(branch, limit))

    def attach(self, branch: Branch, limit: int | None) -> None:
        """Give a branch without pages the longest cached prefix of its tape, `limit` tokens at most.

        The last token is never taken from the cache: it must be computed to yield logits. Of a page that is matched
        in part the branch gets a copy, and locks only the whole pages before it, which are in its own table; where
        no page can be had for the copy, its cells are computed again.
        """
        assert not branch.page_table, (branch.branch_id, len(branch.page_table))
        assert branch.num_computed == 0, (branch.branch_id, branch.num_computed)
        num_allowed = _match_limit(branch, limit)
        if not self.is_caching or num_allowed <= 0:
            return
        match = self.cache.match_prefix(branch.namespace, branch.token_ids[:num_allowed])
        num_whole, num_rest = divmod(match.num_tokens, self.pool.page_size)
        node = self.cache.lock_match(match)
        self.pool.retain_all(match.pages[:num_whole])
        branch.page_table = list(match.pages[:num_whole])
        branch.num_computed = num_whole * self.pool.page_size
        if num_rest and self.make_room(1):
            (page_id,) = self.pool.allocate(1)
            self.pool.copy_cells(match.pages[num_whole], page_id, num_rest)
            branch.page_table.append(page_id)
            branch.num_computed = match.num_tokens
        branch.node = node
        self._note(branch)
        if num_rest:
            whole = replace(match, num_tokens=num_whole * self.pool.page_size, node=node)
            branch.node = self.cache.lock_match(whole, is_use=False)
            self.cache.unlock(node)

    def num_pages_to_write(self, branch: Branch, num_cells: int) -> int:
        """Fresh pages that `reserve` would take."""
        first = branch.num_computed // self.pool.page_size
        num_shared = sum(
            self.pool.reference_count(page_id) > 1
            for page_id in branch.page_table[first : self.num_pages_for(branch.num_computed + num_cells)]
        )
        return num_shared + max(0, self.num_pages_for(branch.num_computed + num_cells) - len(branch.page_table))

    def make_room(self, num_pages: int) -> bool:
        """See to it that `num_pages` pages are free, evicting from the cache; False if it cannot be done."""
        missing = num_pages - self.pool.num_free_pages
        if missing > 0:
            self.cache.evict(missing)
        return self.pool.num_free_pages >= num_pages

    def reserve(self, branch: Branch, num_cells: int) -> bool:
        """Make the next `num_cells` cells of the branch writable by it alone; False (and no change) if no room."""
        if self._is_writable(branch, num_cells):
            return True
        self.make_room(self.num_pages_to_write(branch, num_cells))
        # Counted again: what was evicted may have been the other owner of a page that would have been copied.
        if self.num_pages_to_write(branch, num_cells) > self.pool.num_free_pages:
            return False
        page_size = self.pool.page_size
        end = self.num_pages_for(branch.num_computed + num_cells)
        for index in range(branch.num_computed // page_size, min(end, len(branch.page_table))):
            shared = branch.page_table[index]
            if self.pool.reference_count(shared) > 1:
                (page_id,) = self.pool.allocate(1)
                num_kept = min(max(branch.num_computed - index * page_size, 0), page_size)
                if num_kept:
                    self.pool.copy_cells(shared, page_id, num_kept)
                branch.page_table[index] = page_id
                self.pool.release(shared)
        if end > len(branch.page_table):
            branch.page_table.extend(self.pool.allocate(end - len(branch.page_table)))
        self._note(branch)
        return True

    def has_room(self, branch: Branch, num_cells: int) -> bool:
        """Whether `reserve` would give up nothing that is cached."""
        return self.num_pages_to_write(branch, num_cells) <= self.pool.num_free_pages

    def accept_cell(self, branch: Branch, num_skipped: int) -> None:
        """Take the cell `num_skipped` places behind the computed ones for the next: that guess was right."""
        if num_skipped:
            self.pool.move_cell(self._place(branch, num_skipped), self._place(branch, 0))
        branch.num_computed += 1

    def _place(self, branch: Branch, num_skipped: int) -> tuple[int, int]:
        index, offset = divmod(branch.num_computed + num_skipped, self.pool.page_size)
        return branch.page_table[index], offset

    def _is_writable(self, branch: Branch, num_cells: int) -> bool:
        """Whether the next cells lie in one page that is the branch's alone: so it is, of most passes, for a row that
        writes.
        """
        page_size = self.pool.page_size
        index = branch.num_computed // page_size
        return (
            branch.num_computed + num_cells <= (index + 1) * page_size
            and index < len(branch.page_table)
            and self.pool.reference_count(branch.page_table[index]) == 1
        )

    def publish(self, branch: Branch, *, with_tail: bool = False) -> None:
        """Put the branch's computed pages into the tree, whole ones only unless `with_tail`.

        The tail's page would become read-only, so it is published when the branch writes no more. Where the tree
        already had a page, the branch takes the tree's and gives its own back.
        """
        if not self.is_caching:
            return
        page_size = self.pool.page_size
        num_tokens = branch.num_computed if with_tail else branch.num_computed // page_size * page_size
        if num_tokens == 0:
            return
        num_pages = self.num_pages_for(num_tokens)
        result = self.cache.insert(
            branch.namespace, branch.token_ids[:num_tokens], branch.page_table[:num_pages], priority=branch.priority
        )
        for index, page_id in enumerate(result.pages):
            own = branch.page_table[index]
            if own != page_id:
                self.pool.retain(page_id)
                branch.page_table[index] = page_id
                self.pool.release(own)
        self.cache.lock(result.node)
        if branch.node is not None:
            self.cache.unlock(branch.node)
        branch.node = result.node

    def trim(self, branch: Branch) -> None:
        """Give back the pages past the branch's computed cells."""
        num_pages = self.num_pages_for(branch.num_computed)
        for page_id in branch.page_table[num_pages:]:
            self.pool.release(page_id)
        del branch.page_table[num_pages:]
        self._note(branch)

    def release(self, branch: Branch, *, is_good: bool = True) -> None:
        """Take all pages from a branch; what it computed stays in the tree, unless it is not `is_good`."""
        if is_good:
            self.publish(branch, with_tail=True)
        if branch.node is not None:
            self.cache.unlock(branch.node)
            branch.node = None
        self.pool.release_all(branch.page_table)
        branch.page_table.clear()
        branch.num_computed = 0
        self._note(branch)

    def share(self, parent: Branch, child: Branch) -> None:
        """Give a new child all computed pages of its parent, by reference."""
        child.num_computed = parent.num_computed
        num_pages = self.num_pages_for(parent.num_computed)
        child.page_table = parent.page_table[:num_pages]
        self.pool.retain_all(child.page_table)
        self._note(child)
        child.node = parent.node
        if child.node is not None:
            self.cache.lock(child.node)

    def check_integrity(self, branches: Iterable[Branch]) -> None:
        """Raise AssertionError unless pool, tree and the branches' tables agree to the page."""
        held: Counter[int] = Counter()
        for branch in branches:
            assert branch.num_computed <= len(branch.token_ids), (branch.num_computed, len(branch.token_ids))
            num_needed = self.num_pages_for(branch.num_computed)
            assert len(branch.page_table) >= num_needed, (branch.branch_id, len(branch.page_table), num_needed)
            held.update(branch.page_table)
            assert (id(branch) in self._holders) == bool(branch.page_table), (branch.branch_id, branch.page_table)
        self.pool.check_integrity()
        self.cache.check_integrity(held)

    def _note(self, branch: Branch) -> None:
        if branch.page_table:
            self._holders[id(branch)] = branch
        else:
            self._holders.pop(id(branch), None)


def _match_limit(branch: Branch, limit: int | None) -> int:
    num_tokens = len(branch.token_ids) - 1
    return num_tokens if limit is None else min(num_tokens, limit)
