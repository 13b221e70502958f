"""chat_request: a request for a response as one for a chat, which is read and run as all chats are."""

import re
from collections.abc import Sequence

import msgspec

from ...api_error import ApiError, refused, shown
from ...request_fields import (
    AllowedTools,
    AllowedToolsChoice,
    ConstraintFields,
    CustomDefinition,
    CustomTool,
    FunctionDefinition,
    FunctionTool,
    GrammarDefinition,
    GrammarInput,
    JsonSchemaFormat,
    NamedCustom,
    NamedFunction,
    NamedSchema,
    ResponseFormat,
    Tool,
    ToolChoiceField,
    ToolName,
)
from ..chat_types import ChatRequest, Message
from .create_types import (
    CreateResponse,
    ResponseAllowedTools,
    ResponseCustomTool,
    ResponseFunctionTool,
    ResponseGrammarInput,
    ResponseNamedCustom,
    ResponseNamedFunction,
    ResponseSchemaFormat,
    ResponseTool,
    ResponseToolChoice,
)
from .decoded_part import decoded_part

_LOGPROBS = "message.output_text.logprobs"

_NAMES = (
    (re.compile(r"^messages(\[\d+\](\.\w+)*)?"), "input"),
    (re.compile(r"^response_format(\.json_schema)?"), "text.format"),
    (re.compile(r"^(tools\[\d+\])\.(function|custom\.format\.grammar|custom)\b"), r"\1"),
    (re.compile(r"^tool_choice\.allowed_tools\b"), "tool_choice"),
    (re.compile(r"^reasoning_effort\b"), "reasoning.effort"),
    (re.compile(r"^max_(completion_)?tokens\b"), "max_output_tokens"),
)
"""What a chat calls a parameter, and what it is called here."""


class _ToolKind(msgspec.Struct):
    type: str
    """What says which tool it is."""


def chat_request(body: CreateResponse, tools: Sequence[ResponseTool], messages: list[Message]) -> ChatRequest:
    """The same request in the words of a chat."""
    shared = {name: getattr(body, name) for name in ConstraintFields.__struct_fields__}
    has_logprobs = _LOGPROBS in (body.include or ()) or bool(body.top_logprobs)
    return ChatRequest(
        messages=messages,
        model=body.model,
        tools=[_chat_tool(tool) for tool in tools] or None,
        tool_choice=_chat_choice(body.tool_choice),
        parallel_tool_calls=body.parallel_tool_calls if tools else None,
        response_format=_chat_format(body),
        logprobs=has_logprobs or None,
        top_logprobs=body.top_logprobs if has_logprobs else None,
        max_completion_tokens=body.max_output_tokens,
        stream=bool(body.stream or body.background),
        reasoning_effort=None if body.reasoning is None else body.reasoning.effort,
        **shared,
    )


def read_tools(given: Sequence[msgspec.Raw], max_tools: int) -> list[ResponseTool]:
    """The tools. Raises: ApiError, also for those that are OpenAI's own."""
    if len(given) > max_tools:
        raise refused("tools", f"at most {max_tools}", len(given))
    tools: list[ResponseTool] = []
    for index, raw in enumerate(given):
        place = f"tools[{index}]"
        kind = decoded_part(bytes(raw), _ToolKind, place).type
        if kind not in ("function", "custom"):
            raise ApiError(
                400,
                f"{place}: the built-in tool {shown(kind)} is not supported: this server calls nothing by itself; "
                "declare a function, or a custom tool, and answer its calls",
                param=place,
                code="unsupported_tool",
            )
        tool_type: type[ResponseTool] = ResponseFunctionTool if kind == "function" else ResponseCustomTool
        tools.append(decoded_part(bytes(raw), tool_type, place))
    return tools


def own_error(error: ApiError) -> ApiError:
    """An error about a chat, with the names that parameters have here."""
    if error.param is None:
        return error
    param = error.param
    for name, ours in _NAMES:
        param = name.sub(ours, param)
    message = error.message
    if message.startswith(error.param):
        message = param + message[len(error.param) :]
    return ApiError(
        error.status, message, type=error.type, param=param, code=error.code, retry_after_s=error.retry_after_s
    )


def _chat_tool(tool: ResponseTool) -> Tool:
    match tool:
        case ResponseFunctionTool():
            definition = FunctionDefinition(
                name=tool.name, description=tool.description, parameters=tool.parameters, strict=tool.strict
            )
            return FunctionTool(definition)
        case ResponseCustomTool(format=ResponseGrammarInput(syntax, text)):
            grammar = GrammarInput(GrammarDefinition(text, syntax))
            return CustomTool(CustomDefinition(name=tool.name, description=tool.description, format=grammar))
        case ResponseCustomTool():
            return CustomTool(CustomDefinition(name=tool.name, description=tool.description))


def _chat_choice(choice: ResponseToolChoice | None) -> ToolChoiceField | None:
    match choice:
        case ResponseAllowedTools(mode, tools):
            return AllowedToolsChoice(AllowedTools(mode, [_named(each) for each in tools]))
        case ResponseNamedFunction() | ResponseNamedCustom():
            return _named(choice)
        case _:
            return choice


def _named(tool: ResponseNamedFunction | ResponseNamedCustom) -> NamedFunction | NamedCustom:
    name = ToolName(tool.name)
    return NamedFunction(name) if isinstance(tool, ResponseNamedFunction) else NamedCustom(name)


def _chat_format(body: CreateResponse) -> ResponseFormat | None:
    given = None if body.text is None else body.text.format
    if isinstance(given, ResponseSchemaFormat):
        return JsonSchemaFormat(
            NamedSchema(name=given.name, schema=given.schema, description=given.description, strict=given.strict)
        )
    return given
