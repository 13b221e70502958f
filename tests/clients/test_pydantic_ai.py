"""Pydantic AI against a server that runs."""

import asyncio
from typing import Any

import pytest

pydantic_ai = pytest.importorskip("pydantic_ai", reason="pydantic-ai is not installed here; `make clients` installs it")

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("Pydantic AI")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


@pytest.fixture(params=["OpenAIChatModel", "OpenAIResponsesModel"])
def model(request: pytest.FixtureRequest, program: dict[str, Any]) -> Any:
    from pydantic_ai.models import openai

    return getattr(openai, request.param)("sprig", provider=program["provider"], settings={"temperature": 0})


def calls_of(messages: list[Any]) -> list[Any]:
    return [part for message in messages for part in message.parts if part.part_kind == "tool-call"]


def test_tool_call(program: dict[str, Any]) -> None:
    calls = calls_of(program["report"].all_messages())
    assert calls
    for call in calls:
        assert call.tool_name == "get_weather"
        assert call.args_as_dict().keys() == {"city", "unit"}
    assert program["report"].output


def test_what_no_model_says_by_itself(model: Any) -> None:
    from odd_object import OddObject

    called = pydantic_ai.Agent(model, output_type=pydantic_ai.ToolOutput(OddObject, name="save")).run_sync("Hello")
    assert isinstance(called.output, OddObject)
    assert [call.tool_name for call in calls_of(called.all_messages())] == ["save"]
    said = pydantic_ai.Agent(model, output_type=pydantic_ai.NativeOutput(OddObject)).run_sync("Hello")
    assert isinstance(said.output, OddObject)


def test_a_stream(model: Any, program: dict[str, Any]) -> None:
    agent = pydantic_ai.Agent(model, tools=[program["get_weather"]])

    async def streamed() -> tuple[str, str]:
        async with agent.run_stream(QUESTION) as result:
            deltas = [delta async for delta in result.stream_text(delta=True)]
            return "".join(deltas), await result.get_output()

    told, output = asyncio.run(streamed())
    assert told == output != ""
