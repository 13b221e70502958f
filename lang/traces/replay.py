"""Replay: run what a record holds once more, with the same seeds, and find where the outcome differs."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from ..backend import Backend, Branch
from ..events import SelectResult, TextDelta, ValueReady
from ..ir import Gen, Join, Operation, Score, Select
from ..plan import Branching, Joining
from ..running.portal import PORTAL
from .record import Record, RecordedOperation


@dataclass(frozen=True)
class Difference:
    """The first operation of a branch that did not come out as recorded."""

    branch: str
    operation: RecordedOperation
    number: int
    """Its place among the operations of the branch."""
    what: str
    """What was recorded, and what came instead."""

    def __str__(self) -> str:
        variable = f" {self.operation.variable!r}" if self.operation.variable else ""
        source = f", at {self.operation.source}" if self.operation.source else ""
        return f"branch {self.branch}, operation {self.number} ({self.operation.kind}{variable}){source}: {self.what}"


def replay(record: Record, backend: Backend) -> Record:
    """Run the recorded operations again on `backend` and return what came of them, timings and errors included.

    The forks are those of the record, so each branch has its noise again; texts are appended as they were, whatever
    the generations before them turn out to be. Operations that did not end, and what came after them on their
    branch, are left out. Blocks until all has run; raises what `backend.open_branch` raises.
    """
    return PORTAL.call(areplay(record, backend))


async def areplay(record: Record, backend: Backend) -> Record:
    """`replay`, for an event loop."""
    return await _Replay(record, backend).run()


def differences(recorded: Record, replayed: Record) -> tuple[Difference, ...]:
    """Where `replayed` is not what `recorded` says: the first of each branch, parents before their children."""
    found: list[Difference] = []
    for before, after in zip(recorded.branches, replayed.branches, strict=True):
        for number, operation in enumerate(_replayable(before.operations)):
            other = after.operations[number] if number < len(after.operations) else None
            what = _difference(recorded, operation, other)
            if what is not None:
                found.append(Difference(before.label, operation, number, what))
                break
    return tuple(found)


class _Replay:
    """One task a branch: a child's begins when its fork has run, and a join waits for the tasks of its children."""

    def __init__(self, record: Record, backend: Backend) -> None:
        self._record = record
        self._backend = backend
        self._ran: list[list[RecordedOperation]] = [[] for _ in record.branches]
        self._live: dict[int, Branch] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> Record:
        record = self._record
        if record.branches:
            self._live[0] = await self._backend.open_branch(seed=record.seed, cache_salt=record.cache_salt)
        try:
            async with asyncio.TaskGroup() as group:
                for root in list(self._live):
                    self._tasks[root] = group.create_task(self._run_branch(root, group))
        finally:
            await asyncio.gather(*(branch.close() for branch in self._live.values()))
        branches = tuple(
            msgspec.structs.replace(branch, operations=tuple(ran))
            for branch, ran in zip(record.branches, self._ran, strict=True)
        )
        return msgspec.structs.replace(record, branches=branches, backend=type(self._backend).__name__)

    async def _run_branch(self, index: int, group: asyncio.TaskGroup) -> None:
        """Ends early, the error recorded, where an operation fails."""
        is_well, run = True, []
        for operation in _replayable(self._record.branches[index].operations):
            if not isinstance(operation.step, Branching | Joining):
                run.append(operation)
                continue
            is_well = await self._append(index, run)
            run = []
            if not is_well:
                break
            if isinstance(operation.step, Branching):
                await self._fork(index, operation.step, group)
                self._ran[index].append(operation)
            elif not await self._join(index, operation):
                return
        if is_well:
            await self._append(index, run)

    async def _append(self, index: int, operations: Sequence[RecordedOperation]) -> bool:
        """Run operations that follow one another; False where one failed."""
        steps: list[Operation] = []
        for operation in operations:
            assert not isinstance(operation.step, Branching | Joining), operation
            steps.append(operation.step)
        return not steps or await self._run_steps(index, operations, steps)

    async def _fork(self, index: int, step: Branching, group: asyncio.TaskGroup) -> None:
        branches = await self._live[index].fork(len(step.children))
        for child, branch in zip(step.children, branches, strict=True):
            self._live[child] = branch
            self._tasks[child] = group.create_task(self._run_branch(child, group))

    async def _join(self, index: int, operation: RecordedOperation) -> bool:
        """False where the texts of the children could not be appended."""
        assert isinstance(operation.step, Joining)
        children = operation.step.children
        await asyncio.gather(*(self._tasks[child] for child in children))
        is_well = True
        if operation.step.mode == "concate_and_append":
            join = Join(tuple(self._live[child].branch_id for child in children))
            is_well = await self._run_steps(index, [operation], [join])
        else:
            self._ran[index].append(operation)
        for child in children:
            await self._live.pop(child).close()
        return is_well

    async def _run_steps(self, index: int, operations: Sequence[RecordedOperation], steps: Sequence[Operation]) -> bool:
        texts = [""] * len(steps)
        values: dict[int, ValueReady] = {}
        error: Exception | None = None
        try:
            async for event in self._live[index].run(steps):
                if isinstance(event, TextDelta):
                    texts[event.operation_index] += event.text
                elif isinstance(event, ValueReady):
                    values[event.operation_index] = event
        except Exception as cause:  # noqa: BLE001 - it is recorded, as that of the first run would have been
            error = cause
        blamed = getattr(error, "operation_index", None)
        for number, (operation, text) in enumerate(zip(operations, texts, strict=True)):
            has_failed = error is not None and (number == blamed or (blamed is None and number not in values))
            message = f"{type(error).__name__}: {error}" if has_failed else None
            self._ran[index].append(_ran(operation, text, values.get(number), message))
            if has_failed:
                break
        return error is None


