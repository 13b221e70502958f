"""Transcript: one branch of a program as the user's side records it: operations, variables, open turn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import InvalidArgument, StateError, VariableNotSet
from .expressions import (
    Expression,
    ExpressionList,
    GenExpression,
    RoleBeginExpression,
    RoleEndExpression,
    ScoreExpression,
    SelectExpression,
)
from .ir import DeclareTools, Gen, Operation, RoleBegin, RoleEnd, Score, Select, Text, Tool
from .running.branch_runner import BranchRunner, JoinEntry
from .running.deferral import text_target
from .running.entry import Entry, TemplateEntry
from .running.program_run import ForkErrorMode, ProgramRun
from .running.reference import Reference, References, TextReferent, Unread
from .sampling_params import SamplingParams
from .source_line import user_source_line
from .variable import Gathered, Place, Produced, Variable, span_text

if TYPE_CHECKING:
    from ..grammar.types.value_type import ValueType


_INLINED: "ContextVar[tuple[Transcript | None, SamplingParams | None]]" = ContextVar(
    "palmette_inlined", default=(None, None)
)
"""Whose defaults are not its own here, and which they are."""


class Transcript:
    """What was appended to one branch, in order, and the variables set in it.

    Written by the user's thread alone; a streaming run's reader on another thread only looks names up.
    """

    def __init__(self, run: ProgramRun, runner: BranchRunner, defaults: SamplingParams) -> None:
        self.run = run
        self.runner = runner
        self._defaults = defaults
        self.log: list[Entry] = []
        self.forked_len = 0
        """How many entries of the log come from before the fork."""
        self.variables: dict[str, Variable] = {}
        self.own_names: dict[str, None] = {}
        """Variables set in this branch itself, not before the fork; a dict for its order."""
        self.end_reason: str | None = None
        """Why nothing can be appended any more."""
        self.last_produced: Produced | None = None
        """What the last gen, select or score makes, named or not."""
        self._role: str | None = None

    @property
    def defaults(self) -> SamplingParams:
        """What a gen inherits where it does not say otherwise."""
        transcript, defaults = _INLINED.get()
        return defaults if transcript is self and defaults is not None else self._defaults

    @contextmanager
    def with_defaults(self, defaults: SamplingParams) -> Iterator[None]:
        """Other defaults for what this task, and none beside it, appends inside: a program that runs on this state."""
        token = _INLINED.set((self, defaults))
        try:
            yield
        finally:
            _INLINED.reset(token)

    # Writing

    def append(self, item: Expression | str) -> None:
        """Record what the user appended; raises `InvalidArgument` or `StateError` where that cannot be."""
        self._append(item, user_source_line())
        self._submit_if_streaming()

    def _append(self, item: Expression | str, source: str) -> None:
        if isinstance(item, str):
            if References.is_marked(item):
                self._append_parts(self.run.references.split(item), source)
            elif item:
                self.record(Entry(Text(item, has_special=self._role is None), len(self.log), source))
        elif isinstance(item, Reference):
            self._append_parts([item.text_referent()], source)
        elif isinstance(item, ExpressionList):
            for part in item.parts:
                self._append(part, source)
        elif isinstance(item, GenExpression):
            params = msgspec.structs.replace(self.defaults, **item.sampling)
            operation = Gen(self._name(item), params, item.constraint, item.prediction)
            self._record_value(operation, item.name, source, item.value_type)
        elif isinstance(item, SelectExpression):
            selection = Select(self._name(item), item.choices, item.method, item.temperature)
            self._record_value(selection, item.name, source)
        elif isinstance(item, ScoreExpression):
            self._record_value(Score(self._name(item), item.text), item.name, source)
        elif isinstance(item, RoleBeginExpression):
            self._begin_role(item.role, source)
        elif isinstance(item, RoleEndExpression):
            self._end_role(item.role, source)
        elif isinstance(item, Appendable):
            item.append_to(self)
        else:
            hint = "of a state append state['name'] or state.text(); of other values str(value)"
            raise InvalidArgument("s +=", "text, or an expression such as gen(...)", item, hint)

    def append_parts(self, parts: Sequence[str | TextReferent]) -> None:
        """Append text of which some parts are references."""
        self._append_parts(parts, user_source_line())
        self._submit_if_streaming()

    def begin_role(self, role: str) -> None:
        """Open a turn; raises `StateError` if one is open."""
        self._begin_role(role, user_source_line())
        self._submit_if_streaming()

    def end_role(self, role: str) -> None:
        """Close the turn; raises `StateError` if it is not open."""
        self._end_role(role, user_source_line())
        self._submit_if_streaming()

    def append_markup(self, text: str) -> None:
        """Append text in which the model's special tokens, spelt out, are read as such, inside a turn, too."""
        self.record(Entry(Text(text, has_special=True), len(self.log), user_source_line()))
        self._submit_if_streaming()

    def declare_tools(self, tools: Sequence[Tool]) -> None:
        """See `ProgramState.declare_tools`."""
        operation = DeclareTools(tuple(tools))
        declared = [entry.operation for entry in _unfolded(self.log) if isinstance(entry.operation, DeclareTools)]
        if operation in declared:
            return
        if declared or self.has_turns:
            raise StateError("tools are to be declared once, before the first turn; this text has one already")
        self.record(Entry(operation, len(self.log), user_source_line()))

    def record(self, entry: Entry) -> None:
        """Put an operation at the end."""
        self.check_open()
        self.log.append(entry)
        self.run.append(self.runner, entry)

    def declare(self, name: str, variable: Variable) -> None:
        """Set a variable, in place of an earlier one of that name."""
        if not isinstance(name, str) or name == "":
            raise InvalidArgument("name", "a non-empty string", name)
        self.variables[name] = variable
        self.own_names[name] = None
        self.run.notice(self.runner)

    def fork(self, num_children: int, on_error: ForkErrorMode) -> "list[Transcript]":
        """Branches that begin with all of this one."""
        self.check_open()
        runners = self.run.fork(self.runner, num_children, on_error)
        self._submit_if_streaming()
        return [self._child(runner) for runner in runners]

    def check_open(self) -> None:
        """Raise `StateError` if nothing can be appended any more."""
        if self.end_reason is not None:
            raise StateError(f"expected a live branch to append to, but {self.end_reason}")
        if self.run.over.is_set():
            raise StateError("expected a live program to append to, but it has ended; its state can only be read")

    # Reading

    @property
    def has_turns(self) -> bool:
        """A turn has begun."""
        return any(isinstance(entry.operation, RoleBegin) for entry in _unfolded(self.log))

    @property
    def is_settled(self) -> bool:
        """All that was appended has run."""
        return not self.runner.pending and self.runner.is_idle and not self.run.is_outside

    def check_settled(self) -> None:
        """Raise what went wrong, once settled."""
        if self.run.is_outside:
            self.run.check()
        self.runner.check()

    async def declared(self, name: str) -> Variable:
        """The variable, whose value may be yet to come; raises `VariableNotSet` where none will be."""
        is_outside = self.run.is_outside
        variable = self.find(name, is_outside)
        if variable is None:
            variable = await self.run.wait_async(lambda: self._declared(name, is_outside))
        return variable

    def settle(self) -> None:
        """Wait until all that was appended has run; raises what failed."""
        is_outside = self.run.is_outside
        self.run.wait(lambda: self.run.settled(self.runner, is_outside))

    def ready(self, name: str) -> Variable:
        """The variable, its value there or failed; raises `VariableNotSet`."""
        is_outside = self.run.is_outside
        variable = self.find(name, is_outside)
        if variable is None or not variable.is_ready:
            self._check_traceable(variable, name)
            variable = self.run.wait(lambda: self._found(name, is_outside))
        return variable

    async def ready_async(self, name: str) -> Variable:
        """`ready` for a caller on an event loop."""
        is_outside = self.run.is_outside
        variable = self.find(name, is_outside)
        if variable is None or not variable.is_ready:
            self._check_traceable(variable, name)
            variable = await self.run.wait_async(lambda: self._found(name, is_outside))
        return variable

    def reference(self, name: str) -> Reference | list[Reference] | None:
        """A reference to the variable, where that does as well as its value; None where the value is wanted.

        Of what a join gathered, a list of references.
        """
        variable = self.variables.get(name)
        if variable is None or variable.is_ready or not self.run.can_defer or self.runner.keeps_failure:
            return None  # a branch whose errors are collected: whoever reads it may catch what is raised
        what = f"the variable {name!r}"
        if isinstance(variable, Gathered) and variable.keeps_errors:
            return None
        if not isinstance(variable, Gathered):
            return self._reference_to(variable, what, is_part=False)
        references = [self._reference_to(each, what, is_part=True) for each in variable.variables]
        found = [each for each in references if each is not None]
        return found if len(found) == len(references) else None

    def reference_to(self, produced: Produced, name: str) -> Reference | None:
        """See `reference`; of a value that may have no name."""
        if produced.is_ready or not self.run.can_defer:
            return None
        return self._reference_to(produced, f"the value {name!r}", is_part=False)

    def _reference_to(self, variable: Variable, what: str, *, is_part: bool) -> Reference | None:
        entry = variable.referent
        if self.run.is_tracing:
            return Reference(entry or Unread(variable.value), what, self.run.references)
        if entry is None or getattr(text_target(is_part=is_part), "run_of_text", None) is not self.run:
            return None
        return Reference(entry, what, self.run.references)

    async def settle_async(self) -> None:
        """`settle` for a caller on an event loop."""
        is_outside = self.run.is_outside
        await self.run.wait_async(lambda: self.run.settled(self.runner, is_outside))

    def find(self, name: str, is_outside: bool) -> Variable | None:
        """The variable; None if the program, still running, may set it yet; else raises `VariableNotSet`."""
        may_come = is_outside and not self.run.over.is_set()  # looked at before the name, or one may slip between
        variable = self.variables.get(name)
        if variable is None and not may_come:
            if is_outside:
                self.run.check()
            raise VariableNotSet(name, self.variables)
        return variable

    def messages(self) -> list[dict[str, str]]:
        """The finished turns, once settled; those that joined branches appended are among them."""
        messages: list[dict[str, str]] = []
        entries = list(_unfolded(self.log))
        begin = 0
        for index, entry in enumerate(entries):
            if isinstance(entry.operation, RoleBegin):
                begin = index + 1
            elif isinstance(entry.operation, RoleEnd):
                messages.append({"role": entry.operation.role, "content": span_text(entries[begin:index])})
        return messages

    # Inside

    def _child(self, runner: BranchRunner) -> "Transcript":
        child = Transcript(self.run, runner, self.defaults)
        child.log = list(self.log)
        child.forked_len = len(self.log)
        child.variables = dict(self.variables)
        child._role = self._role
        return child

    def _record_value(
        self,
        operation: Operation,
        name: str | None,
        source: str,
        value_type: "ValueType[Any] | None" = None,
    ) -> Produced:
        entry = Entry(operation, len(self.log), source, name)
        self.record(entry)
        place = Place(self.run.program, self.runner.label, f"{self.run.run_id}:{self.runner.label}:{entry.index}")
        self.last_produced = produced = Produced(entry, place, value_type)
        if name is not None:
            self.declare(name, produced)
        return produced

    def _append_parts(self, parts: Sequence[str | TextReferent], source: str) -> None:
        self.record(TemplateEntry(parts, self._role is None, len(self.log), source))

    def _check_traceable(self, variable: Variable | None, name: str) -> None:
        if self.run.is_tracing:
            what = f"the variable {name!r}"
            act = "waits for it" if variable is None else "reads it, which is more than text"
            self.run.references.refuse(f"Python {act}", what, user_source_line())

    def _name(self, item: GenExpression | SelectExpression | ScoreExpression) -> str:
        return item.name if item.name is not None else f"#{next(self.run.hidden_names)}"

    def _begin_role(self, role: str, source: str) -> None:
        if self._role is not None:
            raise StateError(f"a turn of {role!r} begins inside the turn of {self._role!r}; turns do not nest")
        self.record(Entry(RoleBegin(role), len(self.log), source))
        self._role = role

    def _end_role(self, role: str, source: str) -> None:
        if self._role != role:
            found = "none is open" if self._role is None else f"the open turn is of {self._role!r}"
            raise StateError(f"a turn of {role!r} ends, but {found}")
        self.record(Entry(RoleEnd(role), len(self.log), source))
        self._role = None

    def _submit_if_streaming(self) -> None:
        if self.run.is_streaming:
            self.run.submit()

    async def _declared(self, name: str, is_outside: bool) -> Variable:
        while (variable := self.find(name, is_outside)) is None:
            await self.runner.pulse.wait()
        return variable

    async def _found(self, name: str, is_outside: bool) -> Variable:
        variable = await self._declared(name, is_outside)
        try:
            await variable.wait()
        except Exception:
            self.run.check()  # if the program was stopped by its own error, then that is what to raise
            raise
        return variable


def _unfolded(log: Sequence[Entry]) -> Iterator[Entry]:
    """The entries of a log, with those of the joined branches in the place of each join."""
    for entry in log:
        if isinstance(entry, JoinEntry):
            yield from _unfolded(entry.added)
        else:
            yield entry


class Appendable(Expression):
    """An expression that knows itself what to append: a call of another program."""

    def append_to(self, transcript: Transcript) -> None:
        """Append whatever it stands for."""
        raise NotImplementedError
