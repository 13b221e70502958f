"""The compile service: what it answers is what compiling here would, and what hangs or dies harms nobody else."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hostile_constraints import HOSTILE

from palmette.grammar.acceptance import BYTE_VOCABULARY
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.compiling import worker_process
from palmette.grammar.compiling.compile_service import CompileService
from palmette.grammar.errors import CompilerCrashed, CompileTimeout, ConstraintTooLarge, GrammarError, UnsupportedRegex
from palmette.grammar.spec import Choice, Constraint, Ebnf, JsonSchema, Regex

PERSON = JsonSchema(
    '{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name"]}'
)


@pytest.fixture(scope="module")
def service() -> Iterator[CompileService]:
    service = CompileService(BYTE_VOCABULARY)
    yield service
    service.close()


def walk(compiler: GrammarCompiler, constraint: object, text: str) -> bool:
    matcher = compiler.compile(constraint).new_matcher()  # type: ignore[arg-type]
    return all(matcher.accept(byte) for byte in text.encode()) and matcher.is_completed


@pytest.mark.parametrize(
    ("constraint", "right", "wrong"),
    [
        (PERSON, '{"name": "Ada", "age": 36}', '{"age": 36}'),
        (Regex("[a-z]+-[0-9]{2}"), "ab-12", "ab-1"),
        (Ebnf('root ::= "(" root ")" | "x"'), "((x))", "((x)"),
        (Choice(("red", "green")), "green", "blue"),
    ],
)
def test_what_comes_back_is_enforced(service: CompileService, constraint: object, right: str, wrong: str) -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, service=service)
    assert walk(compiler, constraint, right)
    assert not walk(compiler, constraint, wrong)


def test_errors_come_back_whole(service: CompileService) -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, service=service)
    with pytest.raises(UnsupportedRegex) as here:
        GrammarCompiler(BYTE_VOCABULARY).compile(Regex("a(?=b)"))
    with pytest.raises(UnsupportedRegex) as there:
        compiler.compile(Regex("a(?=b)"))
    assert str(there.value) == str(here.value)
    assert vars(there.value) == vars(here.value)
    assert there.value.position == 1


def test_a_worker_that_takes_too_long_is_ended_and_the_next_constraint_gets_another() -> None:
    service = CompileService(BYTE_VOCABULARY, num_workers=1, time_limit_s=60)
    try:
        service.compile(PERSON)
        (worker,) = service._idle
        os.kill(worker._process.pid, signal.SIGSTOP)  # it hangs
        with pytest.raises(CompileTimeout):
            worker.compile(PERSON, 0.05)
        assert not worker.is_alive
        assert service.compile(PERSON).prepared is not None
    finally:
        service.close()


def test_a_worker_that_dies_is_an_error_of_that_constraint_alone() -> None:
    service = CompileService(BYTE_VOCABULARY, num_workers=1)
    try:
        service.compile(PERSON)
        (worker,) = service._idle
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        assert service.compile(PERSON).prepared is not None, "one that has died while idle is replaced"
        (worker,) = service._idle
        os.kill(worker._process.pid, signal.SIGSTOP)
        threading.Timer(0.05, worker._process.kill).start()
        with pytest.raises(CompilerCrashed):
            service.compile(PERSON)
        assert service.compile(PERSON).prepared is not None
    finally:
        service.close()


def test_memory_is_bounded() -> None:
    service = CompileService(BYTE_VOCABULARY, num_workers=1, memory_limit_bytes=80 * 1024**2)
    try:
        assert service.compile(PERSON).prepared is not None
        with pytest.raises(
            (ConstraintTooLarge, CompilerCrashed)
        ):  # Python says so, an engine in Rust or C++ dies of it
            service.compile(HOSTILE["doubling tuples"])
        assert service.compile(PERSON).prepared is not None
    finally:
        service.close()


def test_one_that_hangs_does_not_stop_the_others() -> None:
    service = CompileService(BYTE_VOCABULARY, num_workers=2, time_limit_s=30)
    try:
        service.compile(PERSON)
        (slow,) = service._idle
        os.kill(slow._process.pid, signal.SIGSTOP)
        errors: list[GrammarError] = []

        def wait() -> None:
            with pytest.raises(CompilerCrashed) as raised:
                service.compile(PERSON)
            errors.append(raised.value)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while service._idle:
            time.sleep(0.001)
        assert service.compile(Regex("a+")).prepared is not None
        assert waiting.is_alive()
        slow._process.kill()
        waiting.join()
        assert errors
    finally:
        service.close()


def test_a_closed_service_says_so() -> None:
    service = CompileService(BYTE_VOCABULARY)
    service.warm_up()
    service.close()
    with pytest.raises(CompilerCrashed, match="shut down"):
        service.compile(PERSON)


@pytest.mark.parametrize("options", [{"num_workers": 0}, {"time_limit_s": 0}, {"memory_limit_bytes": 0}])
def test_limits_are_checked(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected at least one worker"):
        CompileService(BYTE_VOCABULARY, **options)  # type: ignore[arg-type]


def test_the_worker_is_this_interpreter(service: CompileService) -> None:
    service.compile(PERSON)
    assert service._idle[0]._process.args[0] == sys.executable
    assert worker_process.__package__ == "palmette.grammar.compiling"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_constraints_are_answered(service: CompileService, name: str) -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, service=service)
    answer = answer_to(compiler, HOSTILE[name])
    assert not isinstance(answer, CompilerCrashed), answer
    assert isinstance(answer, bool) or len(str(answer)) < 1_000
    assert walk(compiler, PERSON, '{"name": "Ada"}')


def answer_to(compiler: GrammarCompiler, constraint: Constraint) -> bool | GrammarError:
    try:
        return compiler.compile(constraint).new_matcher().is_completed
    except GrammarError as error:
        return error
