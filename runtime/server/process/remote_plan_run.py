"""RemotePlanRun: a plan at work in another process."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from ....lang.backend import Branch
from ....lang.events import BranchEnded
from ...plans.joined_text import Told, in_pieces
from .calls import Calls
from .error_record import error_of
from .messages import Answer, KeepBranches, PlanBranchEnded, PlanBranchOpened, PlanHappened, RunPlan
from .remote_branch import RemoteBranch


class RemotePlanRun:
    """See `lang.backend.PlanRun`. The whole plan is one message."""

    def __init__(self, request: RunPlan, roots: Mapping[int, Branch], calls: Calls) -> None:
        """`request` has been checked. Raises: EngineClosed, InvalidRequest."""
        self._plan = request.plan
        self._calls = calls
        self._branches = dict(roots)
        self._opened: list[RemoteBranch] = []
        self._stream = calls.stream(request)

    @property
    def branches(self) -> Mapping[int, Branch]:
        """See `PlanRun`."""
        return self._branches

    async def events(self) -> AsyncGenerator[Told, None]:
        """See `PlanRun`. Leaving early closes the branches that the plan opened, too."""
        num_open = len(self._plan.branches)
        try:
            while num_open and (answers := await self._stream.next_all()):
                # A server that has fallen behind the engine catches up, as text that waits is read in one piece.
                for told in in_pieces(self._take_in(answers)):
                    num_open -= isinstance(told[1], BranchEnded)
                    yield told
        finally:
            if num_open:
                for branch in self._opened:
                    branch.forget()
            else:
                self._calls.tell(KeepBranches(), self._stream.call_id)
            self._stream.close(is_over=not num_open)

    def _take_in(self, answers: Sequence[Answer]) -> list[Told]:
        """What of the answers is for the reader; branches that have been opened are noted."""
        told: list[Told] = []
        for answer in answers:
            match answer:
                case PlanHappened(index=index, event=event):
                    told.append((index, event))
                case PlanBranchOpened(index=index, branch_id=branch_id):
                    self._branches[index] = branch = RemoteBranch(branch_id, self._calls)
                    self._opened.append(branch)
                case PlanBranchEnded(index=index, error=error, operation_index=operation_index):
                    told.append((index, BranchEnded(None if error is None else error_of(error), operation_index)))
                case _:
                    raise AssertionError(f"expected what happens in a plan, got {answer}")
        return told
