"""The body of `/v1/chat/completions`, as structs that msgspec decodes."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, field

from ..request_fields import ConstraintFields, PositiveInt, ResponseFormat, Tool, ToolChoiceField


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """Text in a message made of parts; what else a client writes there (marks for caches) is not read."""

    text: str


class RefusalPart(msgspec.Struct, tag_field="type", tag="refusal"):
    """What the assistant would not do."""

    refusal: str


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    """Refused: the model reads text."""

    image_url: Raw = field(default_factory=Raw)


class AudioPart(msgspec.Struct, tag_field="type", tag="input_audio"):
    """Refused: the model reads text."""

    input_audio: Raw = field(default_factory=Raw)


class FilePart(msgspec.Struct, tag_field="type", tag="file"):
    """Refused: the model reads text."""

    file: Raw = field(default_factory=Raw)


Part = TextPart | RefusalPart | ImagePart | AudioPart | FilePart
Content = str | list[Part]


class SystemMessage(msgspec.Struct, tag_field="role", tag="system", kw_only=True, forbid_unknown_fields=True):
    """What holds for all that follows."""

    content: Content
    name: str | None = None


class DeveloperMessage(msgspec.Struct, tag_field="role", tag="developer", kw_only=True, forbid_unknown_fields=True):
    """Read as `system`."""

    content: Content
    name: str | None = None


class UserMessage(msgspec.Struct, tag_field="role", tag="user", kw_only=True, forbid_unknown_fields=True):
    """What the user says."""

    content: Content
    name: str | None = None


class CalledFunction(msgspec.Struct, kw_only=True):
    """What was called; `arguments` is JSON text."""

    name: str
    arguments: str


class FunctionCall(msgspec.Struct, tag_field="type", tag="function", kw_only=True):
    """A call the model made."""

    id: str
    function: CalledFunction


class CalledCustom(msgspec.Struct, kw_only=True):
    """What was called, with the text it got."""

    name: str
    input: str


class CustomCall(msgspec.Struct, tag_field="type", tag="custom", kw_only=True):
    """A call of a custom tool the model made."""

    id: str
    custom: CalledCustom


class AssistantMessage(msgspec.Struct, tag_field="role", tag="assistant", kw_only=True):
    """What the model said; of what a reply holds, all may be sent back.

    Clients send back what they noted at the reply, too (LiteLLM `provider_specific_fields`); OpenAI does not read that
    and neither do we.
    """

    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[FunctionCall | CustomCall] | None = None
    reasoning_content: str | None = None
    annotations: Raw = field(default_factory=Raw)
    audio: None = None
    function_call: None = None


class ToolMessage(msgspec.Struct, tag_field="role", tag="tool", kw_only=True, forbid_unknown_fields=True):
    """What a tool answered."""

    content: Content
    tool_call_id: str
    name: str | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """What a stream holds besides the text."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Prediction(msgspec.Struct, tag_field="type", tag="content", forbid_unknown_fields=True):
    """A guess at the reply."""

    content: str | list[TextPart]


class ChatRequest(ConstraintFields, kw_only=True, forbid_unknown_fields=True):
    """What `/v1/chat/completions` takes; `chat_parameters` says what becomes of each."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    model: str | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoiceField | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None
    max_completion_tokens: PositiveInt | None = None
    max_tokens: PositiveInt | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    prediction: Prediction | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    modalities: list[Literal["text"]] | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Raw = field(default_factory=Raw)
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: Literal[False] | None = None
    user: str | None = None
    verbosity: Literal["medium"] | None = None
