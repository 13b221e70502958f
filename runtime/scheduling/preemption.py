"""Preemption: which running row gives up its pages when there is no other way."""

from collections.abc import Iterable

from ..cache.kv_pool import KVPool
from ..row import Row


def choose_victim(juniors: Iterable[Row], pool: KVPool) -> Row | None:
    """Of running rows that may be preempted, the one that loses least; None if there are none.

    Rows of a lower priority go first. Among equals it counts how many tokens must be computed again: those in pages
    that no other branch holds, for the others stay. A row that has been preempted before counts them once more for
    each time, so that the same one is not taken over and over because it has only just begun again. Ties: what has
    written less, then what came later. A row that would give nothing back is taken only where all are such.
    """
    return min(juniors, key=lambda row: _loss(row, pool), default=None)


def num_lost_tokens(row: Row, pool: KVPool) -> int:
    """Tokens that a row would have to compute again if its pages were taken and used. O(pages of the row)."""
    branch = row.branch
    # One reference is the row's and one the tree's: where there are more, somebody else keeps the page.
    num_own = sum(pool.reference_count(page_id) <= 2 for page_id in branch.page_table)
    return min(branch.num_computed, num_own * pool.page_size)


def _loss(row: Row, pool: KVPool) -> tuple[bool, int, int, int, int, int]:
    num_tokens = num_lost_tokens(row, pool)
    request, number = row.arrival
    loss = num_tokens * (1 + row.num_preemptions)
    return num_tokens == 0, row.ticket.terms.priority, loss, row.num_written, -request, -number
