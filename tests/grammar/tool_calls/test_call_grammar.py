"""What each format lets a model write, and what a parser makes of what no grammar held."""

import json
from typing import Any

import pytest
from call_walks import allows

from palmette.grammar.errors import ConstraintTooLarge, InvalidConstraint, InvalidSchema, UnsupportedSchema
from palmette.grammar.spec import Choice, Ebnf, Lark, Reasoning, Regex, ToolCalls, ToolSpec
from palmette.grammar.tool_calls.call_events import CallStarted, ParsedCall, ReasoningDelta, TextDelta
from palmette.grammar.tool_calls.call_format import FORMATS
from palmette.grammar.tool_calls.call_parser import CallParser, MalformedCall, parse_calls
from palmette.grammar.tool_calls.call_text import call_text

NAMES = tuple(FORMATS)
WEATHER = json.dumps(
    {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
)
TOOLS = (ToolSpec("get", WEATHER), ToolSpec("get_more", WEATHER), ToolSpec("grep", custom_input=Regex(r'[a-c"\n]+')))
ROME = ParsedCall("get", {"city": "Rome"})
OSLO = ParsedCall("get_more", {"city": "Oslo", "days": 2})
GREP = ParsedCall("grep", {"input": 'a"\nb'})
MARKS = ParsedCall("get", {"city": '<tool_call>\n{"name": "</tool_call>[TOOL_CALLS] [get(")]; \\'})


def calls(format_name: Any, **options: Any) -> ToolCalls:
    return ToolCalls(TOOLS, format_name, **options)


@pytest.mark.parametrize(
    ("format_name", "text"),
    [
        (
            "hermes",
            '<tool_call>\n{"name": "get", "arguments": {"city": "Rome"}}\n</tool_call>\n'
            '<tool_call>\n{"name": "get_more", "arguments": {"city": "Oslo", "days": 2}}\n</tool_call>',
        ),
        (
            "llama3",
            '{"name": "get", "parameters": {"city": "Rome"}}; '
            '{"name": "get_more", "parameters": {"city": "Oslo", "days": 2}}',
        ),
        (
            "mistral",
            '[TOOL_CALLS] [{"name": "get", "arguments": {"city": "Rome"}}, '
            '{"name": "get_more", "arguments": {"city": "Oslo", "days": 2}}]',
        ),
        ("pythonic", '[get(city="Rome"), get_more(city="Oslo", days=2)]'),
    ],
)
def test_the_bytes_of_each_format(format_name: Any, text: str) -> None:
    assert call_text(format_name, [ROME, OSLO]) == text
    assert parse_calls(calls(format_name), text) == (ROME, OSLO)
    assert allows(calls(format_name), text)
    assert allows(calls(format_name, choice="required"), text)
    assert not allows(calls(format_name, choice="none"), text)
    assert not allows(calls(format_name, parallel=False), text)
    assert not allows(calls(format_name, choice="required", parallel=False), text)


@pytest.mark.parametrize("format_name", NAMES)
@pytest.mark.parametrize("call", [ROME, OSLO, GREP, MARKS])
def test_one_call(format_name: Any, call: ParsedCall) -> None:
    text = call_text(format_name, [call])
    for options in ({}, {"parallel": False}, {"choice": "required"}, {"choice": "required", "parallel": False}):
        assert allows(calls(format_name, **options), text), options
    assert parse_calls(calls(format_name), text) == (call,)
    assert allows(calls(format_name, allowed=(call.name,), choice="required"), text)
    others = tuple(tool.name for tool in TOOLS if tool.name != call.name)
    assert not allows(calls(format_name, allowed=others), text)
    assert not allows(calls(format_name, choice="required"), "So: " + text), "a call comes right away"
    assert allows(calls(format_name), "So: " + text)
    assert not allows(calls(format_name), text[:-1])


@pytest.mark.parametrize("format_name", NAMES)
def test_wrong_calls_are_not_written(format_name: Any) -> None:
    for call in (
        ParsedCall("ge", {"city": "Rome"}),
        ParsedCall("get_mor", {"city": "Rome"}),
        ParsedCall("get", {}),
        ParsedCall("get", {"city": 3}),
        ParsedCall("get", {"city": "Rome", "days": "2"}),
        ParsedCall("get", {"city": "Rome", "more": 2}),
        ParsedCall("grep", {"input": "d"}),
        ParsedCall("grep", {"input": ""}),
        ParsedCall("grep", {}),
    ):
        assert not allows(calls(format_name, choice="required"), call_text(format_name, [call])), call


@pytest.mark.parametrize("format_name", NAMES)
def test_text_without_calls(format_name: Any) -> None:
    text = 'a < b, <tool_cal, <<tool_call, {"name, {{"name": [TOOL_CALLS, [[get, [get_more, g(, é 漢'
    assert allows(calls(format_name), text)
    assert allows(calls(format_name, choice="none"), text)
    assert not allows(calls(format_name, choice="required"), text)
    assert parse_calls(calls(format_name), text) == ()
    for choice in ("none", "auto"):
        trigger = FORMATS[format_name].trigger_of("get_more")
        assert not allows(calls(format_name, choice=choice, allowed=("get",)), text + trigger)


def test_text_after_calls() -> None:
    text = call_text("hermes", [ROME])
    assert allows(calls("hermes"), f"{text} and {text} so.")
    assert not allows(calls("hermes", parallel=False), f"{text} so."), "or the model would go on with the tool's reply"
    assert not allows(calls("hermes", choice="required", parallel=False), f"{text}\n")
    assert allows(calls("hermes", choice="required"), f"{text} so.")
    for name in ("llama3", "mistral", "pythonic"):
        assert not allows(calls(name), call_text(name, [ROME]) + "\n")
        parser = CallParser(calls(name))
        events = [*parser.feed(call_text(name, [ROME]) + "\nDone."), *parser.finish()]
        assert events[-1] == TextDelta("\nDone.")


@pytest.mark.parametrize("format_name", NAMES)
def test_reasoning(format_name: Any) -> None:
    text = call_text(format_name, [ROME, OSLO])
    thoughts = f"<think>maybe {text} </thin</think>"
    thinking = calls(format_name, reasoning=Reasoning())
    parser = CallParser(thinking)
    events = [*parser.feed(thoughts + text), *parser.finish()]
    assert events[0] == ReasoningDelta(f"maybe {text} </thin")
    assert parser.calls == (ROME, OSLO)
    for choice in ("auto", "required"):
        constraint = calls(format_name, reasoning=Reasoning(), choice=choice)
        assert allows(constraint, thoughts + text)
        assert allows(constraint, thoughts + "\n\n" + text)
        assert allows(constraint, text), "thoughts may be left out"
        assert not allows(constraint, "<think>" + text), "thoughts must be closed"
        opened = calls(format_name, reasoning=Reasoning(""), choice=choice)
        assert allows(opened, f"maybe </think>{text}")
        assert not allows(opened, text)
    assert not allows(calls(format_name, reasoning=Reasoning(), choice="required"), thoughts + "Well: " + text)
    assert not allows(thinking, "Well <think>")
    assert parse_calls(thinking, f"Well <think> {text}") == (ROME, OSLO), "a mark in the midst of text is text"


def test_what_no_grammar_held() -> None:
    constraint = calls("hermes")
    with pytest.raises(MalformedCall, match=r"expected '\\n' at character 11 of the turn, got '\{'"):
        parse_calls(constraint, "<tool_call>{}")
    with pytest.raises(MalformedCall, match="expected 'g' at character 22"):
        parse_calls(constraint, '<tool_call>\n{"name": "foo", "arguments": {}}\n</tool_call>')
    with pytest.raises(MalformedCall, match="the end of the turn"):
        parse_calls(constraint, call_text("hermes", [ROME])[:-3])
    with pytest.raises(MalformedCall, match="begins the arguments"):
        parse_calls(constraint, '<tool_call>\n{"name": "get", "arguments": 3')
    with pytest.raises(MalformedCall, match="arguments that parse"):
        parse_calls(constraint, '<tool_call>\n{"name": "get", "arguments": {"a": 1,}')
    with pytest.raises(MalformedCall, match="nested at most"):
        parse_calls(constraint, '<tool_call>\n{"name": "get", "arguments": {"a": ' + "[" * 300)
    parser = CallParser(constraint)
    with pytest.raises(MalformedCall):
        parser.feed(f"{call_text('hermes', [ROME])} <tool_call>??")
    assert parser.calls == (ROME,), "what was whole before stays"


def test_events_come_as_soon_as_they_are_sure() -> None:
    parser = CallParser(calls("hermes"))
    assert parser.feed("a <tool") == [TextDelta("a ")]
    assert parser.feed("s>") == [TextDelta("<tools>")]
    assert parser.feed('<tool_call>\n{"name": "get"') == []
    [started] = parser.feed(', "arguments": ')
    assert started == CallStarted(0, "get")


def test_names_in_other_alphabets() -> None:
    tools = (ToolSpec('say "hi"\n', "{}"), ToolSpec("größe", "{}"))
    for name in ("hermes", "llama3", "mistral"):
        for tool in tools:
            text = call_text(name, [ParsedCall(tool.name, {})])
            constraint = ToolCalls(tools, name)  # type: ignore[arg-type]  # of a list of names
            assert allows(constraint, text)
            assert parse_calls(constraint, text) == (ParsedCall(tool.name, {}),)
    with pytest.raises(InvalidConstraint, match="names that Python can call"):
        allows(ToolCalls(tools, "pythonic"), "")


@pytest.mark.parametrize(
    ("constraint", "error", "message"),
    [
        (ToolCalls(()), InvalidConstraint, "1 to 2000 tools"),
        (ToolCalls((ToolSpec("a", "{}"), ToolSpec("a", "{}"))), InvalidConstraint, "names that differ"),
        (ToolCalls((ToolSpec("a"),)), InvalidConstraint, "got neither"),
        (ToolCalls((ToolSpec("a", "{}", Regex("a")),)), InvalidConstraint, "got both"),
        (ToolCalls((ToolSpec("a", "{}"),), allowed=("b",)), InvalidConstraint, "allowed: expected some of"),
        (ToolCalls((ToolSpec("a", "{}"),), allowed=()), InvalidConstraint, "allowed: expected some of"),
        (ToolCalls((ToolSpec("a", "{}"),), "xml"), InvalidConstraint, "format: expected one of hermes"),  # type: ignore[arg-type]
        (ToolCalls((ToolSpec("a", "{}"),), choice="any"), InvalidConstraint, "choice: expected"),  # type: ignore[arg-type]
        (ToolCalls((ToolSpec("a", "{}"),), reasoning=Reasoning(end="")), InvalidConstraint, "a mark that ends it"),
        (ToolCalls((ToolSpec("a", "{}"),), reasoning=Reasoning("<t")), InvalidConstraint, "none holds another"),
        (ToolCalls((ToolSpec("a" * 10**6, "{}"),)), ConstraintTooLarge, "at most 2000 characters of a mark or name"),
        (ToolCalls((ToolSpec("a", '{"type": "array"}'),)), InvalidSchema, "as arguments are"),
        (ToolCalls((ToolSpec("a", "[]"),)), InvalidSchema, "the schema of an object"),
        (ToolCalls((ToolSpec("a", '{"properties": {"b": {"$ref": "http://x"}}}'),)), UnsupportedSchema, "fetched"),
    ],
)
def test_what_is_refused(constraint: ToolCalls, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        allows(constraint, "")


def test_custom_input() -> None:
    tools = (
        ToolSpec("pick", custom_input=Choice(("a\nb", "</tool_call>"))),
        ToolSpec("sum", custom_input=Lark('start: NUM ("+" start)? | "(" start ")"\nNUM: /[0-9"]+/')),
        ToolSpec("nest", custom_input=Ebnf('root ::= "<" root ">" | "\\""')),
    )
    for name in NAMES:
        constraint = ToolCalls(tools, name, "required")
        for tool_name, good, bad in (
            ("pick", "a\nb", "a"),
            ("pick", "</tool_call>", ""),
            ("nest", '<<">>', '<">>'),
            ("sum", '(1+2"+(3))', "(1+2"),
        ):
            assert allows(constraint, call_text(name, [ParsedCall(tool_name, {"input": good})]))
            assert not allows(constraint, call_text(name, [ParsedCall(tool_name, {"input": bad})]))
