"""template_messages, template_tools: what a client sends, as a model's chat template knows it."""

import json
from collections.abc import Sequence

from ....grammar.spec import ToolCalls
from ...errors import ChatTemplateError
from ..api_error import ApiError, refused
from ..bodies import check_free_json
from ..chat_prompt import ChatMessage, ChatPrompt, parsed_arguments, render_chat
from ..constraints import tool_name, tool_parameters
from ..parts import ServerParts
from ..request_fields import FunctionTool, Tool
from ..settings import LimitSettings
from .chat_types import AssistantMessage, Content, CustomCall, FunctionCall, Message, RefusalPart, TextPart, ToolMessage

_ROLES = {"developer": "system"}


def chat_prompt(
    parts: ServerParts, messages: Sequence[Message], tools: Sequence[Tool] = (), calls: ToolCalls | None = None
) -> ChatPrompt:
    """The conversation as the model reads it; takes long where it is long, so to be called in a thread.

    calls: what the tools came to. Raises: ApiError.
    """
    if parts.chat_template is None:
        raise ApiError(
            400,
            "messages: the model has no chat template; use /v1/completions",
            param="messages",
            code="no_chat_template",
        )
    if len(messages) > parts.settings.limits.max_messages:
        raise refused("messages", f"at most {parts.settings.limits.max_messages}", len(messages))
    written = template_messages(messages, parts.settings.limits)
    declared = template_tools(tools, calls) if calls is not None else []
    num_bytes = sum(len(str(message["content"]).encode()) for message in written)
    if num_bytes > parts.max_text_bytes:
        raise too_long("messages", num_bytes, parts)
    try:
        return render_chat(parts.chat_template, parts.tokenizer, written, declared)
    except ChatTemplateError as error:
        raise ApiError(400, str(error), param="messages", code="chat_template_refused") from error


def too_long(param: str, num_bytes: int, parts: ServerParts) -> ApiError:
    """A text that is sure to have more tokens than the context, without counting them."""
    message = f"{param}: {num_bytes} bytes of text do not fit the model's context of {parts.context_len} tokens"
    return ApiError(400, message, param=param, code="context_length_exceeded")


def template_messages(messages: Sequence[Message], limits: LimitSettings) -> list[ChatMessage]:
    """Each with `role` and `content`, an assistant's also with its calls. Raises: ApiError."""
    written: list[ChatMessage] = []
    names: dict[str, str] = {}  # of the tools that were called, by the call's id
    for index, message in enumerate(messages):
        role = str(message.__struct_config__.tag)
        content = _text(message.content, f"messages[{index}].content")
        each: dict[str, object] = {"role": _ROLES.get(role, role), "content": content}
        if isinstance(message, AssistantMessage):
            if message.content is None and message.refusal is not None:
                each["content"] = message.refusal
            if message.tool_calls:
                each["tool_calls"] = [
                    _call(call, names, f"messages[{index}].tool_calls", limits) for call in message.tool_calls
                ]
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in names:
                raise refused(
                    f"messages[{index}].tool_call_id",
                    "the id of a call in an assistant's turn before",
                    message.tool_call_id,
                )
            each |= {"tool_call_id": message.tool_call_id, "name": names[message.tool_call_id]}
        written.append(each)
    return written


def template_tools(tools: Sequence[Tool], calls: ToolCalls) -> list[ChatMessage]:
    """The tools as functions, which is all that templates know."""
    specs = {spec.name: spec for spec in calls.tools}
    return [_declared(tool, tool_parameters(specs[tool_name(tool)])) for tool in tools]


def _declared(tool: Tool, schema: str) -> ChatMessage:
    definition = tool.function if isinstance(tool, FunctionTool) else tool.custom
    function = {"name": definition.name, "description": definition.description or "", "parameters": json.loads(schema)}
    return {"type": "function", "function": function}


def _call(call: FunctionCall | CustomCall, names: dict[str, str], param: str, limits: LimitSettings) -> ChatMessage:
    if isinstance(call, FunctionCall):
        check_free_json(f"{param}.function.arguments", call.function.arguments.encode(), limits)
        names[call.id] = call.function.name
        arguments = parsed_arguments(call.function.arguments)
        return {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}}
    names[call.id] = call.custom.name
    function = {"name": call.custom.name, "arguments": {"input": call.custom.input}}
    return {"id": call.id, "type": "function", "function": function}


def _text(content: Content | None, param: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for index, part in enumerate(content):
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif isinstance(part, RefusalPart):
            texts.append(part.refusal)
        else:
            kind = str(part.__struct_config__.tag)
            raise ApiError(
                400,
                f"{param}[{index}]: expected a part of type 'text', got {kind!r}; the model reads text alone, and "
                "nothing is ever fetched",
                param=f"{param}[{index}]",
                code="unsupported_content",
            )
    return "".join(texts)
