"""LiveBranch: a branch that exists, what it is at, and what waits on it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .branch import Branch
from .request import QueuedOperation
from .row import Row


@dataclass
class ActiveOperation:
    """The operation a branch is at; it ends when all its rows have."""

    queued: QueuedOperation
    rows: list[Row]
    on_done: Callable[[], None]
    helpers: list["LiveBranch"] = field(default_factory=list)
    """Branches that exist for this operation only, and end with it."""


@dataclass(eq=False)
class LiveBranch:
    """A branch and the operations that wait on it."""

    branch: Branch
    queue: deque[QueuedOperation] = field(default_factory=deque)
    active: ActiveOperation | None = None
    has_begun: bool = False
    """An operation has needed the model: a later one is not refused for want of room in the queue."""
    is_dead: bool = False
    """An operation failed or was cancelled: the branch takes no more."""

    @property
    def is_idle(self) -> bool:
        """Whether it lives and has nothing left to do."""
        return not self.is_dead and self.active is None and not self.queue
