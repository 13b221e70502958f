"""What a tool of the training chats is, and its schema in the OpenAI form."""

from collections.abc import Callable
from dataclasses import dataclass

from draw import Draw
from sample import Tool


@dataclass(frozen=True)
class Param:
    name: str
    kind: str  # string, integer, number, boolean, array, enum
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ask:
    """A question, the arguments that answer it, the tool's result and the sentence that reports it."""

    question: str
    arguments: dict[str, object]
    result: object
    reply: str


@dataclass(frozen=True)
class ToolKind:
    name: str
    description: str
    params: tuple[Param, ...]
    ask: Callable[[Draw], Ask]


def schema(draw: Draw, tool: ToolKind) -> Tool:
    """The OpenAI form, as detailed or as bare as Python functions give it."""
    described, titled, bare = draw.chance(0.4), draw.chance(0.1), draw.chance(0.15)
    properties: dict[str, object] = {}
    for param in tool.params:
        one: dict[str, object] = {"type": "string" if param.kind == "enum" else param.kind}
        if titled:
            one = {"title": param.name.replace("_", " ").title(), **one}
        if param.kind == "enum":
            one["enum"] = list(param.choices)
        if param.kind == "array":
            one["items"] = {"type": "string"}
        if described:
            one["description"] = param.description
        properties[param.name] = one
    parameters: dict[str, object] = {
        "type": "object",
        "properties": properties,
        "required": [param.name for param in tool.params],
    }
    if draw.chance(0.2):
        parameters["additionalProperties"] = False
    function: dict[str, object] = {"name": tool.name, "description": tool.description, "parameters": parameters}
    if bare:
        del function["description"]
    return {"type": "function", "function": function}


def string(name: str, description: str) -> Param:
    return Param(name, "string", description)
