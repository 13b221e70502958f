"""Readers: follow the text of a branch or a variable, its tokens, or all events, while they come."""

from collections.abc import Callable

from .events import Event
from .running.branch_runner import BranchRunner
from .running.entry import Entry
from .running.program_run import ProgramRun
from .variable import Produced, Variable


class TextReader:
    """One pass over a growing text; `next_chunk` runs on the portal's loop.

    Read by the program's own body it ends where all that was submitted has run; read from outside, along with a
    streaming run, it ends with the program. What goes wrong is raised where the text stops.
    """

    def __init__(self, run: ProgramRun, runner: BranchRunner) -> None:
        self._run = run
        self._runner = runner
        self._is_outside = run.is_outside
        self._num_read = 0
        self._is_closing_read = False

    async def next_chunk(self) -> str | None:
        """All text that came since the last call, at least one character; None at the end."""
        while True:
            new = self._runner.text_parts[self._num_read :]
            self._num_read += len(new)
            if any(new):
                return "".join(new)
            if self._run.over.is_set() if self._is_outside else self._runner.is_idle:
                return self._end()
            await self._runner.pulse.wait()

    def _end(self) -> str | None:
        if self._is_outside:
            self._run.check()
        self._runner.check()
        if self._is_closing_read or not self._runner.closing:
            return None
        self._is_closing_read = True
        return self._runner.closing


class VariableReader:
    """One pass over the growing text of a variable; a value that does not grow comes as one chunk."""

    def __init__(self, run: ProgramRun, runner: BranchRunner, find: Callable[[], Variable | None]) -> None:
        """`find` looks the variable up, or raises if it will never be set."""
        self._run = run
        self._runner = runner
        self._find = find
        self._variable: Variable | None = None
        self._num_read = 0

    async def next_chunk(self) -> str | None:
        """All text that came since the last call, at least one character; None at the end."""
        while self._variable is None:
            self._variable = self._find()
            if self._variable is None:
                await self._runner.pulse.wait()
        if not isinstance(self._variable, Produced):
            return await self._whole(self._variable)
        entry = self._variable.entry
        while True:
            new = entry.text_parts[self._num_read :]
            self._num_read += len(new)
            if any(new):
                return "".join(new)
            if entry.done.is_set():
                if entry.failure is not None:
                    self._run.check()
                entry.check()
                return None
            await self._runner.pulse.wait()

    async def _whole(self, variable: Variable) -> str | None:
        if self._num_read:
            return None
        self._num_read = 1
        await variable.wait()
        value = variable.value()
        text = "".join(str(each) for each in value) if isinstance(value, list) else str(value)
        return text or None


class TokenReader:
    """One pass over the tokens of a generation while it runs."""

    def __init__(self, run: ProgramRun, runner: BranchRunner, entry: Entry) -> None:
        self._run = run
        self._runner = runner
        self._entry = entry
        self._num_read = 0

    async def next_tokens(self) -> list[int] | None:
        """All tokens since the last call, at least one; None at the end."""
        while True:
            token_ids = self._tokens()[self._num_read :]
            if token_ids:
                self._num_read += len(token_ids)
                return token_ids
            if self._entry.done.is_set():
                if self._entry.failure is not None:
                    self._run.check()
                self._entry.check()
                return None
            await self._runner.pulse.wait()

    def _tokens(self) -> list[int]:
        result = self._entry.result
        return list(result[0].token_ids) if isinstance(result, tuple) else self._entry.token_ids


class EventReader:
    """One pass over all that happens on a branch; it ends as `TextReader` does."""

    def __init__(self, run: ProgramRun, runner: BranchRunner) -> None:
        self._run = run
        self._runner = runner
        self._is_outside = run.is_outside
        self._num_read = 0

    async def next_events(self) -> list[Event] | None:
        """All events since the last call, at least one; None at the end."""
        while True:
            events = self._runner.events[self._num_read :]
            if events:
                self._num_read += len(events)
                return events
            if self._run.over.is_set() if self._is_outside else self._runner.is_idle:
                if self._is_outside:
                    self._run.check()
                self._runner.check()
                return None
            await self._runner.pulse.wait()
