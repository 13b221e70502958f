"""Streaming: text and variables as they grow, from threads and from event loops."""

import asyncio
import threading

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as sgl


@sgl.function
def chat(s, question):
    s += sgl.system("You help.")
    s += sgl.user(question)
    s += sgl.assistant(sgl.gen("answer", max_tokens=64))


def test_text_iter_gives_the_whole_text_in_chunks(backend: ScriptedBackend) -> None:
    backend.answers = {"answer": "a long answer in several chunks"}
    state = chat.run(question="hi", stream=True)
    chunks = list(state.text_iter())
    assert all(chunks)
    assert "".join(chunks) == state.text()
    assert "".join(state.text_iter()) == state.text(), "read again, it begins anew"


def test_text_iter_of_a_variable(backend: ScriptedBackend) -> None:
    backend.answers = {"answer": "a long answer in several chunks"}
    state = chat.run(question="hi", stream=True)
    chunks = list(state.text_iter("answer"))
    assert "".join(chunks) == "a long answer in several chunks"
    assert state["answer"] == "a long answer in several chunks"


def test_text_comes_before_its_generation_has_ended(backend: ScriptedBackend) -> None:
    backend.answers = {"answer": "half a sentence"}
    backend.held = {"answer": threading.Event()}
    state = chat.run(question="hi", stream=True)
    text = ""
    chunks = state.text_iter("answer")
    while text != "half a sentence":
        text += next(chunks)
    backend.held["answer"].set()
    assert list(chunks) == []


def test_chunks_come_while_the_program_is_at_work(backend: ScriptedBackend) -> None:
    may_end = threading.Event()

    @sgl.function
    def program(s):
        s += "first" + sgl.gen("x")
        may_end.wait()
        s["late"] = "now"
        s += "second"

    state = program.run(stream=True)
    chunks = state.text_iter()
    text = ""
    while text != "first<x>":
        text += next(chunks)
    assert state["x"] == "<x>"
    may_end.set()
    assert state["late"] == "now", "what a running program may set yet is waited for"
    assert "".join(chunks) == "second"
    with pytest.raises(sgl.VariableNotSet):
        state["never"]
    with pytest.raises(sgl.VariableNotSet):
        list(state.text_iter("never"))


def test_values_that_do_not_grow_come_whole(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with s.var_scope("scope"):
            s += "a" + sgl.gen("x")
        s["given"] = 5
        forks = s.fork(2)
        forks += ["b", "c"]
        forks += sgl.gen("y")
        forks.join()

    for state in (program.run(), program.run(stream=True)):
        assert list(state.text_iter("scope")) == ["a<x>"]
        assert list(state.text_iter("given")) == ["5"]
        assert list(state.text_iter("y")) == ["<y><y>"]


def test_streaming_inside_a_program(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        forks = s.fork(2)
        forks += sgl.gen("x")
        assert "".join(forks[0].text_iter()) == "<x>"
        assert "".join(forks[1].text_iter("x")) == "<x>"

    for is_streaming in (False, True):
        state = program.run(stream=is_streaming)
        state.sync()


def test_text_async_iter(backend: ScriptedBackend) -> None:
    backend.answers = {"answer": "a long answer in several chunks"}

    async def read() -> None:
        state = chat.run(question="hi", stream=True)
        assert "".join([chunk async for chunk in state.text_async_iter()]) == state.text()
        state = chat.run(question="hi", stream=True)
        assert "".join([chunk async for chunk in state.text_async_iter("answer")]) == backend.answers["answer"]
        pairs = [pair async for pair in state.text_async_iter("answer", return_meta_data=True)]
        assert "".join(text for text, _ in pairs) == backend.answers["answer"]
        assert pairs[0][1]["finish_reason"] is None
        assert pairs[-1][1]["finish_reason"]["type"] == "stop"
        assert pairs[-1][1]["completion_tokens"] == 31
        with pytest.raises(sgl.InvalidArgument, match="return_meta_data"):
            _ = [pair async for pair in state.text_async_iter(return_meta_data=True)]

    asyncio.run(read())


def test_many_async_readers_at_once(backend: ScriptedBackend) -> None:
    async def read() -> None:
        states = [chat.run(question=str(index), stream=True) for index in range(20)]

        async def text_of(state: sgl.ProgramState) -> str:
            return "".join([chunk async for chunk in state.text_async_iter("answer")])

        assert await asyncio.gather(*map(text_of, states)) == ["<answer>"] * 20

    asyncio.run(read())


def test_an_error_ends_the_stream_loudly(backend: ScriptedBackend) -> None:
    backend.answers = {"answer": "half an answer"}
    backend.failures = {"answer": ScriptedFailure("broken")}
    for name in (None, "answer"):
        state = chat.run(question="hi", stream=True)
        chunks: list[str] = []
        with pytest.raises(sgl.ProgramError, match="broken"):
            chunks.extend(state.text_iter(name))
        assert "".join(chunks).endswith("half an answer")
        with pytest.raises(sgl.ProgramError, match="broken"):
            state["answer"]
        with pytest.raises(sgl.ProgramError, match="broken"):
            state.text()
        assert isinstance(state.error(), sgl.ProgramError)

    async def read() -> None:
        with pytest.raises(sgl.ProgramError, match="broken"):
            _ = [chunk async for chunk in chat.run(question="hi", stream=True).text_async_iter()]

    asyncio.run(read())


def test_the_programs_own_error_ends_the_stream_unchanged(backend: ScriptedBackend) -> None:
    class Own(Exception):
        pass

    own = Own("mine")

    @sgl.function
    def program(s):
        s += "a" + sgl.gen("x")
        if s["x"]:
            raise own

    for read in (
        lambda state: list(state.text_iter()),
        lambda state: list(state.text_iter("unset")),
        lambda state: state.text(),
        lambda state: state["unset"],
    ):
        state = program.run(stream=True)
        with pytest.raises(Own) as caught:
            read(state)
        assert caught.value is own
        assert state["x"] == "<x>", "what was set before can be read"


def test_the_stream_ends_when_all_is_closed(backend: ScriptedBackend) -> None:
    state = chat.run(question="hi", stream=True)
    state.sync()
    backend.check_all_closed()


def test_a_failure_in_a_branch_reaches_who_streams_the_trunk(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "trunk"
        forks = s.fork(1)
        forks += sgl.gen("bad")

    backend.failures = {"bad": ScriptedFailure("broken")}
    with pytest.raises(sgl.ProgramError, match="'bad'"):
        list(program.run(stream=True).text_iter())
