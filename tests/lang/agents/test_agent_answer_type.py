"""Agents whose answer is an instance of a type."""

import json
from dataclasses import dataclass
from typing import Annotated

import msgspec
import pytest
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.grammar.spec import JsonSchema
from palmette.grammar.types.value_type import ValueType
from palmette.lang.agents.agent_events import Answer, Thought


@sgl.tool
def price(item: str) -> int:
    """Look up a price."""
    return len(item)


@dataclass(frozen=True)
class Offer:
    item: str
    price: Annotated[int, msgspec.Meta(ge=0)]


def call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments})


def answers(answer: str) -> dict[str, list[str]]:
    return {"thought": ["<tool_call>", "", "It is 4."], "tool_call": [call("price", item="lamp")], "answer": [answer]}


def test_the_answer_is_an_instance(backend: ScriptedBackend) -> None:
    backend.answers = answers('{"item": "lamp", "price": 4}')
    result = sgl.agent([price], answer_type=Offer).run("?")
    assert result.answer == result.state["answer"] == Offer("lamp", 4)
    *rest, request, written = result.messages
    assert rest[-1] == {"role": "assistant", "content": "It is 4."}
    schema = json.dumps(ValueType.of(Offer).schema)
    assert request["role"] == "user"
    assert request["content"].endswith(schema)
    assert written == {"role": "assistant", "content": '{"item": "lamp", "price": 4}'}
    [gen] = [gen for gen in backend.gens() if gen.name == "answer"]
    assert gen.constraint == JsonSchema(schema, whitespace="spaced")


def test_the_tool_phase_is_the_same_as_without(backend: ScriptedBackend) -> None:
    backend.answers = answers('{"item": "lamp", "price": 4}')
    typed = sgl.agent([price], answer_type=Offer).run("?").state.text()
    backend.answers = answers("")
    assert typed.startswith(sgl.agent([price]).run("?").state.text())


def test_the_text_before_it_is_a_thought(backend: ScriptedBackend) -> None:
    backend.answers = answers('{"item": "lamp", "price": 4}')
    *_, thought, answer = sgl.agent([price], answer_type=Offer).events("?")
    assert (thought, answer) == (Thought("It is 4."), Answer(Offer("lamp", 4)))


def test_plain_and_many(backend: ScriptedBackend) -> None:
    backend.answers = answers('{"value": ["a", "b"]}')
    assert sgl.agent([price], answer_type=list[str]).run("?").answer == ["a", "b"]
    backend.answers = answers("unused")
    assert sgl.agent([price], answer_type=str).run("?").answer == "It is 4."


def test_an_answer_cut_short_or_refused_by_its_class(backend: ScriptedBackend) -> None:
    backend.answers = answers('{"item": "a lamp of brass and of green glass, a hundred years old", "price": 4}')
    with pytest.raises(sgl.AgentError, match="the answer did not end") as caught:
        sgl.agent([price], answer_type=Offer).run("?", max_new_tokens=60)
    assert len(caught.value.steps) == 1
    backend.answers = answers('{"item": "lamp", "price": -4}')
    with pytest.raises(sgl.AgentError, match="none of its type"):
        sgl.agent([price], answer_type=Offer).run("?")


def test_types_that_no_schema_can_say() -> None:
    with pytest.raises(sgl.GrammarError, match="complex"):
        sgl.agent([price], answer_type=complex)
