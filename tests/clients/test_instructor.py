"""Instructor against a server that runs."""

from typing import Any

import pytest

instructor = pytest.importorskip("instructor", reason="instructor is not installed here; `make clients` installs it")

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("Instructor")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


def test_tool_call(program: dict[str, Any]) -> None:
    assert isinstance(program["call"], program["GetWeather"])
    (call,) = program["completion"].choices[0].message.tool_calls
    assert call.function.name == "GetWeather"


@pytest.mark.parametrize("mode", ["TOOLS", "JSON_SCHEMA", "RESPONSES_TOOLS"])
def test_what_no_model_says_by_itself(program: dict[str, Any], mode: str) -> None:
    from odd_object import OddObject

    client = instructor.from_openai(program["client"], mode=instructor.Mode[mode])
    wish = {"model": "sprig", "messages": [{"role": "user", "content": "Hello"}], "response_model": OddObject}
    assert isinstance(client.chat.completions.create(**wish, max_retries=0), OddObject)
    *_, last = client.chat.completions.create_partial(**wish, max_retries=0)
    OddObject.model_validate(last.model_dump())
