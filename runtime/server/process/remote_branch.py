"""RemoteBranch: one branch of an engine in another process."""

from collections.abc import AsyncGenerator, Callable, Sequence

from ....lang.events import Event
from ....lang.ir import Operation
from ...errors import InvalidRequest
from .calls import Calls
from .messages import BranchesOpened, CloseBranch, Done, ForkBranch, Happened, HoldBranch, RunOperations


class RemoteBranch:
    """See `lang.backend.HoldingBranch`. It ends with the process that it is in: the next one does not know it."""

    def __init__(self, branch_id: int, calls: Calls) -> None:
        self._branch_id = branch_id
        self._calls = calls
        self._is_closed = False
        calls.branch_ids.add(branch_id)

    @property
    def branch_id(self) -> int:
        """Names this branch in `Join`."""
        return self._branch_id

    async def run(self, operations: Sequence[Operation]) -> AsyncGenerator[Event, None]:
        """See `Branch`."""
        stream = self._calls.stream(RunOperations(self._branch_id, tuple(operations)))
        try:
            while (answer := await stream.next()) is not None:
                assert isinstance(answer, Happened), answer
                yield answer.event
        finally:
            stream.close()

    async def fork(self, num_children: int) -> "list[RemoteBranch]":
        """See `Branch`. Where the caller is cancelled meanwhile, the children are closed."""
        calls = self._calls
        answer = await calls.ask(ForkBranch(self._branch_id, num_children), BranchesOpened, closing(calls))
        return [RemoteBranch(each, calls) for each in answer.branch_ids]

    async def hold(self, seconds: float) -> None:
        """See `LocalBranch.hold`."""
        if not seconds >= 0:
            raise InvalidRequest(f"hold: expected seconds >= 0, got {seconds}")
        if not self._is_closed:
            await self._calls.ask(HoldBranch(self._branch_id, seconds), Done)

    async def close(self) -> None:
        """See `Branch`."""
        if not self._is_closed:
            self._calls.tell(CloseBranch(self._branch_id))
            self.forget()

    def forget(self) -> None:
        """It has been closed in the engine's process."""
        self._is_closed = True
        self._calls.forget_branch(self._branch_id)


def closing(calls: Calls) -> Callable[[BranchesOpened], None]:
    """What closes branches that nobody waits for any more."""

    def close(answer: BranchesOpened) -> None:
        for branch_id in answer.branch_ids:
            calls.tell(CloseBranch(branch_id))

    return close
