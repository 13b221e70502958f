"""Entry: one operation as a branch recorded it, and what came of it."""

import asyncio

from .errors import ProgramError
from .events import GenResult, ScoreResult, SelectResult
from .ir import Gen, Operation, Score, Select, Text

Result = tuple[GenResult, ...] | SelectResult | ScoreResult


class Failure:
    """Why a branch takes no more operations; each read of what it left undone raises `error()` anew."""

    def __init__(self, program: str, branch: str, entry: "Entry | None", cause: BaseException) -> None:
        self.is_surfaced = False
        """The user's code has seen it."""
        self._program = program
        self._branch = branch
        self._entry = entry
        self._cause = cause

    def error(self) -> ProgramError:
        """A fresh exception, as one that is raised twice grows a wrong traceback; the failure counts as seen."""
        self.is_surfaced = True
        entry = self._entry
        return ProgramError(
            program=self._program,
            branch=self._branch,
            operation_index=None if entry is None else entry.index,
            operation=None if entry is None else entry.kind,
            variable=None if entry is None else entry.name,
            source=None if entry is None else entry.source,
            cause=self._cause,
        )


class Entry:
    """Appended by the user's thread; `result`, `text_parts`, `failure` and `done` are set on the portal's loop."""

    __slots__ = ("done", "failure", "index", "name", "operation", "result", "source", "text_parts")

    def __init__(self, operation: Operation, index: int, source: str, name: str | None = None) -> None:
        self.operation = operation
        self.index = index
        """Its place in the branch's log, what the fork inherited included."""
        self.source = source
        self.name = name
        """The variable it sets, None where the user named none."""
        self.result: Result | None = None
        self.text_parts: list[str] = []
        self.failure: Failure | None = None
        self.done = asyncio.Event()

    @property
    def kind(self) -> str:
        """What the operation is, as its tag names it."""
        return str(self.operation.__struct_config__.tag)

    @property
    def has_value(self) -> bool:
        """The backend owes it a value."""
        return isinstance(self.operation, Gen | Select | Score)

    @property
    def is_known(self) -> bool:
        """Its content is known without the backend."""
        return isinstance(self.operation, Text) or self.done.is_set()

    def fail(self, failure: Failure) -> None:
        """It did not end; harmless where it has."""
        if not self.done.is_set():
            self.failure = failure
            self.done.set()

    async def wait(self) -> None:
        """Return when its content is known; raises `ProgramError` where it never will be."""
        if not self.is_known:
            await self.done.wait()
        self.check()

    def check(self) -> None:
        """Raise its failure, if any."""
        if self.failure is not None:
            raise self.failure.error()

    def content(self) -> str:
        """The text it added, without what a chat template put around it. Call only when known."""
        operation, result = self.operation, self.result
        if isinstance(operation, Text | Score):
            return operation.text
        if isinstance(result, tuple):
            return result[0].text
        if isinstance(result, SelectResult):
            return result.choice
        return "".join(self.text_parts)
