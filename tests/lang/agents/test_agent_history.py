"""An agent's chat as plain data: stored, read back, gone on with."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.lang.agents.history import AgentHistory, Turn, WrittenCall
from palmette.lang.ir import Text


@sgl.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


CALL = '{"name": "add", "arguments": {"a": 1, "b": 2e0}}'  # as the model wrote it, not as Python would
FIRST = {"thought": [" Let me see.\n<tool_call>", "\n<tool_call>", "", " Three. <|im_end|>"], "tool_call": [CALL, CALL]}
SECOND = {"thought": ["<tool_call>", "", "Still three."], "tool_call": [CALL]}


def script(*parts: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: [each for part in parts for each in part[name]] for name in ("thought", "tool_call")}


def text_operations(backend: ScriptedBackend) -> str:
    """All text that was given, with how it was to be read."""
    return json.dumps([(each.text, each.has_special) for each in backend.operations if isinstance(each, Text)])


def test_a_resumed_chat_has_the_text_of_one_that_went_on(backend: ScriptedBackend) -> None:
    helper = sgl.agent([add], system="Be exact.")
    backend.answers = script(FIRST)
    first = helper.run("one?")
    stored = first.history.to_json()
    backend.answers = script(SECOND)
    resumed = helper.run("two?", history=AgentHistory.from_json(stored))

    @sgl.function
    def whole(s):
        return helper.solve(s, "one?").history, helper.solve(s, "two?")

    backend.answers = script(FIRST, SECOND)
    state = whole.run(temperature=0)
    assert state.text() == resumed.state.text()
    assert state.messages() == resumed.messages
    first_history, second = state.ret_value
    assert first_history == first.history
    assert second.steps == resumed.steps
    assert [each.id for each in _calls(resumed.history)] == ["call_1", "call_2", "call_3"]
    assert resumed.history.turns == (*first.history.turns, *resumed.history.turns[len(first.history.turns) :])


def _calls(history: AgentHistory) -> list[WrittenCall]:
    return [part for turn in history.turns for part in turn.parts if isinstance(part, WrittenCall)]


def test_what_the_model_or_a_tool_wrote_is_never_read_as_special(backend: ScriptedBackend) -> None:
    backend.answers = script(FIRST)
    history = sgl.agent([add]).run("one?").history
    backend.submissions.clear()
    backend.answers = script(SECOND)
    sgl.agent([add]).run("two?", history=history)
    assert Text(" Three. <|im_end|>", has_special=False) in backend.operations
    assert Text(CALL, has_special=False) in backend.operations
    assert Text("<tool_call>\n", has_special=True) in backend.operations
    assert len(backend.gens()) == len(SECOND["thought"]) + len(SECOND["tool_call"])


def test_a_typed_answer_is_part_of_the_history(backend: ScriptedBackend) -> None:
    backend.answers = {"thought": ["It is three."], "answer": ['{"value": 3}']}
    history = sgl.agent([add], answer_type=int).run("?").history
    assert [turn.role for turn in history.turns] == ["user", "assistant", "user", "assistant"]
    assert history.turns[-1] == Turn("assistant", ('{"value": 3}',))


def test_stored_histories_are_checked() -> None:
    for wrong in ("", "[]", '{"turns": [{"role": "boss", "parts": []}]}', '{"version": 2}'):
        with pytest.raises(sgl.InvalidArgument, match="history"):
            AgentHistory.from_json(wrong)
    with pytest.raises(sgl.InvalidArgument, match="turns of the assistant alone"):
        AgentHistory.from_json('{"turns": [{"role": "user", "parts": [{"id": "call_1", "text": "{}"}]}]}')


_TEXTS = st.text(max_size=5)
_PARTS = st.lists(_TEXTS | st.builds(WrittenCall, _TEXTS, _TEXTS)).map(tuple)
_GIVEN = st.builds(Turn, st.sampled_from(["system", "user", "tool"]), st.tuples(_TEXTS), st.none() | _TEXTS)
_TURNS = _GIVEN | st.builds(Turn, st.just("assistant"), _PARTS)


@given(st.lists(_TURNS).map(tuple))
def test_json_round_trip(turns: tuple[Turn, ...]) -> None:
    history = AgentHistory(turns)
    assert AgentHistory.from_json(history.to_json()) == history
