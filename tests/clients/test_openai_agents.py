"""The OpenAI Agents SDK against a server that runs."""

import asyncio
import json
from typing import Any

import pytest

agents = pytest.importorskip("agents", reason="openai-agents is not installed here; `make clients` installs it")

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("OpenAI Agents")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


@pytest.fixture(params=["OpenAIResponsesModel", "OpenAIChatCompletionsModel"])
def model(request: pytest.FixtureRequest, program: dict[str, Any], url: str) -> Any:
    # A client of its own: each run has a loop of its own, and connections belong to a loop.
    client = program["AsyncOpenAI"](base_url=f"{url}/v1", api_key="none", max_retries=0)
    return getattr(agents, request.param)("sprig", openai_client=client)


def check_calls(items: list[Any]) -> None:
    calls = [item.raw_item for item in items if item.type == "tool_call_item"]
    assert calls
    for call in calls:
        assert call.name == "get_weather"
        arguments = json.loads(call.arguments)
        assert arguments.keys() == {"city", "unit"}
        assert arguments["unit"] in ("celsius", "fahrenheit")


def test_tool_call(program: dict[str, Any]) -> None:
    check_calls(program["report"].new_items)
    assert program["report"].final_output


def test_what_no_model_says_by_itself(model: Any) -> None:
    from odd_object import OddObject

    result = agents.Runner.run_sync(agents.Agent(name="x", model=model, output_type=OddObject), "Hello")
    assert isinstance(result.final_output, OddObject)


def test_a_stream_of_calls_and_answers(model: Any, program: dict[str, Any]) -> None:
    settings = agents.ModelSettings(temperature=0, tool_choice="required", include_usage=True)
    agent = agents.Agent(name="x", model=model, tools=[program["get_weather"]], model_settings=settings)

    async def streamed() -> Any:
        result = agents.Runner.run_streamed(agent, QUESTION)
        kinds = {event.type async for event in result.stream_events()}
        assert kinds >= {"raw_response_event", "run_item_stream_event"}
        return result

    result = asyncio.run(streamed())
    check_calls(result.new_items)
    assert result.context_wrapper.usage.output_tokens > 0
