"""HoldWatch: whether the pages of a branch that is held are left to it."""

from collections.abc import Callable

from palmette.runtime.branch import Branch
from palmette.runtime.engine import EngineCore


class HoldWatch:
    """Listens in on the memory. `broken` is the first branch that lost its pages though it was held.

    They may be taken for a row that runs alone only; a branch that ends or goes on to work gives them up itself, and
    all do when the engine is shut down.
    """

    def __init__(self, core: EngineCore, clock: Callable[[], float], is_shut: Callable[[], bool]) -> None:
        self.broken: str | None = None
        release = core.memory.release

        def hear_release(branch: Branch, **options: bool) -> None:
            is_held = not is_shut() and branch.is_held(clock()) and any(branch is each for each in core.branches.idle())
            if is_held and branch.page_table and len(core.scheduler.running) > 1 and self.broken is None:
                self.broken = f"branch {branch.branch_id} is held, but its pages were taken"
            release(branch, **options)

        vars(core.memory).update(release=hear_release)
