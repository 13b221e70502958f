"""Policies: in which order waiting rows are let in."""

from collections.abc import Callable, Sequence
from typing import Literal

from .row import Row

PolicyName = Literal["lpm", "fcfs"]

Policy = Callable[[Sequence[Row]], list[Row]]
"""Waiting rows in arrival order -> the same rows in the order of admission."""

_MAX_MATCHED = 128
"""Matching every waiting row against the tree costs more than it gains when more than these wait."""


def first_come_first_served(rows: Sequence[Row]) -> list[Row]:
    """By arrival."""
    return sorted(rows, key=lambda row: row.arrival)


def longest_prefix_match(num_match: Callable[[Row], int]) -> Policy:
    """Rows with the longest cached prefix first, so that it is used before it is evicted; ties by arrival.

    RadixAttention's ordering (Zheng et al. 2023, arXiv:2312.07104, section 3). A row that was preempted comes
    before all others, so that it is not overtaken again and again.
    """

    def order(rows: Sequence[Row]) -> list[Row]:
        if len(rows) > _MAX_MATCHED:
            return first_come_first_served(rows)
        matches = {row: num_match(row) for row in rows}
        return sorted(rows, key=lambda row: (row.num_preemptions == 0, -matches[row], row.arrival))

    return order


def make_policy(name: PolicyName, num_match: Callable[[Row], int]) -> Policy:
    """The policy of that name."""
    return longest_prefix_match(num_match) if name == "lpm" else first_come_first_served
