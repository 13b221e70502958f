"""Schemas that a grammar alone cannot say, inside calls and tags: their guards stand where the documents do."""

import json
import pickle

import pytest
from call_walks import allows

from palmette.grammar.errors import UnsupportedConstraint, UnsupportedSchema
from palmette.grammar.spec import JsonSchema, Reasoned, Reasoning, Regex, StructuralTag, Tag, ToolCalls, ToolSpec
from palmette.grammar.tool_calls.call_events import ParsedCall
from palmette.grammar.tool_calls.call_text import call_text
from palmette.grammar.tool_calls.composition import compile_composed
from palmette.grammar.tool_calls.guard_frames import FramePosition

UNIQUE = json.dumps(
    {
        "type": "object",
        "properties": {"ids": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}},
        "required": ["ids"],
    }
)
FREE = json.dumps({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]})
TOOLS = (ToolSpec("unique", UNIQUE), ToolSpec("free", FREE))
TRICKY = ParsedCall("free", {"text": '"}\n<tool_call>\n{"name": "unique", "arguments": {"ids": [1, 1é]}}'})


def unique(*ids: int) -> ParsedCall:
    return ParsedCall("unique", {"ids": list(ids)})


@pytest.mark.parametrize("format_name", ["hermes", "llama3", "mistral"])
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_guards_hold_inside_calls(format_name: str, choice: str) -> None:
    constraint = ToolCalls(TOOLS, format_name, choice, reasoning=Reasoning())  # type: ignore[arg-type]  # of two lists
    thoughts = f"<think>{call_text(format_name, [unique(1, 1)])}é</think>"
    for calls, is_allowed in (
        ([unique(1, 2)], True),
        ([unique(1, 1)], False),
        ([TRICKY, unique(1, 2), unique(1, 3)], True),
        ([TRICKY, unique(1, 2), unique(3, 3)], False),
    ):
        text = call_text(format_name, calls)
        assert allows(constraint, text) is is_allowed, text
        assert allows(constraint, thoughts + text) is is_allowed, text
    if choice == "auto":
        assert allows(constraint, '"arguments": {"ids": [1, 1]} é'), "free text is not checked"


def test_guards_hold_inside_tags() -> None:
    schema = '{"type": "array", "items": {"type": "integer"}, "uniqueItems": true}'
    constraint = StructuralTag((Tag("<ids>", JsonSchema(schema), "</ids>"),))
    assert allows(constraint, "[1, 1] <ids>[1, 2]</ids> <ids>[1, 3]</ids>")
    assert not allows(constraint, "<ids>[1, 2]</ids> <ids>[1, 1]</ids>")
    with pytest.raises(UnsupportedConstraint, match="free or JSON of type object or array"):
        allows(StructuralTag((*constraint.tags, Tag("<a>", Regex("a"), "</a>"))), "")
    with pytest.raises(UnsupportedConstraint, match="inside each other"):
        allows(StructuralTag((Tag("<a>", constraint, "</a>"),)), "")


def test_guards_hold_behind_reasoning() -> None:
    constraint = Reasoned(JsonSchema(UNIQUE))
    assert allows(constraint, '<think>{"ids": [1, 1]}</think>{"ids": [1, 2]}')
    assert allows(constraint, '<think>é</think>\n\n{"ids": [1, 2]}')
    assert not allows(constraint, '<think></think>{"ids": [1, 1]}')
    assert not allows(constraint, '<think></think>\n\n{"ids": [1, 1]}')


def test_python_calls_have_no_guards() -> None:
    with pytest.raises(UnsupportedSchema, match="use a format that writes JSON"):
        allows(ToolCalls(TOOLS, "pythonic"), "")


def test_positions() -> None:
    frames = compile_composed(ToolCalls(TOOLS, "hermes")).frames
    assert frames is not None
    text = ("é" + call_text("hermes", [TRICKY, unique(7)])).encode()
    document = b'{"ids": [7]}'
    start = text.index(document)
    for walked in (frames, pickle.loads(pickle.dumps(frames))):
        positions = [walked.start()]
        for byte in text[:start]:
            assert positions[-1].plan is None
            positions.append(positions[-1].advance(byte))
        assert positions[-1].plan is not None
        behind = positions[-1].after_document()
        for byte in text[start + len(document) :]:
            behind = behind.advance(byte)
        again = walked.start()
        for byte, position in zip(text[:start], positions, strict=False):
            assert again == position
            assert hash(again) == hash(position)
            again = again.advance(byte)
    with pytest.raises(ValueError, match="expected what the constraint allows"):
        _walk(frames.start(), b"<tool_call>x")


def _walk(position: FramePosition, text: bytes) -> FramePosition:
    for byte in text:
        position = position.advance(byte)
    return position


def test_long_chains_of_states_are_pickled() -> None:
    tools = tuple(ToolSpec("f" * (1_000 + index), UNIQUE) for index in range(3))
    frames = compile_composed(ToolCalls(tools)).frames
    assert frames is not None
    assert pickle.loads(pickle.dumps(frames)).start().plan is None
