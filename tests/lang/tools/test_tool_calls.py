"""How an agent runs the calls of one turn: allowed by a human, at the same time, within their time."""

import asyncio
import json
import threading
from dataclasses import dataclass

import pytest
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.lang.agents.agent_events import ToolCall
from palmette.lang.tools.tool_box import ToolBox


def call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments})


def numbered(name: str, num_calls: int) -> dict[str, list[str]]:
    """One turn that calls the tool with 1, 2, ..., and an answer."""
    calls = [call(name, number=number) for number in range(1, num_calls + 1)]
    return {"thought": ["<tool_call>"] * num_calls + ["", "Ok."], "tool_call": calls}


@sgl.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def errors(result: sgl.AgentResult[str]) -> list[str | None]:
    return [step.error for step in result.steps]


def test_calls_of_one_turn_run_at_the_same_time_and_are_told_in_order(backend: ScriptedBackend) -> None:
    reached = threading.Barrier(2, timeout=10)
    second_is_done = threading.Event()

    def meet(number: int) -> int:
        reached.wait()
        if number == 1:
            second_is_done.wait(timeout=10)
        else:
            second_is_done.set()
        return number

    backend.answers = numbered("meet", 2)
    result = sgl.agent([meet]).run("?")
    assert [step.result for step in result.steps] == [1, 2]
    assert [message["content"] for message in result.messages if message["role"] == "tool"] == ["1", "2"]


def test_async_tools_run_at_the_same_time(backend: ScriptedBackend) -> None:
    async def main() -> None:
        reached = asyncio.Barrier(2)

        async def meet(number: int) -> int:
            async with asyncio.timeout(10):
                await reached.wait()
            return number

        result = await sgl.agent([meet]).arun("?")
        assert [step.result for step in result.steps] == [1, 2]

    backend.answers = numbered("meet", 2)
    asyncio.run(main())


def test_time_outs_are_read_by_the_model(backend: ScriptedBackend) -> None:
    release = threading.Event()

    def block() -> None:
        release.wait()

    @sgl.tool(timeout=0.002)
    async def hang() -> None:
        await asyncio.Event().wait()

    backend.answers = {"thought": ["<tool_call>"] * 2 + ["", "Ok."], "tool_call": [call("block"), call("hang")]}
    result = sgl.agent([block, hang], tool_timeout=0.001).run("?")
    release.set()
    assert errors(result) == [
        "TimeoutError: block gave no result within 0.001 s",
        "TimeoutError: hang gave no result within 0.002 s",
    ]
    assert result.answer == "Ok."


def test_a_tool_without_time_limit(backend: ScriptedBackend) -> None:
    backend.answers = {"thought": ["<tool_call>", "", "Ok."], "tool_call": call("add", a=1, b=1)}
    assert sgl.agent([add], tool_timeout=None).run("?").steps[0].result == 2


@pytest.mark.parametrize("is_async", [False, True])
def test_a_human_may_refuse(backend: ScriptedBackend, is_async: bool) -> None:
    asked: list[ToolCall] = []
    ran: list[int] = []

    def note(number: int) -> None:
        ran.append(number)

    def approve(call: ToolCall) -> bool | str:
        asked.append(call)
        return {1: True, 2: False, 3: "too late"}[call.arguments["number"]]

    async def approve_async(call: ToolCall) -> bool | str:
        return approve(call)

    backend.answers = numbered("note", 3)
    result = sgl.agent([note], approve=approve_async if is_async else approve).run("?")
    assert ran == [1]
    assert [each.id for each in asked] == ["call_1", "call_2", "call_3"]
    assert errors(result) == [None, "the user refused", "the user refused: too late"]
    assert result.messages[-2]["content"] == '{"error": "the user refused: too late"}'


def test_nothing_runs_before_all_were_asked(backend: ScriptedBackend) -> None:
    log: list[str] = []

    def note(number: int) -> None:
        log.append("run")

    def approve(_: ToolCall) -> bool:
        log.append("ask")
        return True

    backend.answers = {"thought": ["<tool_call>"] * 2 + ["", "Ok."], "tool_call": call("note", number=1)}
    sgl.agent([note], approve=approve).run("?")
    assert log == ["ask", "ask", "run", "run"]


def test_a_failing_hook_is_raised(backend: ScriptedBackend) -> None:
    def fail(_: ToolCall) -> bool:
        raise KeyError("hook")

    undecided = (lambda _: None, sgl.InvalidArgument, "approve: expected True")
    for approve, error, match in ((fail, KeyError, "hook"), undecided):
        backend.answers = {"thought": ["<tool_call>", ""], "tool_call": call("add", a=1, b=1)}
        with pytest.raises(error, match=match):
            sgl.agent([add], approve=approve).run("?")


@dataclass
class Inner:
    value: int


@dataclass
class Box:
    inner: Inner
    other: Inner | None = None


def other_box() -> type:
    @dataclass
    class Inner:
        text: str

    @dataclass
    class Box:
        one: Inner
        two: Inner

    return Box


def test_the_named_types_of_several_tools_do_not_mix(backend: ScriptedBackend) -> None:
    jsonschema = pytest.importorskip("jsonschema")

    def first(box: Box, boxes: list[Box]) -> int:
        return box.inner.value + len(boxes)

    def second(box: object) -> str:
        return box.one.text

    second.__annotations__["box"] = other_box()
    box = {"inner": {"value": 1}}
    good = [
        {"name": "first", "arguments": {"box": box, "boxes": [box]}},
        {"name": "second", "arguments": {"box": {"one": {"text": "a"}, "two": {"text": "b"}}}},
    ]
    constraint = ToolBox.of([first, second], None, None).call_constraint
    validator = jsonschema.Draft202012Validator(json.loads(constraint.schema))
    for each in good:
        validator.validate(each)
    for name, arguments in (("first", good[1]["arguments"]), ("second", good[0]["arguments"])):
        assert not validator.is_valid({"name": name, "arguments": arguments})
    assert not validator.is_valid({"name": "first", "arguments": {"box": {"inner": {"text": "a"}}, "boxes": []}})
    backend.answers = {"thought": ["<tool_call>"] * 2 + ["", "Ok."], "tool_call": [json.dumps(each) for each in good]}
    assert [step.result for step in sgl.agent([first, second]).run("?").steps] == [2, "a"]
