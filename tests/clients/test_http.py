"""No client at all: httpx, and the bytes as they come."""

import json
from typing import Any

import pytest

httpx = pytest.importorskip("httpx", reason="httpx is not installed here; `make clients` runs this")


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("HTTP")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    person = program["person"]
    assert person.keys() == {"name", "age"}
    assert (type(person["name"]), type(person["age"])) == (str, int)


def test_tool_call(program: dict[str, Any]) -> None:
    assert program["call"]["name"] == "get_weather"
    arguments = json.loads(program["call"]["arguments"])
    assert arguments.keys() == {"city", "unit"}
    assert arguments["unit"] in ("celsius", "fahrenheit")


def test_what_no_model_says_by_itself(program: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "properties": {"zebra": {"enum": ["q7", "z9"]}},
        "required": ["zebra"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "odd", "schema": schema}}
    assert json.loads(program["message"]("Hello", response_format=wanted)["content"])["zebra"] in ("q7", "z9")


def test_a_stream(url: str) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 20}
    whole = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).json()["choices"][0]
    with httpx.stream("POST", f"{url}/v1/chat/completions", json={**body, "stream": True}, timeout=60) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        frames = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    assert frames.pop() == "[DONE]"
    choices = [choice for frame in frames for choice in json.loads(frame)["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == whole["message"]["content"]
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == [whole["finish_reason"]]


def test_a_refusal_is_json(url: str) -> None:
    response = httpx.post(f"{url}/v1/chat/completions", json={"messages": [], "temprature": 1})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
