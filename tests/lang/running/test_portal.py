"""The portal: one background loop, usable from anywhere but itself."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.lang.errors import StateError
from palmette.lang.running.portal import PORTAL, Portal

program = sgl.function(lambda s: s.user(sgl.gen("x")))


def test_it_starts_when_needed_ends_when_told_and_starts_again() -> None:
    portal = Portal()

    async def where() -> str:
        return threading.current_thread().name

    for _ in range(2):
        assert portal.call(where()) == "palmette-portal"
        thread = portal._thread
        portal.close()
        assert thread is not None
        assert not thread.is_alive()
    portal.close()


def test_closing_cancels_what_runs() -> None:
    portal = Portal()
    started = threading.Event()
    ended: list[str] = []

    async def wait() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    future = portal.start(wait())
    started.wait()
    portal.close()
    assert ended == ["cancelled"]
    assert future.cancelled()


def test_it_does_not_wait_for_itself() -> None:
    async def outer() -> None:
        PORTAL.call(inner())

    async def inner() -> None:
        pass

    with pytest.raises(StateError, match="await the asynchronous form"):
        PORTAL.call(outer())


def test_programs_run_inside_an_event_loop(backend: ScriptedBackend) -> None:
    async def main() -> None:
        assert program.run()["x"] == "<x>"
        states = await asyncio.gather(*(asyncio.to_thread(program.run) for _ in range(8)))
        assert [state["x"] for state in states] == ["<x>"] * 8

    asyncio.run(main())


def test_helper_threads_may_read_a_programs_branches(backend: ScriptedBackend) -> None:
    @sgl.function
    def with_threads(s):
        forks = s.fork(4)
        found = [""] * 4

        def work(index: int) -> None:
            forks[index] += sgl.gen("x")
            found[index] = forks[index]["x"]

        threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["<x>"] * 4

    with_threads.run()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_its_own() -> None:
    script = """
import os, sys
import palmette as sgl
from scripted_backend import ScriptedBackend
program = sgl.function(lambda s: s.user(sgl.gen("x")))
sgl.set_default_backend(ScriptedBackend())
assert program.run()["x"] == "<x>"
child = os.fork()
if child == 0:
    sgl.set_default_backend(ScriptedBackend())
    ok = program.run()["x"] == "<x>"
    os._exit(0 if ok else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert program.run()["x"] == "<x>"
"""
    _run_script(script)


def test_a_process_ends_while_a_stream_is_unread() -> None:
    script = """
import palmette as sgl
from scripted_backend import ScriptedBackend
sgl.set_default_backend(ScriptedBackend(stuck=frozenset({"x"})))
state = sgl.function(lambda s: s.user(sgl.gen("x"))).run(stream=True)
chunks = state.text_iter()
print(next(chunks))
"""
    assert "user" in _run_script(script)


def _run_script(script: str) -> str:
    support = str(Path(__file__).parents[2] / "support")
    environment = {**os.environ, "PYTHONPATH": support}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_what_would_end_a_loop_comes_back_to_the_caller() -> None:
    """SystemExit and KeyboardInterrupt in a coroutine leave the portal alive."""

    async def leaves(error: BaseException) -> None:
        raise error

    async def answers() -> int:
        return 5

    portal = Portal()
    for error in (SystemExit(3), KeyboardInterrupt("now")):
        with pytest.raises(type(error)) as caught:
            portal.call(leaves(error))
        assert caught.value is error
        assert portal.call(answers()) == 5
    portal.close()
