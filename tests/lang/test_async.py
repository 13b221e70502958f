"""Async programs: awaited values, forks, streams, cancellation, and both faces of both kinds of program."""

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import AsyncIterator

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang.events import TextDelta, ValueReady


@pm.function
async def two_steps(s, subject):
    s += f"About {subject}: " + pm.gen("first")
    first = await s.get("first")
    second = s.gen("second" if first == "<first>" else "other")
    s += "!"
    return first, await second


@pm.function
def plain(s):
    s += "a" + pm.gen("x")
    return s["x"]


@pm.function
def quiet(s):
    s += "a" + pm.gen("x")


def test_it_runs_from_both_faces(backend: ScriptedBackend) -> None:
    state = two_steps.run("pears")
    assert state.text() == "About pears: <first><second>!"
    assert state.ret_value == ("<first>", "<second>")
    awaited = asyncio.run(two_steps.arun("pears"))
    assert awaited.text() == state.text()
    assert asyncio.run(plain.arun()).ret_value == "<x>"


def test_the_synchronous_face_works_on_a_running_loop(backend: ScriptedBackend) -> None:
    async def cell() -> str:  # as in a notebook
        return plain.run().text() + two_steps.run("figs").text()

    assert asyncio.run(cell()) == "a<x>About figs: <first><second>!"


def test_it_works_in_threads(backend: ScriptedBackend) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda n: two_steps.run(n).text(), range(20)))
    assert texts == [f"About {n}: <first><second>!" for n in range(20)]


