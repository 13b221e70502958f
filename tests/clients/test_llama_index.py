"""LlamaIndex against a server that runs."""

import asyncio
from typing import Any

import pytest

openai_like = pytest.importorskip(
    "llama_index.llms.openai_like",
    reason="llama-index-llms-openai-like is not installed here; `make clients` installs it",
)

QUESTION = "What is the weather in Rome in celsius?"


@pytest.fixture(scope="module")
def program(run_program: Any) -> dict[str, Any]:
    names: dict[str, Any] = run_program("LlamaIndex")
    return names


def test_structured_output(program: dict[str, Any]) -> None:
    assert isinstance(program["person"], program["Person"])


def test_tool_call(program: dict[str, Any]) -> None:
    assert program["call"].tool_name == "get_weather"
    assert program["call"].tool_kwargs.keys() == {"city", "unit"}
    assert program["call"].tool_kwargs["unit"] in ("celsius", "fahrenheit")


@pytest.mark.parametrize("is_text", [True, False], ids=["as a text", "as a call"])
def test_what_no_model_says_by_itself(url: str, is_text: bool) -> None:
    from odd_object import OddObject

    model = openai_like.OpenAILike(
        model="sprig",
        api_base=f"{url}/v1",
        api_key="none",
        context_window=4096,
        is_chat_model=True,
        is_function_calling_model=True,
        should_use_structured_outputs=is_text,
    )
    assert isinstance(model.as_structured_llm(OddObject).complete("Hello").raw, OddObject)


def test_an_agent(program: dict[str, Any]) -> None:
    from llama_index.core.agent.workflow import FunctionAgent

    tool = program["FunctionTool"].from_defaults(program["get_weather"])

    async def answered() -> Any:
        return await FunctionAgent(tools=[tool], llm=program["model"]).run(QUESTION)

    answer = asyncio.run(answered())
    assert [call.tool_name for call in answer.tool_calls] == ["get_weather"]
    assert str(answer)
