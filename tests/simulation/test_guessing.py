"""The same requests with guesses and without: not one token, end or log-probability differs."""

import pytest
from guessing import GuessCounts, compare_seed, replay_command

from palmette.runtime.memory import Memory
from palmette.runtime.speculation.draft_tree import DraftTree
from palmette.runtime.speculation.tree_walk import TreeWalk

SEEDS_PER_TEST = 6


def compare_seeds(seeds: range) -> GuessCounts:
    counts = GuessCounts()
    for seed in seeds:
        try:
            counts += compare_seed(seed)
        except Exception as error:
            error.add_note(f"replay: {replay_command(seed)}")
            raise
    return counts


@pytest.mark.parametrize("first", range(0, 18, SEEDS_PER_TEST))
def test_no_guess_changes_an_answer(first: int) -> None:
    counts = compare_seeds(range(first, first + SEEDS_PER_TEST))
    assert counts.num_positions > 2_000
    assert counts.num_accepted > counts.num_drafted / 10, "many guesses were right"
    assert counts.num_accepted < counts.num_drafted, "and many were wrong"
    assert counts.num_cancelled


def _follow_any(walk: TreeWalk, token_id: int) -> int | None:
    """Takes the first child for the right one."""
    walk.num_checked += 1
    parent = walk.right[-1] if walk.right else None
    child = next((node for node, each in enumerate(walk.tree.parents) if each == parent), None)
    if child is None:
        return None
    walk.right.append(child)
    return child - len(walk.right) + 1


def _accept_where_it_is(memory: Memory, branch: object, num_skipped: int) -> None:
    """Leaves the cell of a right guess behind those of wrong ones."""
    accept_cell(memory, branch, 0)  # type: ignore[arg-type] # a branch


def _stay_at_the_root(walk: TreeWalk) -> object:
    return walk.logits[walk.right[0]]


accept_cell = Memory.accept_cell


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (TreeWalk, "follow", _follow_any),
        (TreeWalk, "next_logits", property(_stay_at_the_root)),
        (Memory, "accept_cell", _accept_where_it_is),
        (DraftTree, "ancestor_mask", lambda tree, num_before: None),
    ],
)
def test_a_fault_in_checking_is_found(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, fault: object) -> None:
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever tells of it
        compare_seeds(range(8))
