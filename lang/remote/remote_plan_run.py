"""RemotePlanRun: a plan at work on a server."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from ..backend import Branch
from ..errors import InvalidArgument
from ..events import BranchEnded, Event, Forked
from ..plan import Plan
from ..terms import Terms
from ..wire import (
    BranchDone,
    BranchForked,
    BranchOpened,
    PlanBody,
    RunEnded,
    TextAdded,
    TokenAdded,
    TurnClosing,
    ValueMade,
)
from .errors import ErrorReader
from .remote_branch import RemoteBranch, RemoteBranches, event_of


class RemotePlanRun:
    """See `lang.backend.PlanRun`. The whole plan is one request, its events are the answer."""

    def __init__(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        branches: RemoteBranches,
        *,
        seed: int | None,
        cache_salt: str,
        terms: Terms,
        is_streaming: bool,
    ) -> None:
        for index, branch in roots.items():
            if not isinstance(branch, RemoteBranch):
                raise InvalidArgument(f"roots[{index}]", "a live branch of this endpoint", branch)
        self._body = PlanBody(
            plan,
            {index: branch.branch_id for index, branch in roots.items()},
            seed,
            cache_salt,
            terms,
            is_streaming,
        )
        self._branches: dict[int, Branch] = dict(roots)
        self._ids: dict[int, int] = {}
        """Of the branches that the plan opened."""
        self._client = branches

    @property
    def branches(self) -> Mapping[int, Branch]:
        """See `PlanRun`."""
        return self._branches

    async def events(self) -> AsyncGenerator[tuple[int, Event | BranchEnded], None]:
        """See `PlanRun`. Leaving early hangs up, and the server closes the branches that the plan opened.

        A `Forked` names those of its branches that are known by then: `branches` is the place to look for them.
        """
        errors = ErrorReader()
        has_ended = False
        try:
            async with aclosing(self._client.events("/v1/programs/run", self._body)) as events:
                async for event in events:
                    match event:
                        case BranchOpened(branch=index, id=branch_id):
                            self._ids[index] = branch_id
                            self._branches[index] = self._client.add(branch_id)
                        case BranchForked(branch=index, step=step, children=children):
                            yield (
                                index,
                                Forked(step, tuple(self._ids[child] for child in children if child in self._ids)),
                            )
                        case BranchDone(branch=index, step=step, error=wire):
                            yield index, BranchEnded(None if wire is None else errors.read(wire), step)
                        case RunEnded():
                            has_ended = True
                        case TextAdded() | TokenAdded() | ValueMade() | TurnClosing():
                            heard = event_of(event)
                            if heard is not None:
                                yield event.branch, heard
        finally:
            if not has_ended:
                self._client.forget(tuple(self._ids.values()))
