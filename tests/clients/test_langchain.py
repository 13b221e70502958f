"""langchain-openai against a server that runs."""

from typing import Any

import pytest

langchain_openai = pytest.importorskip(
    "langchain_openai", reason="langchain-openai is not installed here; `make clients` installs it"
)

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("LangChain")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


@pytest.fixture(params=["chat completions", "responses"])
def model(request: pytest.FixtureRequest, url: str) -> Any:
    return langchain_openai.ChatOpenAI(
        model="sprig",
        base_url=f"{url}/v1",
        api_key="none",
        temperature=0,
        max_retries=0,
        use_responses_api=request.param == "responses",
    )


def test_tool_call(program: dict[str, Any]) -> None:
    assert program["call"]["name"] == "get_weather"
    program["get_weather"].args_schema.model_validate(program["call"]["args"])


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_what_no_model_says_by_itself(model: Any, method: str) -> None:
    from odd_object import OddObject

    assert isinstance(model.with_structured_output(OddObject, method=method).invoke("Hello"), OddObject)


def test_a_call_and_its_answer(model: Any, program: dict[str, Any]) -> None:
    tool = program["get_weather"]
    reply = model.bind_tools([tool], tool_choice="get_weather").invoke(QUESTION)
    assert [call["name"] for call in reply.tool_calls] == ["get_weather"]
    answers = [tool.invoke(call) for call in reply.tool_calls]
    conversation = [("user", QUESTION), reply, *answers]
    assert model.bind_tools([tool], tool_choice="none").invoke(conversation).text


def test_a_stream_of_a_call(model: Any, program: dict[str, Any]) -> None:
    chunks = list(model.bind_tools([program["get_weather"]], tool_choice="any").stream(QUESTION))
    whole = sum(chunks[1:], chunks[0])
    assert {call["name"] for call in whole.tool_calls} == {"get_weather"}
    for call in whole.tool_calls:
        program["get_weather"].args_schema.model_validate(call["args"])
