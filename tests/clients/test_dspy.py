"""DSPy against a server that runs."""

from typing import Any

import pytest

dspy = pytest.importorskip("dspy", reason="dspy is not installed here; `make clients` installs it")

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("DSPy")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


def test_tool_call(program: dict[str, Any]) -> None:
    calls = program["calls"].tool_calls
    assert {call.name for call in calls} == {"get_weather"}
    for call in calls:
        assert call.args.keys() == {"city", "unit"}
        assert call.args["unit"] in ("celsius", "fahrenheit")
        assert call.execute({"get_weather": program["get_weather"]}).startswith("22 degrees")


def test_what_no_model_says_by_itself(program: dict[str, Any]) -> None:
    from odd_object import OddObject

    assert program["person"]  # it has told dspy of the server
    answer = dspy.Predict(dspy.Signature("text -> odd: OddObject", custom_types={"OddObject": OddObject}))(text="Hello")
    assert isinstance(answer.odd, OddObject)


def test_the_other_adapter_falls_back_on_schemas(program: dict[str, Any]) -> None:
    with dspy.context(adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        person = dspy.Predict(program["Extract"])(text="Tom is 41 years old.").person
    assert isinstance(person, program["Person"])
