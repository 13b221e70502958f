"""Ending a program before its last line: by `cancel`, by Ctrl-C, and not by leaving a stream early."""

import asyncio
import threading

import pytest
from scripted_backend import ScriptedBackend, ScriptedBranch

import palmette as sgl
from palmette.lang.running.portal import PORTAL


@sgl.function
def long_answer(s):
    s += "a" + sgl.gen("good") + sgl.gen("stuck")
    s["late"] = s["stuck"]


def test_cancel_ends_a_program_and_its_branches(backend: ScriptedBackend) -> None:
    backend.stuck = frozenset({"stuck"})
    state = long_answer.run(stream=True)
    assert state["good"] == "<good>"
    state.cancel()
    for read in (lambda: state["stuck"], lambda: state["late"], state.text, state.messages, state.sync):
        with pytest.raises(sgl.ProgramError, match="the program was cancelled"):
            read()
    with pytest.raises(sgl.ProgramError, match="the program was cancelled"):
        list(state.text_iter())
    assert state["good"] == "<good>", "what was there before stays"
    assert isinstance(state.error(), sgl.ProgramError)
    backend.check_all_closed()


def test_cancel_is_heard_by_a_program_that_reads_nothing(backend: ScriptedBackend) -> None:
    backend.stuck = frozenset({"x"})
    state = sgl.function(lambda s: s.user(sgl.gen("x"))).run(stream=True)
    state.cancel()
    with pytest.raises(sgl.ProgramError, match="cancelled"):
        state.text()


def test_cancel_between_two_operations(backend: ScriptedBackend) -> None:
    may_end = threading.Event()

    @sgl.function
    def program(s):
        s += "a" + sgl.gen("x")
        assert s["x"]
        may_end.wait()

    state = program.run(stream=True)
    assert state["x"] == "<x>"
    state.cancel()
    may_end.set()
    with pytest.raises(sgl.ProgramError, match="cancelled"):
        state.text()
    assert state["x"] == "<x>"


def test_cancel_after_the_end_does_nothing(backend: ScriptedBackend) -> None:
    state = long_answer.run()
    state.cancel()
    assert state["late"] == "<stuck>"
    assert state.error() is None


def test_cancel_from_the_program_itself(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("stuck")
        s.cancel()
        return s["stuck"]

    backend.stuck = frozenset({"stuck"})
    with pytest.raises(sgl.ProgramError, match="cancelled"):
        program.run()


def test_cancel_reaches_a_run_inside_the_program(backend: ScriptedBackend) -> None:
    is_inside = threading.Event()

    @sgl.function
    def inner(s):
        is_inside.set()
        s += sgl.gen("stuck")

    backend.stuck = frozenset({"stuck"})
    state = sgl.function(lambda s: inner.run()["stuck"]).run(stream=True)
    is_inside.wait()
    state.cancel()
    with pytest.raises(sgl.ProgramError, match="cancelled"):
        state.text()


def test_a_stream_left_early_goes_on_for_others(backend: ScriptedBackend) -> None:
    backend.answers = {"good": "a long answer in several chunks"}
    state = long_answer.run(stream=True)
    for _ in state.text_iter():
        break

    async def read() -> None:
        async for _ in state.text_async_iter():
            break

    asyncio.run(read())
    assert state["late"] == "<stuck>"


@pytest.mark.parametrize("reads_along", [True, False])
def test_ctrl_c_while_a_stream_is_read_cancels_it(
    backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, reads_along: bool
) -> None:
    call, reader = PORTAL.call, threading.current_thread()

    def interrupted(coroutine):
        if threading.current_thread() is reader:
            coroutine.close()
            raise KeyboardInterrupt
        return call(coroutine)

    backend.stuck = frozenset({"stuck"})
    state = long_answer.run(stream=True)
    assert state["good"] == "<good>"
    with monkeypatch.context() as patched:
        patched.setattr(PORTAL, "call", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _ = list(state.text_iter()) if reads_along else state["stuck"]
    with pytest.raises(sgl.ProgramError, match="KeyboardInterrupt"):
        state["stuck"]


def test_a_branch_that_is_being_opened_is_not_lost(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    is_opening, may_open, open_branch = threading.Event(), threading.Event(), backend.open_branch

    async def open_slowly(**options) -> ScriptedBranch:
        branch = await open_branch(**options)  # from here on the backend has it, and only then the language
        is_opening.set()
        await asyncio.to_thread(may_open.wait)
        return branch

    monkeypatch.setattr(backend, "open_branch", open_slowly)
    state = long_answer.run(stream=True)
    is_opening.wait()
    state.cancel()
    may_open.set()
    with pytest.raises(sgl.ProgramError, match="cancelled"):
        state.text()
    backend.check_all_closed()


def test_branches_that_are_being_forked_are_not_lost(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    is_forking, may_fork, fork = threading.Event(), threading.Event(), ScriptedBranch.fork

    async def fork_slowly(self, num_children: int) -> list[ScriptedBranch]:
        branches = await fork(self, num_children)
        is_forking.set()
        await asyncio.to_thread(may_fork.wait)
        return branches

    @sgl.function
    def program(s):
        forks = s.fork(3)
        forks += sgl.gen("x")
        forks.join()

    monkeypatch.setattr(ScriptedBranch, "fork", fork_slowly)
    state = program.run(stream=True)
    is_forking.wait()
    state.cancel()
    may_fork.set()
    with pytest.raises(sgl.ProgramError, match="cancelled"):
        state.text()
    assert len(backend.branches) == 4
    backend.check_all_closed()
