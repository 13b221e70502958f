"""Observer: whoever follows a request on its way through the port."""

from collections.abc import Callable, Mapping
from typing import Protocol

from ....lang.events import BranchEnded, Event
from ....lang.ir import Operation
from ....lang.plan import Step

Place = tuple[int, int]
"""Index of the branch in its plan (0 for a single branch), and of the operation on it."""

Operations = Mapping[Place, Operation | Step]


class Observer(Protocol):
    """Follows one request; must not raise."""

    def event(self, event: Event | BranchEnded, branch: int = 0) -> None:
        """Something happened on the branch of that index."""
        ...

    def end(self, error: BaseException | None = None) -> None:
        """The request has ended, or failed with `error`, or was left."""
        ...


MakeObserver = Callable[[str | None, Operations], Observer]
"""(name of the program, None for a run on one branch; what is to be run) -> who follows it, from now on."""
