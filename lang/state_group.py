"""StateGroup: the branches of a fork."""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Generic, Literal, TypeVar

from .errors import InvalidArgument, ProgramError, SiblingFailed, StateError
from .expressions import Expression
from .running.branch_runner import BranchRunner, GatherPoint, JoinEntry
from .running.program_run import ForkErrorMode, ProgramRun
from .source_line import user_source_line
from .transcript import Transcript
from .variable import Gathered, Variable

S = TypeVar("S")
JoinMode = Literal["gather_variable", "concate_and_append"]


class StateGroup(Generic[S]):
    """The branches of a fork, in order; `S` is the state that stands for one."""

    def __init__(
        self,
        states: Sequence[S],
        transcripts: Sequence[Transcript],
        source: Transcript,
        on_error: ForkErrorMode = "cancel",
    ) -> None:
        """`transcripts` run parallel to `states`; `source` is what was forked."""
        self._states = tuple(states)
        self._transcripts = tuple(transcripts)
        self._source = source
        self._on_error = on_error
        self._is_joined = False

    def join(self, mode: JoinMode = "gather_variable") -> None:
        """End the branches and bring back what they made.

        "gather_variable": each variable set in a branch since the fork becomes, in the state that was forked, the
        list of its values. That replaces a variable of that name from before the fork; SGLang keeps the old one, and
        a program that forks in a loop reads the first round's values in all the others. "concate_and_append": the
        texts that the branches added are appended, in order. Either way the branches can still be read.

        It does not wait, so that the program and its branches remain one submission. A branch that failed raises
        where what it would have made is read, or at the end of the program; `wait()` finds out at once. Raises
        `StateError` on a second join.
        """
        if mode not in ("gather_variable", "concate_and_append"):
            raise InvalidArgument("mode", '"gather_variable" or "concate_and_append"', mode)
        if self._is_joined:
            raise StateError("expected a fork that is not joined yet, but this one is")
        source, run = self._source, self._source.run
        source.check_open()
        self._is_joined = True
        for transcript in self._transcripts:
            transcript.end_reason = "this branch has been joined"
        runners = self._runners
        if mode == "gather_variable":
            self._gather()
            run.append(source.runner, GatherPoint(runners))
        else:
            added = [entry for transcript in self._transcripts for entry in transcript.log[transcript.forked_len :]]
            join = JoinEntry(runners, added, len(source.log), user_source_line())
            source.record(join)  # it closes the branches once it has their texts
        if run.is_streaming:
            run.submit()

    def wait(self) -> None:
        """Wait until all branches have run; raises the first failure, unless they were forked to collect them."""
        self._source.run.wait(self._all_idle)
        self._check()

    async def wait_async(self) -> None:
        """`wait` for an async program."""
        await self._source.run.wait_async(self._all_idle)
        self._check()

    @property
    def errors(self) -> "tuple[ProgramError | None, ...]":
        """What ended each branch, None where nothing did or it still runs."""
        return tuple(None if each.failure is None else each.failure.error() for each in self._runners)

    @property
    def run_of_text(self) -> ProgramRun:
        """The run that text appended to a branch belongs to."""
        return self._source.run

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[S]:
        return iter(self._states)

    def __getitem__(self, index: int) -> S:
        return self._states[index]

    def __setitem__(self, index: int, value: S) -> None:
        """What `group[i] += ...` needs."""
        if value is not self._states[index]:
            raise InvalidArgument(f"fork[{index}]", "the branch that is there, as `group[i] += ...` gives", value)

    def __iadd__(
        self, other: Expression | str | Sequence[Expression | str] | Callable[[int], Expression | str]
    ) -> "StateGroup[S]":
        """Append to each branch: the same, the list's item of its index, or what the function gives for its index."""
        if isinstance(other, Expression | str):
            items: list[Expression | str] = [other] * len(self._states)
        elif callable(other):
            items = [other(index) for index in range(len(self._states))]
        elif isinstance(other, Sequence) and len(other) == len(self._states):
            items = list(other)
        else:
            raise InvalidArgument("fork +=", f"an expression, a function of the index, or {len(self)} of either", other)
        for transcript, item in zip(self._transcripts, items, strict=True):
            transcript.append(item)
        return self

    def __enter__(self) -> "StateGroup[S]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(error)

    async def __aenter__(self) -> "StateGroup[S]":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        """The block ends: join, or, if an error (a time-out, say) ends it, stop the branches."""
        if self._is_joined:
            return
        if error is None:
            self.join()
        else:
            self._source.run.cancel_branches(
                self._runners,
                StateError(f"the block that forked this branch was left by {type(error).__name__}: {error}"),
            )

    @property
    def _runners(self) -> tuple[BranchRunner, ...]:
        return tuple(transcript.runner for transcript in self._transcripts)

    async def _all_idle(self) -> None:
        for runner in self._runners:
            await runner.idle()

    def _check(self) -> None:
        """Raise the first failure and note the others with it."""
        if self._on_error == "collect":
            return
        failures = dict.fromkeys(runner.failure for runner in self._runners if runner.failure is not None)
        # What was only cancelled, because another failed, is told after it.
        ordered = sorted(failures, key=lambda failure: isinstance(failure.cause, SiblingFailed))
        if ordered:
            first, *others = [failure.error() for failure in ordered]
            for other in others:
                first.add_note(f"and {other}")
            raise first

    def _gather(self) -> None:
        gathered: dict[str, list[Variable]] = {}
        for transcript in self._transcripts:
            for name in transcript.own_names:
                gathered.setdefault(name, []).append(transcript.variables[name])
        for name, variables in gathered.items():
            self._source.declare(name, Gathered(variables, keeps_errors=self._on_error == "collect"))
