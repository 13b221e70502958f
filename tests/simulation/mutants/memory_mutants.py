"""Faults of how branches hold, share and write pages."""

from .mutation import Mutation

_MEMORY = "runtime/memory.py"

MEMORY_MUTANTS = (
    Mutation(
        "fork-does-not-hold-pages",
        "The pages of a parent are freed while the child that shares them needs them.",
        _MEMORY,
        "self.pool.retain_all(child.page_table)",
        "self.pool.retain_all(child.page_table[:-1])",
    ),
    Mutation(
        "fork-does-not-lock",
        "A child does not lock the node of the tree that it shares with its parent, but unlocks it at its end.",
        _MEMORY,
        "self.cache.lock(child.node)",
        "pass",
    ),
    Mutation(
        "copy-on-write-missed",
        "A branch writes into a page that one other owner reads.",
        _MEMORY,
        "and self.pool.reference_count(branch.page_table[index]) == 1",
        "and self.pool.reference_count(branch.page_table[index]) <= 2",
    ),
    Mutation(
        "copied-page-not-in-table",
        "A branch copies a shared page, and goes on writing to the shared one.",
        _MEMORY,
        "                branch.page_table[index] = page_id\n                self.pool.release(shared)",
        "                self.pool.release(page_id)",
    ),
    Mutation(
        "pages-to-copy-not-counted",
        "The pages that a write must copy first are not counted among those it needs.",
        _MEMORY,
        "return num_shared + max(0,",
        "return 0 * num_shared + max(0,",
    ),
    Mutation(
        "whole-prompt-hit",
        "Of a prompt that is cached as a whole the last token is not computed either.",
        _MEMORY,
        "num_tokens = len(branch.token_ids) - 1",
        "num_tokens = len(branch.token_ids)",
    ),
    Mutation(
        "match-limit-ignored",
        "A branch takes from the cache what is to be scored, and must be computed.",
        _MEMORY,
        "return num_tokens if limit is None else min(num_tokens, limit)",
        "return num_tokens",
    ),
    Mutation(
        "attach-copies-wrong-page",
        "Where a match ends inside a page, the page before it is copied.",
        _MEMORY,
        "self.pool.copy_cells(match.pages[num_whole], page_id, num_rest)",
        "self.pool.copy_cells(match.pages[num_whole - 1], page_id, num_rest)",
    ),
    Mutation(
        "attach-lock-left",
        "The lock that keeps a match in the tree while its end is copied is never taken back.",
        _MEMORY,
        "            self.cache.unlock(node)\n",
        "            pass\n",
    ),
    Mutation(
        "attach-lock-not-taken",
        "The pages of a match are not locked while room is made for the copy of its end.",
        _MEMORY,
        "node = self.cache.lock_match(match)",
        "node = match.node",
    ),
    Mutation(
        "publish-lock-not-taken",
        "A branch does not lock the text that it has put into the tree.",
        _MEMORY,
        "self.cache.lock(result.node)",
        "pass",
    ),
    Mutation(
        "lock-released-twice",
        "A branch that gives its pages back forgets to forget its lock, and releases it again.",
        _MEMORY,
        "            branch.node = None\n",
        "            pass\n",
    ),
    Mutation(
        "duplicate-page-kept-in-table",
        "A branch gives back its duplicate of a page of the tree, and goes on reading it.",
        _MEMORY,
        "                self.pool.retain(page_id)\n                branch.page_table[index] = page_id\n",
        "                self.pool.retain(page_id)\n",
    ),
    Mutation(
        "duplicate-page-leaks",
        "A branch that takes the tree's page in place of its own does not give its own back.",
        _MEMORY,
        "self.pool.release(own)",
        "pass",
    ),
    Mutation(
        "pages-leave-but-cells-count",
        "A branch whose pages were taken goes on as if its text were computed.",
        _MEMORY,
        "        branch.num_computed = 0\n",
        "        branch.num_computed = min(branch.num_computed, 1)\n",
    ),
    Mutation(
        "stop-overshoot-cached",
        "A text that is cut keeps the cells past the cut, and they are cached under what is written there next.",
        "runtime/branch.py",
        "self.num_computed = min(self.num_computed, num_tokens)",
        "self.num_computed = min(self.num_computed, num_tokens + 1)",
    ),
)
