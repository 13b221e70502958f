"""Seeded runs of the whole engine against the oracle; a failure names the command that shows it step by step."""

from collections.abc import Sequence

import pytest
from chooser import SeededChooser
from run import replay_command, run_seed

from palmette.runtime.branch import Branch
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.cache.prefix_match import PrefixMatch
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.memory import Memory

SEEDS_PER_TEST = 20


@pytest.mark.parametrize("first", range(0, 120, SEEDS_PER_TEST))
def test_seeded_runs_equal_the_oracle(first: int) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        try:
            run_seed(seed)
        except Exception as error:
            error.add_note(f"replay: {replay_command(seed)}")
            raise


def test_a_seed_is_one_run() -> None:
    def history(seed: int) -> list[tuple[str, str]]:
        notes: list[tuple[str, str]] = []
        run_seed(seed, lambda what, details: notes.append((what, details)))
        return notes

    first = history(7)
    assert len(first) > 50
    assert history(7) == first
    assert history(8) != first


def test_seeds_draw_the_same_on_every_machine() -> None:
    chooser = SeededChooser(3)
    assert [chooser.integer(0, 99) for _ in range(6)] == [30, 75, 69, 16, 47, 77]


# --- it finds what it is to find


def _copy_nothing(pool: KVPool, source_page: int, destination_page: int, num_cells: int) -> None:
    """Copy-on-write that forgets to copy."""


def _attach_one_more(memory: Memory, branch: Branch, limit: int | None) -> None:
    """A match that is taken for one token longer than it is."""
    attach(memory, branch, limit)
    room = min(len(branch.page_table) * memory.pool.page_size, len(branch.token_ids) - 1)
    branch.num_computed = min(branch.num_computed + 1, room)


def _match_any_namespace(cache: RadixCache, namespace: str, token_ids: Sequence[int]) -> PrefixMatch:
    """Text of one tenant that another one's request finds."""
    return match_prefix(cache, "", token_ids)


attach, match_prefix = Memory.attach, RadixCache.match_prefix


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (KVPool, "copy_cells", _copy_nothing),
        (Memory, "attach", _attach_one_more),
        (RadixCache, "match_prefix", _match_any_namespace),
    ],
)
def test_a_fault_in_the_engine_is_found(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, fault: object) -> None:
    monkeypatch.setattr(owner, name, fault)
    found: list[Exception] = []
    for seed in range(80):
        try:
            run_seed(seed)
        except Exception as error:  # noqa: BLE001 - whatever tells of it
            found.append(error)
            break
    assert found


@pytest.mark.parametrize("seed", [901934, 1795274485008, 1795274573456, 1795274573825])
def test_seeds_that_found_something(seed: int) -> None:
    """901934: a running row without memory preempted its junior in every step, and the junior was let in again.
    1795274485008: a branch that was held as the engine was shut down; the watch on held pages was wrong.
    1795274573456, 1795274573825: listeners that failed on the last value of a request; its branch goes on, but the
    simulation took it for ended.
    """
    run_seed(seed)
