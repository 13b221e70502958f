"""PlayBody: what the playground sends, and the operations it stands for."""

from typing import Literal

import msgspec

from ....grammar.spec import Choice, Constraint, Ebnf, JsonSchema, Lark, Regex, ToolCalls, ToolSpec
from ....lang.ir import DeclareTools, Gen, Operation, RoleBegin, RoleEnd, Text, Tool
from ....lang.sampling_params import SamplingParams
from ..api_error import ApiError, refused
from ..parameters import Parameter
from ..parts import ServerParts

NUM_ALTERNATIVES = 6

_MAX_TOKEN_LEN = 16
"""Characters of a token, on average, at most."""


class PlayMessage(msgspec.Struct, forbid_unknown_fields=True):
    """One turn of the chat so far."""

    role: Literal["system", "user", "assistant"]
    content: str


class PlayTool(msgspec.Struct, forbid_unknown_fields=True):
    """A tool, with the JSON Schema of its arguments."""

    name: str
    parameters: msgspec.Raw
    description: str = ""


class PlayBody(msgspec.Struct, forbid_unknown_fields=True):
    """A prompt or a chat, a constraint, and how to sample."""

    prompt: str | None = None
    messages: list[PlayMessage] = []
    constraint: Literal["none", "json_schema", "regex", "choices", "ebnf", "lark", "tools"] = "none"
    constraint_text: str = ""
    """The schema, the pattern or grammar, one choice a line, or the tools as a JSON array."""
    max_tokens: int = 128
    temperature: float = 0.8
    seed: int | None = None


_REASONS = {
    "prompt": "a text to go on with; either this or messages",
    "messages": "a chat to answer: roles system, user, assistant",
    "constraint": "none, json_schema, regex, choices, ebnf, lark or tools",
    "constraint_text": "the schema, the pattern or grammar, one choice a line, or the tools as a JSON array",
    "max_tokens": "default 128",
    "temperature": "default 0.8",
    "seed": "the same request with the same seed has the same answer",
}

PLAY_PARAMETERS = tuple(Parameter(name, "/dashboard/play", "supported", reason) for name, reason in _REASONS.items())


def play_operations(body: PlayBody, parts: ServerParts) -> list[Operation]:
    """What the playground asks for. Raises: ApiError, InvalidArgument."""
    limits = parts.settings.limits
    if len(body.constraint_text.encode("utf-8", "surrogatepass")) > limits.max_schema_bytes:
        raise refused("constraint_text", f"at most {limits.max_schema_bytes} bytes", len(body.constraint_text))
    if len(body.messages) > limits.max_messages:
        raise refused("messages", f"at most {limits.max_messages}", len(body.messages))
    text_len = len(body.prompt or "") + sum(len(each.content) for each in body.messages)
    if text_len > _MAX_TOKEN_LEN * parts.context_len:  # the engine tokenises it, and others would wait for it
        raise refused("prompt" if body.prompt else "messages", "a text that fits the context", f"{text_len} characters")
    tools = _tools(body, limits.max_tools) if body.constraint == "tools" else []
    params = SamplingParams(
        max_new_tokens=body.max_tokens,
        temperature=body.temperature,
        seed=body.seed,
        return_logprob=True,
        top_logprobs_num=NUM_ALTERNATIVES,
    )
    gen = Gen("answer", params, _constraint(body, tools, parts))
    if body.prompt is not None:
        if body.messages or tools:
            raise ApiError(400, "prompt: expected without messages and tools; those are for a chat", param="prompt")
        return [Text(body.prompt), gen]
    if not body.messages:
        raise ApiError(400, "messages: expected at least one, or a prompt", param="messages")
    declared = [DeclareTools(tuple(Tool(each.name, each.description, _json(each)) for each in tools))] if tools else []
    turns = [step for each in body.messages for step in (RoleBegin(each.role), Text(each.content), RoleEnd(each.role))]
    return [*declared, *turns, RoleBegin("assistant"), gen]


def _constraint(body: PlayBody, tools: list[PlayTool], parts: ServerParts) -> Constraint | None:
    text = body.constraint_text
    match body.constraint:
        case "none":
            return None
        case "json_schema":
            return JsonSchema(text)
        case "regex":
            return Regex(text)
        case "choices":
            return Choice(tuple(line for line in text.splitlines() if line))
        case "ebnf":
            return Ebnf(text)
        case "lark":
            return Lark(text)
        case "tools":
            specs = tuple(ToolSpec(each.name, _json(each)) for each in tools)
            return ToolCalls(specs, parts.call_format, reasoning=parts.reasoning)


def _tools(body: PlayBody, max_tools: int) -> list[PlayTool]:
    try:
        tools = msgspec.json.decode(body.constraint_text, type=list[PlayTool])
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"constraint_text: expected a JSON array of tools with name and parameters: {error}"
        raise ApiError(400, message, param="constraint_text", code="invalid_value") from error
    if not 1 <= len(tools) <= max_tools:
        raise refused("constraint_text", f"from 1 to {max_tools} tools", len(tools))
    return tools


def _json(tool: PlayTool) -> str:
    return bytes(tool.parameters).decode()
