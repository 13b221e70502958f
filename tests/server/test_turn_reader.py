"""TurnReader: a turn read in any pieces is the turn read whole, in every format; a cut one is what there is of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.grammar.spec import CallFormatName, Reasoning, Regex, ToolCalls, ToolSpec
from palmette.grammar.tool_calls.call_events import ParsedCall
from palmette.grammar.tool_calls.call_text import call_text
from palmette.runtime.server.openai.chat_reply import ReplyMessage, reply_message
from palmette.runtime.server.turn_reader import TurnCall, TurnReader

TOOLS = (
    ToolSpec("look", parameters='{"type": "object"}'),
    ToolSpec("sql", custom_input=Regex("(?s:.*)")),
)
FORMATS: tuple[CallFormatName, ...] = ("hermes", "llama3", "mistral", "pythonic")

texts = st.text(st.sampled_from('ab "\\\n{}:🌳é\x00/<'), max_size=12)
calls = st.lists(
    st.one_of(
        texts.map(lambda text: ParsedCall("sql", {"input": text})),
        st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(texts, st.integers(), st.lists(texts, max_size=2))).map(
            lambda arguments: ParsedCall("look", dict(arguments))
        ),
    ),
    max_size=3,
)


def read(constraint: ToolCalls, pieces: list[str]) -> tuple[ReplyMessage, int]:
    reader = TurnReader(constraint, {"sql"})
    parts = [part for piece in pieces for part in reader.feed(piece)] + reader.finish()
    message = reply_message(parts, may_call=True)
    for call in message.tool_calls or []:
        call.id = None
    return message, sum(isinstance(part, TurnCall) for part in parts)


@pytest.mark.parametrize("call_format", FORMATS)
@given(
    data=st.data(), made=calls, before=st.sampled_from(["", "Well.", "A\n\nb "]), after=st.sampled_from(["", " So."])
)
def test_pieces_are_the_whole(
    call_format: CallFormatName, data: st.DataObject, made: list[ParsedCall], before: str, after: str
) -> None:
    constraint = ToolCalls(TOOLS, call_format)
    after = after if call_format == "hermes" else ""  # nothing follows the calls of the others
    text = before + call_text(call_format, made) + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole, num_calls = read(constraint, [text])
    assert read(constraint, pieces) == (whole, num_calls)
    assert num_calls == len(made)
    assert (whole.content or "") == (before.rstrip() if made else before) + after
    for call, expected in zip(whole.tool_calls or [], made, strict=True):
        if expected.name == "sql":
            assert call.custom is not None
            assert call.custom.input == expected.arguments["input"]
        else:
            assert call.function is not None
            assert json.loads(call.function.arguments or "") == expected.arguments


@given(made=calls.filter(bool), data=st.data())
def test_a_cut_turn_is_a_beginning(made: list[ParsedCall], data: st.DataObject) -> None:
    constraint = ToolCalls(TOOLS)
    text = call_text("hermes", made)
    cut = text[: data.draw(st.integers(0, len(text)))]
    whole, _ = read(constraint, [text])
    part, num_calls = read(constraint, [cut])
    assert num_calls <= len(made)
    for call, expected in zip(part.tool_calls or [], whole.tool_calls or [], strict=False):
        assert call.type == expected.type
        if call.function is not None and expected.function is not None:
            assert (expected.function.arguments or "").startswith(call.function.arguments or "")
        if call.custom is not None and expected.custom is not None:
            assert (expected.custom.input or "").startswith(call.custom.input or "")


def test_thoughts_come_apart() -> None:
    constraint = ToolCalls(TOOLS, reasoning=Reasoning())
    message, _ = read(constraint, ["<think>so", " it is</think>\n\nHello"])
    assert message.reasoning_content == "so it is"
    assert (message.content or "").strip() == "Hello"
