"""What the bodies of several endpoints hold: how tokens are picked, on what terms, and what the text is held to."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, field

PositiveInt = Annotated[int, Meta(ge=1)]


class StructuredOutputs(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """vLLM's constraints: one of them."""

    json: Raw = field(default_factory=Raw)
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    """EBNF, or Lark where it reads as that."""
    json_object: bool | None = None
    structural_tag: Raw = field(default_factory=Raw)
    disable_any_whitespace: bool | None = None
    """JSON is written without blanks."""


class SamplingFields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """OpenAI's names and those of vLLM and SGLang; JSON has them side by side, so bodies inherit them."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    """-1 and 0: all tokens."""
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool | None = None
    min_tokens: int | None = None
    skip_special_tokens: bool | None = None
    n: int | None = None


class TermsFields(SamplingFields, kw_only=True, forbid_unknown_fields=True):
    """How a request is served among all others."""

    cache_salt: Annotated[str, Meta(max_length=256)] | None = None
    priority: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    queue_timeout_s: float | None = None
    timeout_s: float | None = None


class ConstraintFields(TermsFields, kw_only=True, forbid_unknown_fields=True):
    """What the text is held to, besides what OpenAI has for it; one at most."""

    regex: str | None = None
    ebnf: str | None = None
    structural_tag: Raw = field(default_factory=Raw)
    structured_outputs: StructuredOutputs | None = None


class TextFormat(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class JsonObjectFormat(msgspec.Struct, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """Any JSON object."""


class NamedSchema(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A JSON Schema; it is enforced whether `strict` or not."""

    name: Annotated[str, Meta(max_length=256)]
    schema: Raw = field(default_factory=Raw)
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(msgspec.Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON by a schema."""

    json_schema: NamedSchema


class Structure(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tagged part whose content is JSON by a schema."""

    begin: str
    schema: Raw
    end: str


class StructuralTagFormat(msgspec.Struct, tag_field="type", tag="structural_tag", forbid_unknown_fields=True):
    """Free text with tagged parts, as SGLang has it in `response_format`."""

    structures: list[Structure]
    triggers: list[str]


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat | StructuralTagFormat


class FunctionDefinition(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A function the model may call; its schema is enforced whether `strict` or not."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    parameters: Raw = field(default_factory=Raw)
    strict: bool | None = None


class FunctionTool(msgspec.Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """See `FunctionDefinition`."""

    function: FunctionDefinition


class GrammarDefinition(msgspec.Struct, forbid_unknown_fields=True):
    """The language of a custom tool's input."""

    definition: str
    syntax: Literal["lark", "regex"]


class TextInput(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class GrammarInput(msgspec.Struct, tag_field="type", tag="grammar", forbid_unknown_fields=True):
    """Text by a grammar."""

    grammar: GrammarDefinition


class CustomDefinition(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tool that takes one text."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    format: TextInput | GrammarInput | None = None


class CustomTool(msgspec.Struct, tag_field="type", tag="custom", forbid_unknown_fields=True):
    """See `CustomDefinition`."""

    custom: CustomDefinition


Tool = FunctionTool | CustomTool


class ToolName(msgspec.Struct):
    """A tool by its name; more may be said of it, and is not read."""

    name: str


class NamedFunction(msgspec.Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    """This function is to be called."""

    function: ToolName


class NamedCustom(msgspec.Struct, tag_field="type", tag="custom", forbid_unknown_fields=True):
    """This custom tool is to be called."""

    custom: ToolName


class AllowedTools(msgspec.Struct, forbid_unknown_fields=True):
    """A choice among some of the tools."""

    mode: Literal["auto", "required"]
    tools: list[NamedFunction | NamedCustom]


class AllowedToolsChoice(msgspec.Struct, tag_field="type", tag="allowed_tools", forbid_unknown_fields=True):
    """See `AllowedTools`."""

    allowed_tools: AllowedTools


ToolChoiceField = Literal["none", "auto", "required"] | NamedFunction | NamedCustom | AllowedToolsChoice
