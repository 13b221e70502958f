"""The openai package, 2.x and 3.x, against a server that runs."""

from typing import Any

import pytest

openai = pytest.importorskip("openai", reason="openai is not installed here; `make clients` runs this")

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("OpenAI")
    return names


@pytest.fixture(scope="module")
def client(url: str) -> Any:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def tool(program: dict[str, Any]) -> Any:
    return openai.pydantic_function_tool(program["GetWeather"])


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


def test_tool_call(program: dict[str, Any]) -> None:
    assert program["call"].name == "GetWeather"
    assert isinstance(program["call"].parsed_arguments, program["GetWeather"])


def test_a_stream_of_a_call(client: Any, program: dict[str, Any], tool: Any) -> None:
    with client.chat.completions.stream(
        model="sprig", messages=[{"role": "user", "content": QUESTION}], tools=[tool], tool_choice="required",
        temperature=0,
    ) as stream:  # fmt: skip
        kinds = [event.type for event in stream]
        message = stream.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.delta" in kinds
    assert message.tool_calls
    assert all(isinstance(call.function.parsed_arguments, program["GetWeather"]) for call in message.tool_calls)


def test_what_no_model_says_by_itself(client: Any) -> None:
    from odd_object import OddObject

    reply = client.chat.completions.parse(
        model="sprig", messages=[{"role": "user", "content": "Hello"}], response_format=OddObject
    )
    assert isinstance(reply.choices[0].message.parsed, OddObject)
    reply = client.responses.parse(model="sprig", input="Hello", text_format=OddObject)
    assert isinstance(reply.output_parsed, OddObject)


def test_a_stream_of_a_response(client: Any) -> None:
    from odd_object import OddObject

    with client.responses.stream(model="sprig", input="Hello", text_format=OddObject) as stream:
        kinds = [event.type for event in stream]
        assert isinstance(stream.get_final_response().output_parsed, OddObject)
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"


def test_a_call_in_a_response_and_its_answer(client: Any, program: dict[str, Any], tool: Any) -> None:
    tools = [{"type": "function", **tool["function"]}]
    reply = client.responses.create(
        model="sprig", input=QUESTION, tools=tools, tool_choice="required", parallel_tool_calls=False, temperature=0
    )
    (call,) = reply.output
    assert call.name == "GetWeather"
    program["GetWeather"].model_validate_json(call.arguments)
    answer = {"type": "function_call_output", "call_id": call.call_id, "output": "22 degrees"}
    reply = client.responses.create(
        model="sprig", input=[answer], previous_response_id=reply.id, tools=tools, tool_choice="none", temperature=0
    )
    assert reply.status == "completed"
    assert reply.output_text