def _replayable(operations: Sequence[RecordedOperation]) -> Iterator[RecordedOperation]:
    """Up to the first that failed, or had not ended when it was recorded."""
    for operation in operations:
        has_value = bool(operation.samples) or operation.selection is not None or operation.scored is not None
        if operation.error is not None or (isinstance(operation.step, Gen | Select | Score) and not has_value):
            return
        yield operation


def _ran(operation: RecordedOperation, text: str, value: ValueReady | None, error: str | None) -> RecordedOperation:
    result = None if value is None else value.result
    return msgspec.structs.replace(
        operation,
        text=text,
        timing=None if value is None else value.timing,
        samples=result if isinstance(result, tuple) else (),
        selection=result if isinstance(result, SelectResult) else None,
        scored=None if isinstance(result, tuple | SelectResult) else result,
        error=error,
    )


def _difference(record: Record, before: RecordedOperation, after: RecordedOperation | None) -> str | None:
    if after is None:
        return "expected it to run, but an operation before it failed"
    if after.error is not None:
        return f"expected it to end well, but it failed: {after.error}"
    if len(before.samples) != len(after.samples):
        return f"expected {len(before.samples)} samples, got {len(after.samples)}"
    for number, (expected, found) in enumerate(zip(before.samples, after.samples, strict=True)):
        if expected.token_ids != found.token_ids:
            sample = f"sample {number}, " if len(before.samples) > 1 else ""
            return sample + _token_difference(record, expected.token_ids, found.token_ids)
    if before.selection is not None and after.selection is not None:
        expected_choice, found_choice = before.selection.choice, after.selection.choice
        if expected_choice != found_choice:
            return f"expected the choice {expected_choice!r}, got {found_choice!r}"
    if before.text != after.text:
        return f"expected the text {before.text!r}, got {after.text!r}"
    return None


def _token_difference(record: Record, expected: Sequence[int], found: Sequence[int]) -> str:
    position = 0
    while position < min(len(expected), len(found)) and expected[position] == found[position]:
        position += 1
    return (
        f"token {position} of {len(expected)}: expected {_shown(record, expected, position)}, "
        f"got {_shown(record, found, position)}"
    )


def _shown(record: Record, token_ids: Sequence[int], position: int) -> str:
    if position == len(token_ids):
        return "the end"
    text = record.vocabulary.get(token_ids[position])
    return str(token_ids[position]) + ("" if text is None else f" ({text!r})")
