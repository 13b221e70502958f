"""chat_messages: items that follow each other, as the turns of a chat."""

from typing import Any

from palmette.runtime.server.openai.chat_types import AssistantMessage, Message, ToolMessage
from palmette.runtime.server.openai.responses.item_messages import chat_messages

USER = {"type": "message", "role": "user", "content": "Hi"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hm."}]}
THOUGHT = {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "?"}]}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}


def output(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "3"}


def outline(messages: list[Message]) -> list[str]:
    """Each turn as its role, the calls it makes or answers, and a + where it says something."""
    lines = []
    for message in messages:
        line = str(message.__struct_config__.tag)
        if isinstance(message, AssistantMessage):
            line += "".join(each.id for each in message.tool_calls or ()) + ("+" if message.content is not None else "")
        if isinstance(message, ToolMessage):
            line += message.tool_call_id
        lines.append(line)
    return lines


def test_a_turn_ends_with_what_answers_it() -> None:
    items = [USER, call("a"), output("a"), call("b"), call("c"), output("b"), output("c"), SAID, USER]
    expected = ["user", "assistanta", "toola", "assistantbc", "toolb", "toolc", "assistant+", "user"]
    assert outline(chat_messages(None, items)) == expected


def test_thoughts_text_and_calls_are_one_turn() -> None:
    messages = chat_messages("Be kind.", [USER, THOUGHT, SAID, call("a"), output("a"), THOUGHT, SAID])
    assert outline(messages) == ["system", "user", "assistanta+", "toola", "assistant+"]
    assert isinstance(messages[2], AssistantMessage)
    assert messages[2].reasoning_content == "?"


def test_thoughts_alone_are_no_turn() -> None:
    assert outline(chat_messages(None, [USER, THOUGHT])) == ["user"]


def test_two_texts_are_two_turns() -> None:
    assert outline(chat_messages(None, [USER, SAID, SAID])) == ["user", "assistant+", "assistant+"]
