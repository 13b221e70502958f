"""What an agent tells while it works: thoughts, calls, results, the answer, in order."""

import asyncio
import json
import threading

import pytest
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.lang.agents.agent_events import Answer, Thought, ToolCall, ToolResult


@sgl.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@sgl.tool
async def divide(a: int, b: int) -> float:
    """Divide."""
    return a / b


def call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments})


@pytest.fixture
def script(backend: ScriptedBackend) -> ScriptedBackend:
    backend.answers = {
        "thought": ["First. <tool_call>", " Then. <tool_call>", "", "<tool_call>", "\n", " Done."],
        "tool_call": [call("add", a=1, b=2), call("divide", a=1, b=0), call("divide", a=1, b=2)],
    }
    return backend


FIRST = ToolCall("call_1", "add", {"a": 1, "b": 2})
SECOND = ToolCall("call_2", "divide", {"a": 1, "b": 0})
THIRD = ToolCall("call_3", "divide", {"a": 1, "b": 2})
EVENTS = [
    Thought("First."),
    FIRST,
    Thought("Then."),
    SECOND,
    ToolResult(FIRST, 3),
    ToolResult(SECOND, error="ZeroDivisionError: division by zero"),
    THIRD,
    ToolResult(THIRD, 0.5),
    Answer("Done."),
]


def test_events(script: ScriptedBackend) -> None:
    assert list(sgl.agent([add, divide]).events("?")) == EVENTS


def test_stream(script: ScriptedBackend) -> None:
    async def collect() -> list[object]:
        return [event async for event in sgl.agent([add, divide]).stream("?", seed=3)]

    assert asyncio.run(collect()) == EVENTS
    assert script.opened == [(3, "")]


def test_calls_are_told_before_they_run_and_the_text_before_them_too(backend: ScriptedBackend) -> None:
    told: list[object] = []

    def look() -> int:
        return len(told)

    backend.answers = {"thought": ["Hm.<tool_call>", "", "Ok."], "tool_call": call("look")}
    told.extend(sgl.agent([look]).events("?"))
    assert told[-2] == ToolResult(ToolCall("call_1", "look", {}), told[-2].result)
    assert told[-2].result <= 2


def test_errors_come_after_the_events(script: ScriptedBackend) -> None:
    told: list[object] = []
    with pytest.raises(sgl.AgentError, match="max_steps=1"):
        told.extend(sgl.agent([add, divide], max_steps=1).events("?"))
    assert told == EVENTS[:2]


def test_who_leaves_early_stops_the_agent_and_its_tools(backend: ScriptedBackend) -> None:
    log: list[str] = []
    begun = threading.Event()

    async def hang() -> None:
        log.append("begun")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    async def leave() -> None:
        stream = helper.stream("?")
        assert isinstance(await anext(stream), ToolCall)
        while not begun.is_set():
            await asyncio.sleep(0)
        await stream.aclose()

    helper = sgl.agent([hang], tool_timeout=None)
    backend.answers = {
        "thought": lambda text: "" if text.endswith("</tool_call>") else "<tool_call>",
        "tool_call": call("hang"),
    }
    asyncio.run(leave())
    backend.check_all_closed()
    begun.clear()
    events = helper.events("?")
    assert isinstance(next(events), ToolCall)
    assert begun.wait(timeout=10)
    events.close()
    backend.check_all_closed()
    assert log == ["begun", "ended"] * 2


def test_results_are_texts_for_the_model() -> None:
    assert ToolResult(FIRST, "as it is").text == "as it is"
    assert ToolResult(FIRST, [1, None]).text == "[1, null]"
    assert ToolResult(FIRST, error="no").text == '{"error": "no"}'
