"""What happens while an agent works, as frozen structs: thoughts, calls of tools, their results, the answer."""

from typing import Any, Generic, TypeVar

import msgspec

from ..tools.tool_result import JsonValue, json_text

A = TypeVar("A")


class Thought(msgspec.Struct, frozen=True, tag="thought"):
    """What the model wrote before a call, or before a structured answer; white space stripped, never empty."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """A call that the model asks for; its arguments follow the tool's schema."""

    id: str
    """Unique in its chat: "call_1", "call_2", ..."""
    name: str
    arguments: dict[str, Any]


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What came of a call: `result` is what the tool returned, as JSON values, or `error` says why there is none."""

    call: ToolCall
    result: JsonValue = None
    error: str | None = None

    @property
    def is_error(self) -> bool:
        """The tool raised, took too long, or was not allowed to run."""
        return self.error is not None

    @property
    def text(self) -> str:
        """What the model reads of it: a text as it is, all else as JSON, an error as `{"error": "..."}`."""
        return json_text(self.result if self.error is None else {"error": self.error})


class Answer(msgspec.Struct, Generic[A], frozen=True, tag="answer"):
    """The last event: the text of the answer, or the instance of `answer_type`."""

    value: A


AgentEvent = Thought | ToolCall | ToolResult | Answer[A]
