"""Tracing: a program's function called with references in place of values, which shows the whole of it as a plan."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ..grammar.errors import GrammarError
from .arguments.run_options import RunOptions
from .backend import Backend, Branch
from .errors import InvalidArgument, NotTraceable, PalmetteError, StateError
from .plan import Arg, Plan
from .running.entry import Entry, TemplateEntry
from .running.plan_builder import build_plan
from .running.program_run import ProgramRun
from .running.reference import Reference, References
from .source_line import awaiting_line, user_line_of
from .state import ProgramState
from .terms import DEFAULT_TERMS, Terms


class Traceable(Protocol):
    """What a trace needs of a program: see `Function`."""

    name: str

    def new_state(self, run: ProgramRun, options: RunOptions) -> ProgramState: ...
    def call_body(self, arguments: inspect.BoundArguments, state: ProgramState) -> Any: ...


@dataclass(frozen=True)
class Traced:
    """A program that was traced: the plan, and what its function returned, references included."""

    plan: Plan
    state: ProgramState


def trace(function: Traceable, arguments: inspect.BoundArguments, options: RunOptions) -> Traced:
    """Call the function of a program to see its plan; nothing runs.

    Arguments that are missing and have no default are open in the plan. Raises `NotTraceable`, and what the function
    raises where it has seen no reference.
    """
    run = ProgramRun(function.name, _NoBackend(), seed=None, cache_salt="", is_streaming=False)
    parameters = _open_arguments(arguments, run.references)
    arguments.apply_defaults()
    state = function.new_state(run, options)
    trace_body(run, state, lambda: function.call_body(arguments, state))
    built = build_plan(function.name, parameters, run.take_pending())
    assert built is not None, "all that a trace refers to is in it"
    return Traced(built.plan, state)


def trace_body(run: ProgramRun, state: ProgramState, body: Callable[[], Any]) -> None:
    """Call `body`, which appends to `state`, without running anything of it. Raises as `trace` does."""
    run.is_tracing = True  # for good, unless it succeeds: what the function has left behind, a task, is not to run
    refused = run.references
    try:
        state.ret_value = run.inside(lambda: _driven(body(), refused))
        _check_operations(run)
    except NotTraceable:
        raise
    except Exception as error:
        if refused.refusal is None and _is_for_reference(error, refused):
            why = f"Python raised {type(error).__name__} ({error})"
            raise NotTraceable(why, "a value that it was given", user_line_of(error)) from error
        if refused.refusal is None:
            raise
    if refused.refusal is not None:
        raise refused.refusal  # which the function caught, and then went where no run of it would go
    run.is_tracing, run.is_traced = False, True


def _is_for_reference(error: Exception, references: References) -> bool:
    """The error may be there only because what Python was given was no text."""
    if isinstance(error, InvalidArgument):
        return isinstance(error.value, Reference)
    is_kind = isinstance(error, TypeError | ValueError | AttributeError | LookupError)
    return is_kind and not isinstance(error, PalmetteError | GrammarError) and references.num_given > 0


def _driven(result: Any, references: References) -> Any:
    """The result of a coroutine that waits for nothing but what a trace gives at once."""
    if isinstance(result, Reference) or not inspect.iscoroutine(result):
        return result
    line = None
    try:
        result.send(None)
        line = awaiting_line(result)
    except StopIteration as stop:
        return stop.value
    finally:
        result.close()
    return references.refuse("Python awaits something that is no value of the model", "when that comes", line)


def _open_arguments(arguments: inspect.BoundArguments, references: References) -> Sequence[str]:
    """Give references for the arguments that are missing; returns their names."""
    _, *parameters = arguments.signature.parameters.values()
    missing = [
        each.name
        for each in parameters
        if each.name not in arguments.arguments
        and each.default is each.empty
        and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    for name in missing:
        arguments.arguments[name] = Reference(Arg(name), f"the argument {name!r}", references)
    order: Mapping[str, int] = {name: index for index, name in enumerate(arguments.signature.parameters)}
    arguments.arguments = dict(sorted(arguments.arguments.items(), key=lambda item: order[item[0]]))
    return missing


def _check_operations(run: ProgramRun) -> None:
    """References stand in text only: one that was formatted into a stop string, say, would be lost."""
    for runner in run.runners:
        for step in runner.pending:
            if isinstance(step, Entry) and References.has_remains(_words_of(step)):
                why = "Python uses the text of a value for something else than to append it as it is"
                run.references.refuse(why, "that value", step.source)


def _words_of(entry: Entry) -> str:
    if isinstance(entry, TemplateEntry):
        return "".join(part for part in entry.parts if isinstance(part, str))
    return msgspec.json.encode(entry.operation).decode()


class _NoBackend(Backend):
    """Stands where a trace has no backend, and needs none."""

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> Branch:
        raise StateError(f"a trace runs nothing (seed {seed}, cache_salt {cache_salt!r}, {terms})")

    async def aflush_cache(self) -> None:
        raise StateError("a trace has no cache")

    async def aclose(self) -> None:
        raise StateError("a trace holds nothing")
