"""text_constraint, tool_calls: what a request says its text is held to, as a constraint of the grammar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any as Unknown

import msgspec
from msgspec import Raw

from ...grammar.spec import (
    Any,
    CallFormatName,
    Choice,
    Constraint,
    Ebnf,
    JsonSchema,
    Lark,
    Reasoning,
    Regex,
    StructuralTag,
    Tag,
    ToolCalls,
    ToolSpec,
    Whitespace,
)
from .api_error import ApiError, refused, shown
from .bodies import free_json
from .request_fields import (
    AllowedToolsChoice,
    ConstraintFields,
    CustomTool,
    FunctionTool,
    GrammarInput,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamedCustom,
    NamedFunction,
    ResponseFormat,
    StructuralTagFormat,
    StructuredOutputs,
    Tool,
    ToolChoiceField,
)
from .settings import LimitSettings

_ANY_OBJECT = '{"type": "object"}'
_NO_ARGUMENTS = '{"type": "object", "properties": {}, "additionalProperties": false}'
_TEXT_INPUT = '{"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}'


@dataclass(frozen=True)
class NamedConstraint:
    """A constraint, and the parameter it came in, to be named where it is at fault."""

    constraint: Constraint
    param: str


def text_constraint(
    fields: ConstraintFields, response_format: ResponseFormat | None, limits: LimitSettings
) -> NamedConstraint | None:
    """The one thing that the text is held to, None: nothing. Raises: ApiError, also where it is two things."""
    found = [
        each
        for each in (
            _of_response_format(response_format, limits),
            _of_text("regex", fields.regex, Regex, limits),
            _of_text("ebnf", fields.ebnf, Ebnf, limits),
            _of_structural_tag("structural_tag", fields.structural_tag, limits),
            _of_structured_outputs(fields.structured_outputs, limits),
        )
        if each is not None
    ]
    if len(found) > 1:
        names = " and ".join(each.param for each in found)
        raise ApiError(400, f"{names}: expected one constraint at most", param=found[1].param, code="two_constraints")
    return found[0] if found else None


def tool_calls(
    tools: Sequence[Tool],
    choice: ToolChoiceField | None,
    is_parallel: bool | None,
    limits: LimitSettings,
    *,
    call_format: CallFormatName = "hermes",
    reasoning: Reasoning | None = None,
) -> ToolCalls | None:
    """The turns that these tools, and what is said of their choice, allow; None without tools. Raises: ApiError."""
    if not tools:
        if choice not in (None, "none", "auto"):
            raise refused("tool_choice", "tools to choose from", shown(choice))
        return None
    if len(tools) > limits.max_tools:
        raise refused("tools", f"at most {limits.max_tools}", len(tools))
    specs = tuple(_tool_spec(index, tool, limits) for index, tool in enumerate(tools))
    num_bytes = sum(len(spec.parameters or "") for spec in specs)
    if num_bytes > limits.max_schema_bytes:
        raise refused("tools", f"schemas of at most {limits.max_schema_bytes} bytes together", num_bytes)
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise refused("tools", "names that differ", doubled)
    base = ToolCalls(specs, call_format, reasoning=reasoning, parallel=is_parallel is not False)
    match choice:
        case None | "auto":
            return base
        case "none" | "required":
            return msgspec.structs.replace(base, choice=choice)
        case NamedFunction() | NamedCustom():
            # One is to be called: another only where the client says so itself.
            name = _known_name("tool_choice", choice, tools)
            return msgspec.structs.replace(base, choice="required", allowed=(name,), parallel=is_parallel is True)
        case AllowedToolsChoice(allowed):
            if not allowed.tools:
                raise refused("tool_choice.allowed_tools.tools", "at least one tool", [])
            allowed_names = tuple(_known_name("tool_choice.allowed_tools.tools", each, tools) for each in allowed.tools)
            return msgspec.structs.replace(base, choice=allowed.mode, allowed=allowed_names)


def tool_name(tool: Tool) -> str:
    """How it is called."""
    return tool.function.name if isinstance(tool, FunctionTool) else tool.custom.name


def tool_parameters(spec: ToolSpec) -> str:
    """The schema that a model is shown; a tool with custom input is a function with one text."""
    return _TEXT_INPUT if spec.parameters is None else spec.parameters


def _known_name(param: str, named: NamedFunction | NamedCustom, tools: Sequence[Tool]) -> str:
    is_function = isinstance(named, NamedFunction)
    name = named.function.name if isinstance(named, NamedFunction) else named.custom.name
    if not any(tool_name(tool) == name and isinstance(tool, FunctionTool) is is_function for tool in tools):
        kind = "functions" if is_function else "custom tools"
        raise refused(param, f"one of the {kind} in tools", name)
    return name


def _tool_spec(index: int, tool: Tool, limits: LimitSettings) -> ToolSpec:
    if isinstance(tool, FunctionTool):
        schema = free_json(f"tools[{index}].function.parameters", tool.function.parameters, limits)
        return ToolSpec(tool.function.name, parameters=schema or _NO_ARGUMENTS)
    return _custom_spec(index, tool, limits)


def _custom_spec(index: int, tool: CustomTool, limits: LimitSettings) -> ToolSpec:
    if not isinstance(tool.custom.format, GrammarInput):
        return ToolSpec(tool.custom.name, parameters=_TEXT_INPUT)
    grammar = tool.custom.format.grammar
    _check_len(f"tools[{index}].custom.format.grammar.definition", grammar.definition, limits)
    language = Lark(grammar.definition) if grammar.syntax == "lark" else Regex(grammar.definition)
    return ToolSpec(tool.custom.name, custom_input=language)


def _of_response_format(given: ResponseFormat | None, limits: LimitSettings) -> NamedConstraint | None:
    match given:
        case JsonObjectFormat():
            return NamedConstraint(JsonSchema(_ANY_OBJECT), "response_format")
        case JsonSchemaFormat(named):
            schema = free_json("response_format.json_schema.schema", named.schema, limits)
            # A schema that is left out is that of any object, as OpenAI has it.
            return NamedConstraint(JsonSchema(schema or _ANY_OBJECT), "response_format.json_schema.schema")
        case StructuralTagFormat(structures, triggers):
            tags = tuple(
                Tag(each.begin, _schema(f"response_format.structures[{index}].schema", each.schema, limits), each.end)
                for index, each in enumerate(structures)
            )
            return NamedConstraint(StructuralTag(tags, tuple(triggers)), "response_format.structures")
        case _:
            return None


def _of_text(
    param: str, given: str | None, kind: type[Regex] | type[Ebnf], limits: LimitSettings
) -> NamedConstraint | None:
    if given is None:
        return None
    _check_len(param, given, limits)
    return NamedConstraint(kind(given), param)


def _of_structured_outputs(given: StructuredOutputs | None, limits: LimitSettings) -> NamedConstraint | None:
    if given is None:
        return None
    param = "structured_outputs"
    whitespace: Whitespace = "compact" if given.disable_any_whitespace else "spaced"
    schema = free_json(f"{param}.json", given.json, limits)
    if schema is not None and schema.startswith('"'):
        schema = msgspec.json.decode(schema, type=str)  # vLLM takes the text of one, too
    found = [
        _of_text(f"{param}.regex", given.regex, Regex, limits),
        _of_structural_tag(f"{param}.structural_tag", given.structural_tag, limits),
    ]
    if schema is not None:
        found.append(NamedConstraint(JsonSchema(schema, whitespace), f"{param}.json"))
    if given.json_object:
        found.append(NamedConstraint(JsonSchema(_ANY_OBJECT, whitespace), f"{param}.json_object"))
    if given.choice is not None:
        _check_len(f"{param}.choice", "".join(given.choice), limits)
        found.append(NamedConstraint(Choice(tuple(given.choice)), f"{param}.choice"))
    if given.grammar is not None:
        _check_len(f"{param}.grammar", given.grammar, limits)
        # The two notations are told apart by how a rule is written: `::=` is EBNF's.
        kind = Ebnf if "::=" in given.grammar else Lark
        found.append(NamedConstraint(kind(given.grammar), f"{param}.grammar"))
    named = [each for each in found if each is not None]
    if len(named) != 1:
        names = [each.param for each in named]
        raise refused(param, "one of json, regex, choice, grammar, json_object, structural_tag", names)
    return named[0]


class _SchemaContent(msgspec.Struct, tag_field="type", tag="json_schema"):
    json_schema: Raw


class _RegexContent(msgspec.Struct, tag_field="type", tag="regex"):
    pattern: str


class _GrammarContent(msgspec.Struct, tag_field="type", tag="grammar"):
    grammar: str


class _AnyContent(msgspec.Struct, tag_field="type", tag="any_text"):
    pass


class _TagField(msgspec.Struct, forbid_unknown_fields=True):
    begin: str
    end: str
    content: _SchemaContent | _RegexContent | _GrammarContent | _AnyContent
    type: str = "tag"


class _TriggeredTags(msgspec.Struct, tag_field="type", tag="triggered_tags", forbid_unknown_fields=True):
    """XGrammar's free text with tagged parts."""

    tags: list[_TagField]
    triggers: list[str] = []
    at_least_one: bool = False
    stop_after_first: bool = False


