"""What each error of the package is to a client: a class that is not listed here fails the test."""

import importlib
import pkgutil
from typing import Any

import pytest

import palmette.grammar
import palmette.lang
import palmette.runtime
from palmette.grammar.errors import CompilerCrashed, GrammarError, InvalidRegex
from palmette.lang.errors import InvalidArgument, PalmetteError
from palmette.runtime.errors import (
    ConstraintDeadEnd,
    ConstraintViolated,
    DeadlineExceeded,
    DependencyFailed,
    EngineClosed,
    EngineError,
    QueueFull,
    RequestTooLong,
    StepFailed,
)
from palmette.runtime.server.api_error import ApiError, api_error
from palmette.runtime.server.process.error_record import error_of, record_of
from palmette.runtime.server.process.errors import EngineRestarted, FrameTooLong, SlowReader

# The status, and the code that says what it is about.
STATUS = {
    "EngineError": (500, "engine_failed"),
    "ModelLoadError": (500, "engine_failed"),
    "ModelNotFound": (500, "engine_failed"),
    "InvalidModelConfig": (500, "engine_failed"),
    "UnsupportedArchitecture": (500, "engine_failed"),
    "CorruptWeights": (500, "engine_failed"),
    "MissingTokenizer": (500, "engine_failed"),
    "ChatTemplateError": (400, "invalid_value"),
    "InvalidOption": (500, "engine_failed"),  # of the engine's, which no request sets
    "InvalidRequest": (400, "invalid_value"),
    "EmptyPrompt": (400, "invalid_value"),
    "RequestTooLong": (400, "context_length_exceeded"),
    "QueueFull": (429, "queue_full"),
    "DeadlineExceeded": (408, "queue_timeout"),
    "RequestCancelled": (499, "cancelled"),
    "ConstraintDeadEnd": (422, "constraint_dead_end"),
    "ConstraintViolated": (500, "engine_failed"),
    "DependencyFailed": (500, "engine_failed"),  # without a cause; else it is what its cause is
    "BranchClosed": (499, "cancelled"),
    "EngineClosed": (503, "engine_down"),
    "StepFailed": (500, "engine_failed"),
    "EngineRestarted": (503, "engine_restarted"),
    "EngineNotStarted": (503, "engine_down"),
    "FrameTooLong": (413, "request_too_large"),
    "SlowReader": (499, "slow_reader"),
    "GrammarError": (400, "invalid_constraint"),
    "InvalidConstraint": (400, "invalid_constraint"),
    "InvalidRegex": (400, "invalid_constraint"),
    "InvalidSchema": (400, "invalid_constraint"),
    "InvalidGrammar": (400, "invalid_constraint"),
    "InvalidChoice": (400, "invalid_constraint"),
    "UnsupportedConstraint": (400, "invalid_constraint"),
    "UnsupportedRegex": (400, "invalid_constraint"),
    "UnsupportedGrammar": (400, "invalid_constraint"),
    "UnsupportedSchema": (400, "invalid_constraint"),
    "UnsatisfiableConstraint": (400, "invalid_constraint"),
    "ConstraintTooLarge": (400, "invalid_constraint"),
    "CompileTimeout": (400, "invalid_constraint"),
    "CompilerCrashed": (400, "constraint_refused"),
    "ConstraintTooComplex": (400, "invalid_constraint"),
    "EngineRefusal": (400, "invalid_constraint"),
    "UnsupportedType": (400, "invalid_constraint"),
    "TypeMismatch": (400, "invalid_constraint"),
    "InvalidArgument": (400, "invalid_value"),
}
# Of programs in Python, and of clients of other servers: no handler runs what raises them.
OF_PROGRAMS = {
    "PalmetteError",
    "ProgramError",
    "ProgramTimeout",
    "ProgramRefused",
    "VariableNotSet",
    "StateError",
    "SiblingFailed",
    "NotTraceable",
    "IncompleteValue",
    "BackendNotSet",
    "UnsupportedTool",
    "NoneAccepted",
    "AgentError",
    "RemoteError",
    "RemoteUnavailable",
    "RemoteTimeout",
    "RemoteRefused",
    "EndpointLimit",
}
EXAMPLES: dict[str, Any] = {
    "RequestTooLong": RequestTooLong("the prompt", 9, "the context", 8, "shorten it"),
    "QueueFull": QueueFull(100, 100, 5, None),
    "DeadlineExceeded": DeadlineExceeded("queue_timeout_s", 1.0, 1.5),
    "ConstraintDeadEnd": ConstraintDeadEnd("nothing was left", "tex", 1, 1),
    "ConstraintViolated": ConstraintViolated("x", "it is not"),
    "FrameTooLong": FrameTooLong(9, 8),
    "SlowReader": SlowReader(9, 8),
    "InvalidRegex": InvalidRegex("(", 0, "an open bracket"),
    "InvalidArgument": InvalidArgument("seed", "a number", "x"),
}


def _subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
    return {kind}.union(*(_subclasses(each) for each in kind.__subclasses__()))


def _all_kinds() -> dict[str, type[BaseException]]:
    """Of the whole package, whichever module defines them."""
    for package in (palmette.lang, palmette.grammar, palmette.runtime):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("__main__", "engine_process")):
                importlib.import_module(module.name)
    kinds = set().union(*(_subclasses(root) for root in (EngineError, GrammarError, PalmetteError)))
    ours = [each for each in kinds if each.__module__.startswith("palmette.") and not each.__name__.startswith("_")]
    return {each.__name__: each for each in ours}


KINDS = _all_kinds()


def _example(name: str) -> BaseException:
    if name in EXAMPLES:
        made: BaseException = EXAMPLES[name]
        return made
    kind = KINDS[name]
    error = kind.__new__(kind)
    error.args = ("what is the matter",)
    return error


def test_every_error_is_listed() -> None:
    assert set(KINDS) == set(STATUS) | OF_PROGRAMS


@pytest.mark.parametrize("name", STATUS)
def test_status_and_code(name: str) -> None:
    answer = api_error(_example(name), "regex")
    assert (answer.status, answer.code) == STATUS[name]
    assert answer.message
    if answer.status == 500:
        assert "what is the matter" not in answer.message  # what is nobody's fault but ours says nothing of itself
    assert ("Retry-After" in answer.headers) == (answer.status in (429, 503))


@pytest.mark.parametrize("name", [name for name in STATUS if name != "InvalidArgument"])
def test_an_error_of_the_engines_process_is_the_same(name: str) -> None:
    error = _example(name)
    assert api_error(error_of(record_of(error))).body == api_error(error).body


def test_a_step_fails_as_what_it_depends_on() -> None:
    error = DependencyFailed("x")
    error.__cause__ = CompilerCrashed(1)
    assert api_error(error).code == "constraint_refused"


@pytest.mark.parametrize("error", [RuntimeError("/srv/model"), ValueError("0x7f12"), OSError("no"), KeyError("k")])
def test_what_nobody_foresaw_says_nothing(error: Exception) -> None:
    answer = api_error(error)
    assert (answer.status, answer.code) == (500, "internal_error")
    assert str(error) not in answer.message


def test_an_answer_is_its_own() -> None:
    error = ApiError(404, "x")
    assert api_error(error) is error


def test_a_restart_is_no_end() -> None:
    assert issubclass(EngineRestarted, EngineClosed)
    assert api_error(EngineRestarted("x")).code != api_error(EngineClosed("x")).code


def test_a_failed_step_is_not_told() -> None:
    assert "CUDA" not in api_error(StepFailed("CUDA error at /opt/x.cu")).message