def test_to_block_for_a_value_is_refused_and_says_what_to_do(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        s += pm.gen("x")
        return s["x"]

    with pytest.raises(pm.StateError, match=r"await s\.get"):
        program.run()
    with pytest.raises(pm.StateError, match=r"await s\.get"):
        asyncio.run(program.arun())

    @pm.function
    async def ready(s):
        s += pm.gen("x")
        await s.wait()
        return s["x"], s.text(), s.messages(), s.get_meta_info("x")["finish_reason"]["type"]

    assert ready.run().ret_value == ("<x>", "<x>", [], "stop")


def test_forks(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        s += "start "
        async with s.fork(3) as branches:
            for index, branch in enumerate(branches):
                branch += f"{index}" + pm.gen("x")
            assert await branches[1].get("x") == "<x>"
        return await s.get("x")

    assert program.run().ret_value == ["<x>"] * 3
    assert backend.max_in_flight == 3


def test_a_failed_branch_raises_where_it_is_awaited(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        async with s.fork(2) as branches:
            branches += [pm.gen("bad"), pm.gen("never")]
        await s.get("bad")

    backend.failures = {"bad": ScriptedFailure("no")}
    backend.stuck = frozenset({"never"})
    with pytest.raises(pm.ProgramError, match=r"gen 'bad'\), branch main.0\[0\]"):
        asyncio.run(program.arun())


def test_text_tokens_values_and_events_can_be_followed(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        s += "text "
        value = s.gen("long")
        chunks = [chunk async for chunk in value]
        tokens = [token async for token in s.tokens("long")]
        growing = [text async for text in s.stream("long")]
        whole = [chunk async for chunk in s.text_async_iter()]
        events = [event async for event in s.events()]
        return chunks, tokens, growing, whole, events

    backend.answers = {"long": "a long answer"}
    [state] = program.run_batch([{}])  # on the backend's own loop, so that it is read as it comes
    chunks, tokens, growing, whole, events = state.ret_value
    assert len(chunks) > 1
    assert "".join(chunks) == "a long answer"
    assert tokens == [ord(each) for each in "a long answer"]
    assert growing[-1] == "a long answer"
    assert all("a long answer".startswith(text) for text in growing)
    assert "".join(whole) == "text a long answer"
    assert [type(event) for event in events][-1] is ValueReady
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "text a long answer"


def test_a_streaming_run_is_read_along(backend: ScriptedBackend) -> None:
    async def read(states: AsyncIterator[str]) -> str:
        return "".join([chunk async for chunk in states])

    async def main() -> None:
        state = await two_steps.arun("plums", stream=True)
        assert await read(state.text_async_iter("second")) == "<second>"
        assert await read(state.text_async_iter()) == "About plums: <first><second>!"
        assert [partial async for partial in state.stream("first")][-1] == "<first>"
        state = await plain.arun(stream=True)
        assert await read(state.text_async_iter()) == "a<x>"

    asyncio.run(main())
    assert "".join(two_steps.run("plums", stream=True).text_iter()) == "About plums: <first><second>!"


def test_to_cancel_the_task_cancels_the_program(backend: ScriptedBackend) -> None:
    backend.stuck = frozenset({"never"})
    stopped: queue.SimpleQueue[str] = queue.SimpleQueue()
    has_begun = threading.Semaphore(0)

    @pm.function
    async def waits(s):
        s += pm.gen("x") + pm.gen("never")
        has_begun.release()
        try:
            await s.get("never")
        except asyncio.CancelledError:
            stopped.put("async")
            raise

    @pm.function
    def blocks(s):
        s += pm.gen("x") + pm.gen("never")
        has_begun.release()
        try:
            s["never"]
        except pm.PalmetteError:
            stopped.put("sync")
            raise

    async def main(program: pm.Function) -> None:
        task = asyncio.create_task(program.arun())
        await asyncio.to_thread(has_begun.acquire)
        while not backend.num_in_flight:  # what it reads is being written
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        backend.check_all_closed()

    asyncio.run(main(waits))
    assert stopped.get(timeout=10) == "async"
    asyncio.run(main(blocks))
    assert stopped.get(timeout=10) == "sync"


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("forks", [False, True])
def test_a_body_that_reads_after_its_task_was_cancelled_is_told_so(
    backend: ScriptedBackend, begun: bool, forks: bool
) -> None:
    """Nobody can stop a thread: it goes on up to its next read, and what it asks for then is not begun."""
    goes_on, stopped = threading.Event(), threading.Event()
    raised: list[BaseException] = []
    has_begun = threading.Event()

    @pm.function
    def late(s):
        if begun:
            s += pm.gen("first")
            s["first"]
        branch = s.fork(2)[1] if forks else s
        branch += pm.gen("x")
        has_begun.set()
        assert goes_on.wait(30)
        try:
            branch["x"]
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            stopped.set()

    async def main() -> None:
        task = asyncio.create_task(late.arun())
        await asyncio.to_thread(has_begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        backend.check_all_closed()

    asyncio.run(main())
    num_opened = len(backend.opened)
    goes_on.set()
    assert stopped.wait(10), "the body waits for what nobody will write"
    assert isinstance(raised[0], pm.PalmetteError)
    assert "was cancelled" in str(raised[0])
    assert len(backend.opened) == num_opened
    backend.check_all_closed()


def test_to_cancel_one_task_leaves_the_others(backend: ScriptedBackend) -> None:
    backend.stuck = frozenset({"never"})

    @pm.function
    async def program(s, name):
        s += pm.gen(name)
        return await s.get(name)

    async def main() -> None:
        stuck = asyncio.ensure_future(program.arun("never"))
        assert (await program.arun("x")).ret_value == "<x>"
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck
        assert (await program.arun("y")).ret_value == "<y>"

    asyncio.run(main())


def test_programs_call_each_other(backend: ScriptedBackend) -> None:
    @pm.function
    async def outer(s):
        s += "outer "
        await two_steps(s, "here")
        own = await two_steps("there")
        s += " " + own["second"]
        s += quiet()
        return await s.get("second"), s.sampling_defaults.temperature

    state = outer.run(temperature=0.5)
    assert state.text() == "outer About here: <first><second>! <second>a<x>"
    assert state.ret_value == ("<second>", 0.5)

    @pm.function
    def wrong(s):
        s += two_steps("x")

    @pm.function
    async def blocking(s):
        s += plain()

    with pytest.raises(pm.StateError, match=r"await s\.get"):
        blocking.run()
    with pytest.raises(pm.InvalidArgument, match=r"await two_steps\(s, \.\.\.\)"):
        wrong.run()


def test_a_batch_needs_no_thread_for_each(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s, n):
        s += f"{n}" + pm.gen("x")
        await s.get("x")
        return n

    states = program.run_batch([(n,) for n in range(2000)], num_threads=2)
    assert [state.ret_value for state in states] == list(range(2000))
    assert backend.max_in_flight > 100

    async def main() -> list[pm.ProgramState]:
        return await plain.arun_batch([{}] * 5)

    assert [state.ret_value for state in asyncio.run(main())] == ["<x>"] * 5


def test_a_batch_of_bodies_that_have_ended_needs_no_thread_for_each(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s, n):
        s += f"{n}" + pm.gen("x")

    assert len(program.run_batch([(n,) for n in range(500)], num_threads=1)) == 500
    assert backend.max_in_flight > 50


def test_what_the_body_raises_passes(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        s += pm.gen("x")
        raise LookupError("mine")

    for run in (program.run, lambda: asyncio.run(program.arun())):
        with pytest.raises(LookupError, match="mine"):
            run()
    assert [type(each) for each in program.run_batch([{}, {}], on_error="return")] == [LookupError] * 2