class _StructuralTagField(msgspec.Struct, tag_field="type", tag="structural_tag", forbid_unknown_fields=True):
    format: _TriggeredTags | None = None
    structures: list[dict[str, Raw]] | None = None
    triggers: list[str] | None = None


def _of_structural_tag(param: str, given: Raw, limits: LimitSettings) -> NamedConstraint | None:
    """`{"type": "structural_tag", "format": {"type": "triggered_tags", ...}}`, or `{"structures", "triggers"}`."""
    text = free_json(param, given, limits)
    if text is None:
        return None
    if text.startswith('"'):
        text = msgspec.json.decode(text, type=str)  # SGLang and vLLM take the JSON as text
    try:
        value = msgspec.json.decode(text, type=dict[str, Raw])
        value.setdefault("type", Raw(b'"structural_tag"'))
        if "structures" in value:
            legacy = msgspec.json.decode(msgspec.json.encode(value), type=StructuralTagFormat)
            found = _of_response_format(legacy, limits)
            assert found is not None, legacy
            return NamedConstraint(found.constraint, param)
        format_field = msgspec.json.decode(msgspec.json.encode(value), type=_StructuralTagField).format
    except (msgspec.DecodeError, RecursionError) as error:
        expected = 'an object with "format" of type "triggered_tags", or with "structures" and "triggers"'
        raise refused(param, expected, text, shown(str(error), 120)) from error
    if format_field is None:
        raise refused(param, 'a "format", or "structures"', text)
    tags = tuple(
        Tag(each.begin, _content(f"{param}.format.tags[{index}].content", each.content, limits), each.end)
        for index, each in enumerate(format_field.tags)
    )
    tag = StructuralTag(tags, tuple(format_field.triggers), format_field.at_least_one, format_field.stop_after_first)
    return NamedConstraint(tag, param)


def _content(param: str, content: Unknown, limits: LimitSettings) -> Constraint:
    match content:
        case _SchemaContent(schema):
            return _schema(f"{param}.json_schema", schema, limits)
        case _RegexContent(pattern):
            return Regex(pattern)
        case _GrammarContent(grammar):
            return Ebnf(grammar)
        case _:
            return Any()


def _schema(param: str, raw: Raw, limits: LimitSettings) -> JsonSchema:
    return JsonSchema(free_json(param, raw, limits) or _ANY_OBJECT)


def _check_len(param: str, text: str, limits: LimitSettings) -> None:
    if not text:
        raise refused(param, "a text that is not empty", text)
    if len(text) > limits.max_schema_bytes:
        raise refused(param, f"at most {limits.max_schema_bytes} characters", len(text))
