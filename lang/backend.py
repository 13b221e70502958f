"""The port: what the language needs of whatever runs its programs."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from .events import Event
from .ir import Operation


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


class Backend(Protocol):
    """Runs programs."""

    async def open_branch(self, *, seed: int | None = None, cache_salt: str = "") -> Branch:
        """A new, empty branch. `seed`: the key of all its noise; `cache_salt`: shares cache only with its equals."""
        ...

    async def aflush_cache(self) -> None:
        """Forget all cached prefixes that no live branch uses."""
        ...

    async def aclose(self) -> None:
        """End all branches and free what the backend holds."""
        ...
