"""The body of a request for a response."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from ...request_fields import ConstraintFields, JsonObjectFormat, PositiveInt, TextFormat, TextInput

Name = Annotated[str, Meta(min_length=1, max_length=128)]


class ResponseSchemaFormat(msgspec.Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON that `schema` accepts; enforced whether `strict` or not."""

    name: Annotated[str, Meta(max_length=256)]
    schema: Raw
    description: str | None = None
    strict: bool | None = None


class ResponseText(msgspec.Struct, forbid_unknown_fields=True):
    """What the text must be."""

    format: TextFormat | JsonObjectFormat | ResponseSchemaFormat | None = None
    verbosity: Literal["medium"] | None = None


class ResponseGrammarInput(msgspec.Struct, tag_field="type", tag="grammar", forbid_unknown_fields=True):
    """The input of a custom tool must follow a grammar; enforced."""

    syntax: Literal["lark", "regex"]
    definition: str


class ResponseFunctionTool(msgspec.Struct, tag_field="type", tag="function", forbid_unknown_fields=True, kw_only=True):
    """A function the model may call; the schema of its parameters is enforced whether `strict` or not."""

    name: Name
    parameters: Raw = msgspec.field(default_factory=Raw)
    strict: bool | None = None
    description: str | None = None
    output_schema: Raw = msgspec.field(default_factory=Raw)
    """Ignored: it says nothing of what the model may write."""
    allowed_callers: list[Literal["direct"]] | None = None
    defer_loading: Literal[False] | None = None
    is_async: Literal[False] | None = msgspec.field(default=None, name="async")


class ResponseCustomTool(msgspec.Struct, tag_field="type", tag="custom", forbid_unknown_fields=True, kw_only=True):
    """A tool that takes one text."""

    name: Name
    description: str | None = None
    format: TextInput | ResponseGrammarInput | None = None
    allowed_callers: list[Literal["direct"]] | None = None
    defer_loading: Literal[False] | None = None
    is_async: Literal[False] | None = msgspec.field(default=None, name="async")


ResponseTool = ResponseFunctionTool | ResponseCustomTool


class ResponseNamedFunction(msgspec.Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """This function must be called."""

    name: str


class ResponseNamedCustom(msgspec.Struct, tag_field="type", tag="custom", forbid_unknown_fields=True):
    """This custom tool must be called."""

    name: str


class ResponseAllowedTools(msgspec.Struct, tag_field="type", tag="allowed_tools", forbid_unknown_fields=True):
    """Of the tools, only these may, or must, be called."""

    mode: Literal["auto", "required"]
    tools: list[ResponseNamedFunction | ResponseNamedCustom]


ResponseToolChoice = (
    Literal["none", "auto", "required"] | ResponseNamedFunction | ResponseNamedCustom | ResponseAllowedTools
)


class ResponseReasoning(msgspec.Struct, forbid_unknown_fields=True):
    """How much the model should think, where it knows of that."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: Literal["standard"] | None = None


class ResponseStreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """What a stream holds besides."""

    include_obfuscation: bool | None = None


Includable = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]


class CreateResponse(ConstraintFields, kw_only=True, forbid_unknown_fields=True):
    """What `POST /v1/responses` takes; `response_parameters` says what becomes of each."""

    input: str | list[Raw] | None = None
    """A text, or items: see `input_items`."""
    model: str | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: list[Raw] | None = None
    """See `ResponseTool`; others are refused by their name."""
    tool_choice: ResponseToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: ResponseText | None = None
    reasoning: ResponseReasoning | None = None
    max_output_tokens: PositiveInt | None = None
    max_tool_calls: Annotated[int, Meta(ge=0)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None
    include: list[Includable] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Raw = msgspec.field(default_factory=Raw)
    prompt_cache_retention: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=256)] | None = None
    service_tier: str | None = None
    user: str | None = None
