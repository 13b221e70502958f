"""One training or test case: a chat, or a raw text whose tail is the answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
Tool = dict[str, Any]

STYLES = ("compact", "spaced", "compact", "spaced", "pretty")


@dataclass(frozen=True)
class Sample:
    """A chat (`messages`, maybe `tools`) or raw text (`prompt` + `answer`), never both.

    `match` says how an answer is judged: "text" (equal after stripping), "json" (equal once parsed), "calls" (the same
    tool calls), "count" (as many list items as in the answer), "open" (not judged).
    """

    skill: str
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    prompt: str = ""
    answer: str = ""
    match: str = "text"
    judged_turn: int | None = None  # index of the assistant message to judge; None: the last one


def chat(skill: str, messages: Sequence[Message], tools: Sequence[Tool] = (), match: str = "text") -> Sample:
    return Sample(skill, messages=tuple(messages), tools=tuple(tools), match=match)


def raw(skill: str, prompt: str, answer: str, match: str = "text") -> Sample:
    return Sample(skill, prompt=prompt, answer=answer, match=match)


def turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def dump_json(value: object, style: str) -> str:
    """JSON in one of the three styles that a grammar may force."""
    if style == "compact":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if style == "pretty":
        return json.dumps(value, indent=2, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def call_text(name: str, arguments: Mapping[str, object], style: str) -> str:
    """A tool call as the chat template writes it, in a chosen JSON style."""
    body = dump_json({"name": name, "arguments": dict(arguments)}, style)
    return f"<tool_call>\n{body}\n</tool_call>"
