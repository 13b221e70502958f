"""The errors of the language.

PalmetteError
├── InvalidArgument (ValueError)       an argument of a primitive or a sampling parameter is wrong
├── ProgramError                       an operation of a program failed; says which, where and why
│   ├── ProgramTimeout (TimeoutError)  ... as the program had not begun, or not ended, in the time it was given
│   └── ProgramRefused                 ... as too much waits for the backend already: try again later
├── VariableNotSet (KeyError)          a variable was read that no operation sets
├── StateError (RuntimeError)          a state was asked for what it cannot do now: nested roles, a joined branch
├── SiblingFailed (StateError)          a branch was cancelled, because another of its fork failed
├── NotTraceable (StateError)           a program's flow depends on a value, so that no plan says it whole
├── IncompleteValue (ValueError)        a typed value's text ended before it was whole
├── BackendNotSet (RuntimeError)       a program was to run, and nothing says on what
├── UnsupportedTool (TypeError)        a function's signature cannot be made into a tool
├── NoneAccepted                       no attempt of `patterns.retry` was good enough
└── AgentError                         the agent loop could not reach an answer

There are three roots, all named in `palmette`, and `except (PalmetteError, EngineError, GrammarError)` catches whatever
the package raises on purpose:

    PalmetteError    the program is wrong, or an operation of it failed; then `__cause__` is one of the other two
    EngineError      an `Engine` cannot be made, or cannot do what `generate` asks of it
    GrammarError     a constraint that was given to `gen` or `Engine.generate` cannot be read, met or enforced
"""

from collections.abc import Iterable, Sequence

from .agent_step import AgentStep


class PalmetteError(Exception):
    """The root of what the language raises."""


class InvalidArgument(PalmetteError, ValueError):
    """An argument is wrong: `name`, what was `expected`, and the `value` that came."""

    def __init__(self, name: str, expected: str, value: object, hint: str = "") -> None:
        self.name = name
        self.expected = expected
        self.value = value
        shown = repr(value)
        if len(shown) > 200:
            shown = shown[:200] + "..."
        super().__init__(f"{name}: expected {expected}, got {shown}" + (f"; {hint}" if hint else ""))


class ProgramError(PalmetteError):
    """An operation of a program failed; `__cause__` is what the backend raised.

    `operation_index` counts the operations of the branch from its root, what a fork inherited included; None where
    the backend blamed no single operation. `source` is the user's `file:line` that appended the operation.
    `batch_index` is the item of a `run_batch`.
    """

    def __init__(
        self,
        *,
        program: str,
        branch: str,
        operation_index: int | None,
        operation: str | None,
        variable: str | None,
        source: str | None,
        cause: BaseException,
        batch_index: int | None = None,
    ) -> None:
        self.program = program
        self.branch = branch
        self.operation_index = operation_index
        self.operation = operation
        self.variable = variable
        self.source = source
        self.cause = cause
        self.batch_index = batch_index
        where = f"program {program!r}" + (f", item {batch_index} of the batch" if batch_index is not None else "")
        if operation_index is not None:
            where += f", operation {operation_index} ({operation}{f' {variable!r}' if variable else ''})"
        where += f", branch {branch}" + (f", at {source}" if source else "")
        super().__init__(f"{where}: {type(cause).__name__}: {cause}")
        self.__cause__ = cause

    def in_batch(self, batch_index: int) -> "ProgramError":
        """The same error, naming the item of the batch it came from."""
        return type(self)(
            program=self.program,
            branch=self.branch,
            operation_index=self.operation_index,
            operation=self.operation,
            variable=self.variable,
            source=self.source,
            cause=self.cause,
            batch_index=batch_index,
        )


class ProgramTimeout(ProgramError, TimeoutError):
    """The program had not begun within its `queue_timeout_s`, or not ended within its `timeout_s`.

    `cause` says which, in `limit_name`, `limit_s` and `waited_s`.
    """


class ProgramRefused(ProgramError):
    """The backend's queue was full when the program arrived; `cause` has the numbers. It may be run again later."""


class VariableNotSet(PalmetteError, KeyError):
    """The variable `name` was read, and none of the `known` ones is it."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        listed = ", ".join(repr(each) for each in self.known) if self.known else "none"
        self._message = f"no variable {name!r} is set; set so far: {listed}"
        super().__init__(self._message)

    def __str__(self) -> str:
        return self._message  # a KeyError would show the repr of it


class StateError(PalmetteError, RuntimeError):
    """A state was asked for what it cannot do now."""


class SiblingFailed(StateError):
    """The branch was cancelled, because another of the same fork failed."""


class NotTraceable(StateError):
    """What Python does next depends on `what`, which only a run knows: no plan can say it.

    `why` says what Python would have done, `source` is the user's `file:line`.
    """

    def __init__(self, why: str, what: str, source: str | None) -> None:
        self.why = why
        self.what = what
        self.source = source
        at = f" at {source}" if source else ""
        super().__init__(
            f"{why}, but {what} is known only while the program runs{at}; in a plan it can only become part of a text, "
            f'as in s += f"... {{value}} ...". The program still runs, eagerly'
        )


class IncompleteValue(PalmetteError, ValueError):
    """The text of a typed value ended, by its token limit, before it was whole; `text` is what there is."""

    def __init__(self, name: str, text: str, max_tokens: int) -> None:
        self.name = name
        self.text = text
        shown = text if len(text) <= 200 else text[:200] + "..."
        super().__init__(f"{name}: the value was cut off by max_tokens={max_tokens}: {shown!r}; raise max_tokens")


class BackendNotSet(PalmetteError, RuntimeError):
    """A program was to run, and nothing says on what."""


class UnsupportedTool(PalmetteError, TypeError):
    """The signature of `function` cannot be made into a tool."""

    def __init__(self, function: str, parameter: str | None, found: str, expected: str) -> None:
        self.function = function
        self.parameter = parameter
        at = f"tool {function!r}" + (f", parameter {parameter!r}" if parameter is not None else "")
        super().__init__(f"{at}: {found}; expected {expected}")


class NoneAccepted(PalmetteError):
    """`retry` used up its attempts: `value` is the last one, `feedback` what was wrong with it."""

    def __init__(self, num_attempts: int, value: object, feedback: str) -> None:
        self.num_attempts = num_attempts
        self.value = value
        self.feedback = feedback
        super().__init__(
            f"retry: none of {num_attempts} attempts was accepted; the last, {value!r}, was not: {feedback}"
        )


class AgentError(PalmetteError):
    """The agent loop could not reach an answer; `steps` is what it did until then."""

    def __init__(self, message: str, steps: Sequence[AgentStep]) -> None:
        self.steps = tuple(steps)
        super().__init__(message)
