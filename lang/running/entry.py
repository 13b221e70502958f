"""Entry: one operation as a branch recorded it, and what came of it."""

import asyncio
from collections.abc import Sequence

from ..backend import OutOfTime, QueueRefusal
from ..errors import ProgramError, ProgramRefused, ProgramTimeout
from ..events import GenResult, ScoreResult, SelectResult, Timing
from ..ir import Gen, Operation, Score, Select, Text
from ..plan import Arg

Result = tuple[GenResult, ...] | SelectResult | ScoreResult


class Failure:
    """Why a branch takes no more operations; each read of what it left undone raises `error()` anew."""

    def __init__(self, program: str, branch: str, entry: "Entry | None", cause: BaseException) -> None:
        self.is_surfaced = False
        """The user's code has seen it."""
        self._program = program
        self._branch = branch
        self._entry = entry
        self.cause = cause

    def error(self) -> ProgramError:
        """A fresh exception, as one that is raised twice grows a wrong traceback; the failure counts as seen."""
        self.is_surfaced = True
        entry = self._entry
        return _kind_of(self.cause)(
            program=self._program,
            branch=self._branch,
            operation_index=None if entry is None else entry.index,
            operation=None if entry is None else entry.kind,
            variable=None if entry is None else entry.name,
            source=None if entry is None else entry.source,
            cause=self.cause,
        )


def _kind_of(cause: BaseException) -> type[ProgramError]:
    """Says whether it was for want of time, or of room, also where another branch of the program was told so."""
    reason: BaseException | None = cause
    while reason is not None:
        if isinstance(reason, OutOfTime):
            return ProgramTimeout
        if isinstance(reason, QueueRefusal):
            return ProgramRefused
        reason = reason.__cause__
    return ProgramError


class Entry:
    """Appended by the user's thread; `result`, `text_parts`, `failure` and `done` are set on the portal's loop."""

    __slots__ = (
        "done",
        "failure",
        "index",
        "name",
        "operation",
        "result",
        "source",
        "text_parts",
        "timing",
        "token_ids",
    )

    def __init__(self, operation: Operation, index: int, source: str, name: str | None = None) -> None:
        self.operation = operation
        self.index = index
        """Its place in the branch's log, what the fork inherited included."""
        self.source = source
        self.name = name
        """The variable it sets, None where the user named none."""
        self.result: Result | None = None
        self.text_parts: list[str] = []
        self.token_ids: list[int] = []
        """Of a generation that runs: the tokens so far."""
        self.timing: Timing | None = None
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


class TemplateEntry(Entry):
    """Text of which some parts are the texts of values that may not be there yet."""

    __slots__ = ("has_special", "parts")

    def __init__(self, parts: "Sequence[str | Entry | Arg]", has_special: bool, index: int, source: str) -> None:
        """`parts`: texts, entries of a `Gen` with one sample or of a `Select`; in a trace open arguments, too."""
        super().__init__(Text("", has_special), index, source)
        self.parts = tuple(parts)
        self.has_special = has_special

    @property
    def refs(self) -> tuple[Entry, ...]:
        """The values it needs."""
        return tuple(part for part in self.parts if isinstance(part, Entry))

    @property
    def is_known(self) -> bool:
        """See `Entry`."""
        return all(ref.done.is_set() for ref in self.refs)

    async def wait(self) -> None:
        """See `Entry`."""
        for ref in self.refs:
            await ref.wait()
        self.check()

    def content(self) -> str:
        """See `Entry`."""
        return "".join(_text_of(part) for part in self.parts)

    async def resolve(self) -> Failure | None:
        """Wait for the values and make `operation` the text; where one failed, returns why."""
        for ref in self.refs:
            await ref.done.wait()
            if ref.failure is not None:
                return ref.failure
        self.operation = Text(self.content(), self.has_special)
        return None


def _text_of(part: str | Entry | Arg) -> str:
    assert not isinstance(part, Arg), f"only a trace, which runs nothing, has the open argument {part}"
    return part.content() if isinstance(part, Entry) else part
