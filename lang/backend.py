"""The port: what the language needs of whatever runs its programs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from .errors import InvalidArgument
from .events import BranchEnded, Event
from .ir import Operation
from .plan import Plan
from .terms import DEFAULT_TERMS, Terms


class Branch(Protocol):
    """A live text on the backend: operations append to it, forks share it.

    Calls on one branch are made one after another; different branches run at the same time.
    """

    @property
    def branch_id(self) -> int:
        """Names this branch in `Join`."""
        ...

    def run(self, operations: Sequence[Operation]) -> AsyncIterator[Event]:
        """Run `operations` (no `Fork`) in order and yield what happens; the iterator ends when the last has ended.

        Whatever fails is raised from the iterator, with an `operation_index` attribute where one operation is
        to blame; the branch then takes no more operations. Leaving the iterator early cancels the rest.
        """
        ...

    async def fork(self, num_children: int) -> "Sequence[Branch]":
        """Branches that begin with all of this one; memory is shared until they differ.

        A turn that has ended is closed by this: what the last `Closing` announced is now part of the text of all.
        """
        ...

    async def close(self) -> None:
        """End the branch and give back what it holds; whatever still runs is cancelled. Never raises twice."""
        ...


@runtime_checkable
class HoldingBranch(Branch, Protocol):
    """A branch whose memory can be kept while it has nothing to do."""

    async def hold(self, seconds: float) -> None:
        """Keep what is computed for at most `seconds`, or until the next operation, even when memory is short."""
        ...


class Backend(Protocol):
    """Runs programs."""

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> Branch:
        """A new, empty branch. `seed`: the key of all its noise; `cache_salt`: shares cache only with its equals.

        `terms` hold for all that is run on it and on those forked from it, together: its opening is the arrival that
        their times are counted from. What they end fails with an error that is `OutOfTime`; what a full queue keeps
        out fails with one that is `QueueRefusal`.
        """
        ...

    async def aflush_cache(self) -> None:
        """Forget all cached prefixes that no live branch uses."""
        ...

    async def aclose(self) -> None:
        """End all branches and free what the backend holds."""
        ...


class PlanRun(Protocol):
    """A plan at work on a backend."""

    @property
    def branches(self) -> Mapping[int, Branch]:
        """The live branches by their index in the plan: those opened so far. They outlive the plan."""
        ...

    def events(self) -> AsyncIterator[tuple[int, Event | BranchEnded]]:
        """(index of the branch, what happened), in order per branch; `operation_index` is the step's.

        Each branch ends with one `BranchEnded`, and the iterator with the last of them. When it says that, a branch
        is in `branches`, unless it was never opened. Leaving the iterator early cancels what still runs.
        """
        ...


@runtime_checkable
class PlanBackend(Backend, Protocol):
    """A backend that runs whole plans by itself, without a round trip between dependent steps."""

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool = False,
    ) -> PlanRun:
        """Begin `plan`, which has no open arguments; returns at once.

        roots: the live branches that roots of the plan go on with; a root that is not among them is opened, with
        `seed`, `cache_salt` and `terms` as in `open_branch`; a plan that goes on with live branches does so on their
        terms, and on their time. Unless `is_streaming`, the text of an operation may come in one piece, with its value.
        """
        ...


@runtime_checkable
class OutOfTime(Protocol):
    """What an error of a backend has that is raised because a time of the `Terms` has run out."""

    limit_name: Literal["queue_timeout_s", "timeout_s"]
    limit_s: float
    waited_s: float


@runtime_checkable
class QueueRefusal(Protocol):
    """What an error of a backend has that is raised because as much waits as it lets wait; None: no such limit."""

    num_requests: int
    max_requests: int | None
    num_tokens: int
    max_tokens: int | None


def check_backend(name: str, backend: object) -> None:
    """Raise `InvalidArgument` unless `backend` looks like a `Backend`."""
    if isinstance(backend, type) or not callable(getattr(backend, "open_branch", None)):
        raise InvalidArgument(name, "a backend, such as palmette.Engine()", backend)
