"""Turns with tool calls, written by sprig under the constraint and read back."""

import json
from collections.abc import Iterator

import jsonschema
import pytest

import palmette as pm
from palmette.grammar.spec import CallFormatName, Reasoning, Regex, ToolCalls, ToolChoice, ToolSpec
from palmette.grammar.tool_calls.call_parser import parse_calls


@pm.tool
def get_weather(city: str, days: int = 1) -> str:
    """The weather in a city."""
    return f"{city} {days}"


WEATHER = json.dumps(get_weather.parameters)
TOOLS = (ToolSpec("get_weather", WEATHER), ToolSpec("look_up", custom_input=Regex("[a-z ]{1,12}")))


@pytest.fixture(scope="module")
def engine() -> Iterator[pm.Engine]:
    with pm.Engine() as engine:
        yield engine


@pm.function
def turn(s: pm.ProgramState, constraint: ToolCalls) -> None:
    s.declare_tools([get_weather.tool])
    s += pm.user("What is the weather in Rome and in Paris?")
    with s.assistant():
        s += pm.gen("turn", constraint=constraint, max_tokens=150)


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_the_format_that_it_was_trained_on(engine: pm.Engine, choice: ToolChoice) -> None:
    constraint = ToolCalls(TOOLS, choice=choice)
    text = turn.run(constraint, backend=engine, temperature=0.0)["turn"]
    calls = parse_calls(constraint, text)
    assert [call.name for call in calls] == ["get_weather", "get_weather"]
    assert [call.arguments["city"] for call in calls] == ["Rome", "Paris"]


@pytest.mark.parametrize("format_name", ["hermes", "llama3", "mistral", "pythonic"])
def test_any_format_at_any_temperature(engine: pm.Engine, format_name: CallFormatName) -> None:
    constraint = ToolCalls(TOOLS, format_name, "required", parallel=False, reasoning=Reasoning())
    num_whole = 0
    for seed in range(3):
        state = turn.run(constraint, backend=engine, temperature=1.0, seed=seed)
        if state.get_meta_info("turn")["finish_reason"]["type"] == "length":
            continue
        [call] = parse_calls(constraint, state["turn"])
        if call.name == "get_weather":
            jsonschema.validate(call.arguments, get_weather.parameters)
        else:
            assert set(call.arguments) == {"input"}
        num_whole += 1
    assert num_whole, "each was cut by its length"
