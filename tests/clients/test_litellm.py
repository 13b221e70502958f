"""LiteLLM against a server that runs."""

import json
from typing import Any

import pytest

litellm = pytest.importorskip("litellm", reason="litellm is not installed here; `make clients` installs it")

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("LiteLLM")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


def check_call(call: Any) -> None:
    assert call.name == "get_weather"
    arguments = json.loads(call.arguments)
    assert arguments.keys() == {"city", "unit"}
    assert arguments["unit"] in ("celsius", "fahrenheit")


@pytest.fixture(params=["openai", "hosted_vllm"])
def request_(request: pytest.FixtureRequest, program: dict[str, Any]) -> dict[str, Any]:
    """A question that wants a call, by either of the prefixes that reach a server of one's own."""
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": program["WEATHER"]}}
    server = {**program["server"], "model": f"{request.param}/sprig"}
    return {**server, "messages": [{"role": "user", "content": QUESTION}], "tools": [tool], "temperature": 0}


def test_tool_call(program: dict[str, Any]) -> None:
    check_call(program["call"])


def test_what_no_model_says_by_itself(request_: dict[str, Any]) -> None:
    from odd_object import OddObject

    server = {name: request_[name] for name in ("model", "api_base", "api_key")}
    reply = litellm.completion(**server, messages=[{"role": "user", "content": "Hello"}], response_format=OddObject)
    OddObject.model_validate_json(reply.choices[0].message.content)


def test_a_reply_is_sent_back_with_what_was_noted_at_it(request_: dict[str, Any]) -> None:
    message = litellm.completion(**request_, tool_choice="required").choices[0].message
    answers = [{"role": "tool", "tool_call_id": call.id, "content": "22 degrees"} for call in message.tool_calls]
    for sent in (message, message.model_dump()):
        conversation = {**request_, "messages": [*request_["messages"], sent, *answers]}
        assert litellm.completion(**conversation, tool_choice="none").choices[0].message.content


def test_a_stream_of_a_call(request_: dict[str, Any]) -> None:
    options = {"tool_choice": "required", "stream": True, "stream_options": {"include_usage": True}}
    whole = litellm.stream_chunk_builder(list(litellm.completion(**request_, **options)))
    for call in whole.choices[0].message.tool_calls:
        check_call(call.function)
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.usage.completion_tokens > 0
