"""PlanWork: a plan at work for one client, told as events, and what becomes of the branches it opened."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from ....lang.backend import Branch, PlanRun
from ....lang.plan import Plan
from ....lang.terms import Terms
from ....lang.wire import BranchDone, BranchOpened, RunEnded, RunStarted, WireError, WireEvent
from ..event_stream import data_frame
from ..parts import ServerParts
from ..work import Work
from .branch_leases import BranchLeases
from .plan_story import PlanStory
from .wire_errors import WireErrors


@dataclass(frozen=True)
class PlanWork:
    """What one request asks for; `program`: what its events call the program."""

    parts: ServerParts
    program: str
    plan: Plan
    tenant: str
    seed: int | None
    cache_salt: str
    terms: Terms
    is_streaming: bool
    leases: BranchLeases | None = None
    """Where the branches stay open when the plan has ended; None: they are closed."""

    def begin(self, roots: Mapping[int, Branch]) -> PlanRun:
        """Start it. Raises what the backend raises at once: InvalidRequest for a plan that cannot run."""
        return self.parts.backend.run_plan(
            self.plan,
            roots,
            seed=self.seed,
            cache_salt=self.cache_salt,
            terms=self.terms,
            is_streaming=self.is_streaming,
        )

    async def told(self, run: PlanRun, work: Work) -> AsyncGenerator[WireEvent, None]:
        """All that happens, to `RunEnded`; to be read under `aclosing`. Left early, no branch it opened stays open."""
        errors = WireErrors()
        story = PlanStory(self.plan, errors)
        opened: dict[int, int] = {}
        before = set(run.branches)
        failure: WireError | None = None
        is_whole = False
        events = run.events()
        try:
            yield RunStarted(work.request_id, self.program)
            for told in story.begin():
                yield told
            try:
                async for index, event in events:
                    for told in self._opened(run, before, opened):
                        yield told
                    for told in story.hear(index, event):
                        if isinstance(told, BranchDone) and failure is None:
                            failure = told.error
                        yield told
            except Exception as error:  # noqa: BLE001 - whoever reads the stream is told
                failure = errors.write(error)
            is_whole = failure is None or self.leases is not None
            yield RunEnded(failure)
        finally:
            try:
                await self._settle(run, before, opened, is_whole=is_whole)
            finally:
                aclose = getattr(events, "aclose", None)
                if aclose is not None:
                    await aclose()

    def _opened(self, run: PlanRun, before: set[int], opened: dict[int, int]) -> list[WireEvent]:
        """Take in what the plan has opened since the last time."""
        if self.leases is None or len(run.branches) == len(before) + len(opened):
            return []
        new = [index for index in run.branches if index not in before and index not in opened]
        for index in new:
            opened[index] = self.leases.add(self.tenant, run.branches[index])
        return [BranchOpened(index, opened[index]) for index in new]

    async def _settle(self, run: PlanRun, before: set[int], opened: Mapping[int, int], *, is_whole: bool) -> None:
        if self.leases is not None and not is_whole:
            await self.leases.close(self.tenant, list(opened.values()))
        for index, branch in list(run.branches.items()):
            if index not in before and index not in opened:
                await branch.close()


def wire_frame(event: WireEvent) -> bytes:
    """An event as it goes out, named by its type."""
    return data_frame(event, event=str(type(event).__struct_config__.tag))
