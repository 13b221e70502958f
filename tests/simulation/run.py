"""One simulated run: a seed decides everything in it."""

from dataclasses import dataclass

from chooser import SeededChooser
from event_source import EventSource
from knobs import draw_knobs
from notes import Note
from tiny_language import HEALING_WORDING, WORDING
from world import World


@dataclass(frozen=True)
class RunCounts:
    """What a run was made of."""

    num_steps: int
    num_requests: int
    num_plans: int


def run_seed(seed: int, note: Note | None = None, *, is_healing: bool = False) -> RunCounts:
    """Play the run of a seed; raises AssertionError, or whatever else, where the engine is at fault.

    `is_healing`: with generations that heal their seams; that is another run.
    """
    chooser = SeededChooser(seed)
    world = World(draw_knobs(chooser), note)
    source = EventSource(world, chooser, HEALING_WORDING if is_healing else WORDING)
    source.play(chooser.pick((10, 25, 60)))
    world.finish(is_shut_down=chooser.chance(8))
    return RunCounts(world.num_steps, sum(len(limb.watches) for limb in world.limbs), len(world.plans))


def replay_command(seed: int, *, is_healing: bool = False) -> str:
    """What shows the run of a seed, step by step."""
    return f".venv/bin/python tests/simulation/replay.py {seed}{' --healing' if is_healing else ''}"
