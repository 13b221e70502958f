"""What a response is made of, as it is sent: the response, the items of its output, its usage and its error."""

from typing import Any, Literal

import msgspec

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class TopLogprob(msgspec.Struct, frozen=True):
    """One of the likeliest tokens at a place; natural log of the raw model's probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...]


class TextLogprob(msgspec.Struct, frozen=True):
    """A token of the text; `bytes` are those it stands for, of which a character may need several tokens."""

    token: str
    logprob: float
    bytes: tuple[int, ...]
    top_logprobs: tuple[TopLogprob, ...] = ()


class OutputText(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    """Text for the user."""

    text: str
    annotations: tuple[dict[str, Any], ...] = ()
    logprobs: tuple[TextLogprob, ...] = ()


class ReasoningText(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    """Thoughts before the answer."""

    text: str


class OutputMessage(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """A turn's text outside of thoughts and calls."""

    id: str
    status: ItemStatus
    content: tuple[OutputText, ...] = ()
    role: Literal["assistant"] = "assistant"


class ReasoningItem(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning"):
    """The thoughts of a model that has marks for them."""

    id: str
    status: ItemStatus
    content: tuple[ReasoningText, ...] = ()
    summary: tuple[dict[str, Any], ...] = ()
    encrypted_content: None = None


class FunctionCallItem(msgspec.Struct, frozen=True, tag_field="type", tag="function_call"):
    """A call of a function; `arguments` is JSON text, whole once the status is `completed`."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str = ""


class CustomCallItem(msgspec.Struct, frozen=True, tag_field="type", tag="custom_tool_call"):
    """A call of a custom tool, whose input is one text."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    input: str = ""


OutputItem = OutputMessage | ReasoningItem | FunctionCallItem | CustomCallItem


class InputTokensDetails(msgspec.Struct, frozen=True):
    """Of the input: tokens that were found computed, and those that are now in the cache because of it."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(msgspec.Struct, frozen=True):
    """Of the output: tokens that went into thoughts."""

    reasoning_tokens: int


class Usage(msgspec.Struct, frozen=True):
    """Tokens read and written."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseError(msgspec.Struct, frozen=True):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    """What cut a response short."""

    reason: Literal["max_output_tokens"]


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response; what the request said is echoed, defaults filled in. Changed with `msgspec.structs.replace`."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    """Seconds since 1970, as are all times here."""
    completed_at: int | None = None
    status: Status
    background: bool
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | list[dict[str, Any]] | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = {}
    model: str
    output: tuple[OutputItem, ...] = ()
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: dict[str, Any] | None = None
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = True
    temperature: float | None = None
    text: dict[str, Any] = {}
    tool_choice: Any = "auto"
    tools: list[dict[str, Any]] = []
    top_logprobs: int = 0
    top_p: float | None = None
    truncation: Literal["auto", "disabled"] = "disabled"
    usage: Usage | None = None
    user: str | None = None
