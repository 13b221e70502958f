"""Tool calls, generated at random under the constraint and read back: what a grammar lets through, the parser reads."""

import json
import random
import re
from typing import Literal

import jsonschema
import pytest
from call_walks import compiled, joined, random_turn, rewritten
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palmette.grammar.spec import Choice, Ebnf, Reasoning, Regex, ToolCalls, ToolSpec
from palmette.grammar.tool_calls.call_events import CallEnded, ParsedCall, ReasoningDelta
from palmette.grammar.tool_calls.call_format import FORMATS
from palmette.grammar.tool_calls.call_parser import CallParser, parse_calls
from palmette.grammar.tool_calls.call_text import call_text

FORMAT_NAMES = tuple(FORMATS)
_NAMES = ("f", "fo", "foo", "foo_bar", "get_weather", "web.search", "f2")
_SCALARS = (
    {"type": "string"},
    {"type": "string", "maxLength": 3},
    {"type": "string", "pattern": "^[a-c<]{1,3}$"},
    {"type": "integer", "minimum": -3, "maximum": 120},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["integer", "null"]},
    {"enum": ["</tool_call>", "true", True, None, 2.5, 'a"b\\']},
    {"anyOf": [{"type": "boolean"}, {"const": "[TOOL_CALLS] ["}]},
)


def _objects(values: st.SearchStrategy[dict[str, object]]) -> st.SearchStrategy[dict[str, object]]:
    def schema(properties: dict[str, dict[str, object]], num_required: int) -> dict[str, object]:
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:num_required],
            "additionalProperties": False,
        }

    names = st.sampled_from(("a", "b", "city", "é", "max_items"))
    return st.builds(schema, st.dictionaries(names, values, max_size=4), st.integers(0, 4))


_VALUES = st.recursive(
    st.sampled_from(_SCALARS),
    lambda values: st.one_of(
        _objects(values), st.builds(lambda item: {"type": "array", "items": item, "maxItems": 3}, values)
    ),
    max_leaves=4,
)
_CUSTOM = st.sampled_from(
    (
        Regex(r'[a-z"\\\n]{1,9}'),
        Choice(("yes", 'n"o\n', "</tool_call>")),
        Ebnf('root ::= "(" root ")" | "\\n" | "\\"" | [é-ü]'),
    )
)


@st.composite
def tool_sets(draw: st.DrawFn) -> tuple[ToolSpec, ...]:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True))
    return tuple(
        ToolSpec(name, custom_input=draw(_CUSTOM))
        if draw(st.integers(0, 3)) == 0
        else ToolSpec(name, json.dumps(draw(_objects(_VALUES))))
        for name in names
    )


@st.composite
def constraints(draw: st.DrawFn) -> ToolCalls:
    tools = draw(tool_sets())
    return ToolCalls(
        tools,
        draw(st.sampled_from(FORMAT_NAMES)),
        draw(st.sampled_from(("none", "auto", "required", "required"))),
        draw(st.sampled_from((None, (tools[0].name,)))),
        draw(st.booleans()),
        draw(st.sampled_from((None, Reasoning(), Reasoning("", "</think>")))),
    )


def check_call(constraint: ToolCalls, call: ParsedCall) -> None:
    """Its arguments are what the tool takes."""
    [tool] = [tool for tool in constraint.tools if tool.name == call.name]
    if tool.parameters is not None:
        jsonschema.validate(call.arguments, json.loads(tool.parameters), jsonschema.Draft202012Validator)
        return
    [(name, text)] = call.arguments.items()
    assert name == "input"
    assert isinstance(text, str)
    match tool.custom_input:
        case Regex(pattern):
            assert re.fullmatch(pattern, text)
        case Choice(choices):
            assert text in choices
        case _:
            assert text.strip("()") in ("\n", '"') or "é" <= text.strip("()") <= "ü"


@settings(deadline=None, max_examples=35, suppress_health_check=[HealthCheck.too_slow])
@given(constraints(), st.randoms(use_true_random=False))
def test_what_was_generated_parses(constraint: ToolCalls, rng: random.Random) -> None:
    grammar = compiled(constraint)
    allowed = constraint.allowed or [tool.name for tool in constraint.tools]
    for _ in range(3):
        text = random_turn(grammar, rng)
        if text is None:
            continue
        parser = CallParser(constraint)
        events = joined([*parser.feed(text), *parser.finish()])
        assert rewritten(constraint, events) == text
        calls = [event.call for event in events if isinstance(event, CallEnded)]
        assert tuple(calls) == parser.calls
        for call in calls:
            assert call.name in allowed
            check_call(constraint, call)
        assert len(calls) >= (constraint.choice == "required")
        assert len(calls) <= (0 if constraint.choice == "none" else 1 if not constraint.parallel else len(calls))
        assert sum(isinstance(event, ReasoningDelta) for event in events) <= (constraint.reasoning is not None)


_ARGUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(("</tool_call>", "\n</tool_call>\n<tool_call>", "[TOOL_CALLS] [", "'\"\\", ")]", "}}", "; {")),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=6,
)
_CALLS = st.lists(
    st.builds(
        ParsedCall,
        st.sampled_from(_NAMES),
        st.dictionaries(st.sampled_from(("a", "b", "city")), _ARGUMENTS, max_size=3),
    ),
    max_size=4,
)
_ANY_TOOLS = tuple(ToolSpec(name, "{}") for name in _NAMES)


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
@settings(deadline=None, max_examples=30)
@given(calls=_CALLS, before=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_what_was_rendered_parses(
    format_name: Literal["hermes", "llama3", "mistral", "pythonic"], calls: list[ParsedCall], before: str
) -> None:
    constraint = ToolCalls(_ANY_TOOLS, format_name)
    assert parse_calls(constraint, before.replace("[", "") + call_text(format_name, calls)) == tuple(calls)


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
def test_every_split_reads_the_same(format_name: Literal["hermes", "llama3", "mistral", "pythonic"]) -> None:
    constraint = ToolCalls(_ANY_TOOLS, format_name, reasoning=Reasoning())
    calls = [
        ParsedCall("foo", {"a": 'x"</tool_call>\\', "b": [1, {"c": None}]}),
        ParsedCall("fo", {}),
        ParsedCall("foo_bar", {"city": "Zürich <tool_call>"}),
    ]
    text = '<think>call <tool_call> or not </thin</think>\n\nSo: <tool_cal {"nam [fo é' + call_text(format_name, calls)
    whole = _read(constraint, [text])
    assert [event.call for event in whole if isinstance(event, CallEnded)] == calls
    assert rewritten(constraint, whole) == text
    for split in range(1, len(text)):
        assert _read(constraint, [text[:split], text[split:]]) == whole, text[:split]
    assert _read(constraint, list(text)) == whole


def _read(constraint: ToolCalls, pieces: list[str]) -> list[object]:
    parser = CallParser(constraint)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return list(joined([*events, *parser.finish()]))
