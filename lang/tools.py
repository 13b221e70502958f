"""@tool: a Python function -> a schema that a model can read, and calls from JSON that are checked."""

import functools
import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, overload

from .docstring import parse_docstring
from .errors import InvalidArgument, UnsupportedTool
from .ir import Tool
from .parameter_type import SUPPORTED, ParameterType, Schema, UnsupportedType

P = ParamSpec("P")
R = TypeVar("R")


class ToolFunction(Generic[P, R]):
    """A function that a model may call; to Python it stays the function."""

    def __init__(self, func: Callable[P, R], name: str | None = None, description: str | None = None) -> None:
        self._func = func
        self.name = _tool_name(func, name)
        docstring = parse_docstring(func.__doc__)
        self.description = docstring.summary if description is None else description
        self._types = _parameter_types(func, self.name)
        self._required = [each.name for each in _parameters(func, self.name) if each.default is each.empty]
        self.parameters = self._schema(docstring.arguments)
        """JSON Schema of the arguments."""
        functools.update_wrapper(self, func, updated=())

    @property
    def tool(self) -> Tool:
        """The declaration that goes to the chat template."""
        return Tool(self.name, self.description, json.dumps(self.parameters, ensure_ascii=False))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._func(*args, **kwargs)

    def call_json(self, arguments: Mapping[str, object] | str) -> R:
        """Call with JSON arguments (an object, or its text), checked and converted; raises `InvalidArgument`."""
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError as error:
                raise InvalidArgument(self.name, "arguments as JSON text", arguments, str(error)) from error
        if not isinstance(arguments, Mapping):
            raise InvalidArgument(self.name, "a JSON object of arguments", arguments)
        missing = [name for name in self._required if name not in arguments]
        unknown = [name for name in arguments if name not in self._types]
        if missing or unknown:
            wrong = f"missing {missing}" if missing else f"unknown {unknown}"
            raise InvalidArgument(self.name, f"the arguments {list(self._types)}", dict(arguments), wrong)
        call: Callable[..., R] = self._func
        return call(**{name: self._types[name].convert(name, value) for name, value in arguments.items()})

    def __repr__(self) -> str:
        return f"<tool {self.name}({', '.join(self._types)})>"

    def _schema(self, descriptions: Mapping[str, str]) -> Schema:
        properties: Schema = {}
        for name, kind in self._types.items():
            description = {"description": descriptions[name]} if descriptions.get(name) else {}
            properties[name] = {**kind.schema, **description}
        return {"type": "object", "properties": properties, "required": self._required, "additionalProperties": False}


@overload
def tool(func: Callable[P, R]) -> ToolFunction[P, R]: ...
@overload
def tool(
    func: None = None, *, name: str | None = None, description: str | None = None
) -> Callable[[Callable[P, R]], ToolFunction[P, R]]: ...
def tool(func: Callable[..., Any] | None = None, *, name: str | None = None, description: str | None = None) -> Any:
    """Make `func` a tool: its parameters' annotations become a schema, its docstring the descriptions.

    The docstring's first paragraph describes the tool, its Google-style `Args:` the parameters. Parameters with a
    default may be left out by the model. Raises `UnsupportedTool` for what no schema can say: `*args`, `**kwargs`,
    positional-only or unannotated parameters, other types.
    """
    if func is None:
        return lambda func: ToolFunction(func, name, description)
    return ToolFunction(func, name, description)


def _tool_name(func: Callable[..., Any], name: str | None) -> str:
    if isinstance(func, type) or not callable(func):
        kind = "it is a class" if isinstance(func, type) else "it is no function"
        raise UnsupportedTool(getattr(func, "__name__", repr(func)), None, kind, "a function made by `def`")
    found = name if name is not None else getattr(func, "__name__", type(func).__name__)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", found):
        raise UnsupportedTool(found, None, f"the name is {found!r}", "a name of letters, digits, _ and -")
    if inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func) or inspect.isgeneratorfunction(func):
        raise UnsupportedTool(found, None, "it awaits or yields", "a plain `def`")
    return found


def _parameters(func: Callable[..., Any], tool_name: str) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(func).parameters.values())
    for each in parameters:
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            raise UnsupportedTool(
                tool_name, each.name, f"it is {each.kind.description}", "parameters that can be given by name"
            )
    return parameters


def _parameter_types(func: Callable[..., Any], tool_name: str) -> dict[str, ParameterType]:
    try:
        annotations = typing.get_type_hints(func)
    except NameError as error:
        raise UnsupportedTool(tool_name, None, f"an annotation cannot be read: {error}", SUPPORTED) from error
    kinds: dict[str, ParameterType] = {}
    for each in _parameters(func, tool_name):
        if each.name not in annotations:
            raise UnsupportedTool(tool_name, each.name, "it has no annotation", f"one of {SUPPORTED}")
        try:
            kinds[each.name] = ParameterType.of(annotations[each.name])
        except UnsupportedType as error:
            raise UnsupportedTool(tool_name, each.name, f"its type is {error}", SUPPORTED) from error
    return kinds
