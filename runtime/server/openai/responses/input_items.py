"""The items a conversation is made of, as clients send them."""

from typing import Any, Literal

import msgspec

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class InputText(msgspec.Struct, frozen=True, tag_field="type", tag="input_text", forbid_unknown_fields=True):
    """Text from the user or the developer."""

    text: str
    prompt_cache_breakpoint: dict[str, Any] | None = None
    """Ignored: the cache keeps every prefix."""


class OutputTextInput(msgspec.Struct, frozen=True, tag_field="type", tag="output_text", forbid_unknown_fields=True):
    """Text of an earlier answer."""

    text: str
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[dict[str, Any]] | None = None
    parsed: Any = None
    """What an SDK's `parse` adds."""


class RefusalInput(msgspec.Struct, frozen=True, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    """An earlier answer that was a refusal."""

    refusal: str


class SummaryInput(msgspec.Struct, frozen=True, tag_field="type", tag="summary_text", forbid_unknown_fields=True):
    """A summary of earlier thoughts."""

    text: str


class ReasoningTextInput(
    msgspec.Struct, frozen=True, tag_field="type", tag="reasoning_text", forbid_unknown_fields=True
):
    """Earlier thoughts."""

    text: str


TextPart = InputText | OutputTextInput | RefusalInput


class MessageInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A turn; the `type` may be left out."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[TextPart]
    type: Literal["message"] = "message"
    id: str | None = None
    status: ItemStatus | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    call_id: str
    name: str
    id: str | None = None
    status: ItemStatus | None = None
    caller: dict[str, Any] | None = None
    namespace: None = None
    is_async: Literal[False] | None = msgspec.field(default=None, name="async")


class FunctionCallInput(_Call, frozen=True, kw_only=True):
    """A call that was made."""

    type: Literal["function_call"]
    arguments: str
    parsed_arguments: Any = None
    """What an SDK's `parse` adds."""


class CustomCallInput(_Call, frozen=True, kw_only=True):
    """A call of a custom tool that was made."""

    type: Literal["custom_tool_call"]
    input: str


class CallOutputInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came of a call."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: str | list[InputText]
    id: str | None = None
    status: ItemStatus | None = None
    caller: dict[str, Any] | None = None
    name: str | None = None
    namespace: None = None


class ReasoningInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Earlier thoughts: chat templates leave them out of later turns, and so does the prompt."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: list[SummaryInput] = []
    content: list[ReasoningTextInput] | None = None
    encrypted_content: str | None = None
    status: ItemStatus | None = None


class ItemReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An item of a stored response, by its id."""

    id: str
    type: Literal["item_reference"] | None = None


InputItem = MessageInput | FunctionCallInput | CustomCallInput | CallOutputInput | ReasoningInput

ITEM_TYPES: dict[str, type[InputItem | ItemReference]] = {
    "message": MessageInput,
    "function_call": FunctionCallInput,
    "custom_tool_call": CustomCallInput,
    "function_call_output": CallOutputInput,
    "custom_tool_call_output": CallOutputInput,
    "reasoning": ReasoningInput,
    "item_reference": ItemReference,
}
"""By the `type` of an item."""
