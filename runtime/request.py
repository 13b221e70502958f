"""Request: operations to run one after another on one branch, and who listens to what comes of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..lang.events import Event
from ..lang.ir import Operation
from ..lang.terms import DEFAULT_TERMS, Terms
from .stopwatch import Stopwatch
from .ticket import Ticket


@dataclass(frozen=True)
class Ended:
    """The last word of a request: all operations ran, or `error` stopped operation `operation_index`."""

    error: BaseException | None = None
    operation_index: int | None = None


Listener = Callable[[Event | Ended], None]
"""Is called on the engine's thread, in order; must return at once and not raise."""


@dataclass(frozen=True, eq=False)
class Request:
    """Operations for the branch `branch_id`; exactly one `Ended` reaches the listener."""

    branch_id: int
    operations: tuple[Operation, ...]
    listener: Listener
    first_index: int = 0
    """What events call the first of the operations."""
    ticket: Ticket | None = None
    """Its place among the requests, where it belongs to something that arrived earlier; None: it has just arrived."""
    terms: Terms = DEFAULT_TERMS
    """For the ticket of one that has just arrived."""


@dataclass(frozen=True)
class QueuedOperation:
    """One operation that waits for its turn on a branch."""

    operation: Operation
    index: int
    request: Request
    ticket: Ticket
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def is_last(self) -> bool:
        """Whether its request ends with it."""
        return self.index == self.request.first_index + len(self.request.operations) - 1
