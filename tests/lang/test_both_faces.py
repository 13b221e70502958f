"""Where the synchronous and the asynchronous face meet: loops, threads, contexts, and what ends in between."""

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest
from scripted_backend import ScriptedBackend

import palmette as pm

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pm.function
def plain(s):
    s += "a" + pm.gen("x")
    return s["x"]


def test_an_async_program_runs_on_a_loop_of_its_own_where_it_may_block(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        s += plain.run()["x"]  # waits, on a loop that nobody shares
        return plain()["x"]

    assert program.run().ret_value == "<x>"

    async def cell() -> object:
        return program.run().ret_value

    assert asyncio.run(cell()) == "<x>"


def test_to_block_the_shared_loop_is_refused_with_advice(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        return plain.run()

    with pytest.raises(pm.StateError, match=r"await program\.arun"):
        program.run_batch([{}])


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("now")])
def test_what_ends_a_process_ends_only_the_program(backend: ScriptedBackend, error: BaseException) -> None:
    @pm.function
    async def waits(s):
        s += pm.gen("x")
        raise error

    @pm.function
    def blocks(s):
        s += pm.gen("x")
        raise error

    for program in (waits, blocks):
        with pytest.raises(type(error)):
            program.run()
        with pytest.raises(type(error)):
            "".join(program.run(stream=True).text_iter("never"))
        with pytest.raises(type(error)):
            program.run_batch([{}, {}], on_error="return")
    assert plain.run().ret_value == "<x>"


def test_bodies_in_threads_do_not_wait_for_each_others_threads(backend: ScriptedBackend) -> None:
    """More at once than a pool has threads, and each waits for all."""
    barrier = threading.Barrier(40)

    @pm.function
    def program(s):
        s += pm.gen("x")
        barrier.wait(timeout=30)
        return s["x"]

    async def main() -> None:
        states = await asyncio.gather(*(program.arun() for _ in range(40)))
        assert [state.ret_value for state in states] == ["<x>"] * 40

    asyncio.run(main())


def test_every_way_to_run_keeps_the_callers_context(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += pm.gen("x")
        s["who"] = WHO.get()

    @pm.function
    async def waits(s):
        s += pm.gen("x")
        s["who"] = WHO.get()

    WHO.set("me")
    for each in (program, waits):
        assert each.run()["who"] == "me"
        state = each.run(stream=True)
        assert "".join(state.text_iter()) == "<x>"
        assert state["who"] == "me"
        assert [found["who"] for found in each.run_batch([{}, {}])] == ["me", "me"]
        assert asyncio.run(each.arun())["who"] == "me"


def test_reads_in_text_do_not_wait_while_streaming_either(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        s += pm.gen("x")
        s += f" again {s['x']}"

    assert "".join(program.run(stream=True).text_iter()) == "<x> again <x>"


def test_to_cancel_a_batch_stops_what_is_in_flight(backend: ScriptedBackend) -> None:
    backend.stuck = frozenset({"never"})

    @pm.function
    def program(s):
        s += pm.gen("never")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await program.arun_batch([{}] * 5)
        backend.check_all_closed()

    asyncio.run(main())


def test_a_fork_that_is_left_by_an_error_stops_its_branches(backend: ScriptedBackend) -> None:
    backend.stuck = frozenset({"never"})

    @pm.function
    async def waits(s):
        try:
            async with asyncio.timeout(0.05), s.fork(2) as branches:
                branches += pm.gen("never")
                await branches[0].get("never")
        except TimeoutError:
            s += "too late" + pm.gen("x")

    @pm.function
    def blocks(s):
        try:
            with s.fork(2) as branches:
                branches += pm.gen("never")
                raise LookupError("mine")
        except LookupError:
            s += "too late" + pm.gen("x")

    for program in (waits, blocks):
        assert program.run().text() == "too late<x>"
    backend.check_all_closed()


def test_programs_inlined_at_the_same_time_keep_their_own_defaults(backend: ScriptedBackend) -> None:
    @pm.function
    async def inner(s):
        await asyncio.sleep(0)
        s += pm.gen("x")
        await s.get("x")

    @pm.function
    async def outer(s):
        await asyncio.gather(inner(s, temperature=0.25), inner(s, temperature=0.5))
        s += pm.gen("y")

    outer.run(temperature=2.0)
    assert sorted(gen.params.temperature for gen in backend.gens()) == [0.25, 0.5, 2.0]


def test_what_is_no_text_does_not_become_some(backend: ScriptedBackend) -> None:
    for make in (
        lambda s: f"Hi {pm.gen('x')}",
        lambda s: f"Hi {pm.user('x')}",
        lambda s: f"{s}",
    ):
        with pytest.raises(pm.StateError, match="f-string"):
            pm.function(lambda s, make=make: make(s)).run()
    with pytest.raises(TypeError, match="not iterable"):
        pm.function(lambda s: list(s)).run()


def test_a_process_ends_while_an_engine_of_the_users_runs() -> None:
    script = """
import palmette as pm

@pm.function
def program(s):
    s += "Once upon a time" + pm.gen("x", max_tokens=2000, ignore_eos=True)

state = program.run(stream=True, backend=pm.Engine(max_total_tokens=4096))
print(len(next(state.text_iter("x"))) > 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
