"""PrefixSharing: rows that wait because another row is just computing what they begin with."""

from ..row import Row
from .waiting_index import WaitingIndex

_MAX_FOLLOWED = 16


class PrefixSharing:
    """Who follows whom. A row follows another that is computing a further page of what both begin with, to its end.

    So what arrives together with a common prefix computes it once: the first row leads, and the others take over what
    they share. Whoever parts from it earlier has nothing to gain by going on earlier: rows that run have the step's
    tokens first, the leader among them. A row follows a bounded number of leaders, so that it is not kept waiting by
    some that are preempted again and again.
    """

    def __init__(self, index: WaitingIndex, page_size: int) -> None:
        self._index = index
        self._page_size = page_size
        self._leader_of: dict[Row, Row] = {}
        self._followers_of: dict[Row, dict[Row, None]] = {}

    def __contains__(self, row: Row) -> bool:
        """Whether the row follows another."""
        return row in self._leader_of

    def __len__(self) -> int:
        """Rows that follow others."""
        return len(self._leader_of)

    def find_leader(self, row: Row) -> Row | None:
        """A row that is just computing at least one more page of what this one needs. O(leaders that it shares
        a page more with + branchings of its text)."""
        branch = row.branch
        if branch.num_computed or row.match_limit is not None or row.is_private or row.num_followed >= _MAX_FOLLOWED:
            return None
        end = (self._index.match_len(row) // self._page_size + 1) * self._page_size
        if end >= len(branch.token_ids):
            return None
        for leader in self._index.leaders_of(row, end):
            if leader.task.compute_len >= end:
                return leader
        return None

    def follow(self, row: Row, leader: Row) -> None:
        """Let a row wait for its leader."""
        row.num_followed += 1
        self._leader_of[row] = leader
        self._followers_of.setdefault(leader, {})[row] = None

    def free(self, row: Row) -> bool:
        """A follower need not wait any more, or is gone; False if it did not follow anyone."""
        leader = self._leader_of.pop(row, None)
        if leader is None:
            return False
        followers = self._followers_of[leader]
        del followers[row]
        if not followers:
            del self._followers_of[leader]
        return True

    def followers(self, leader: Row) -> list[Row]:
        """Who follows the row."""
        return list(self._followers_of.get(leader, ()))
