"""ToolSignature: what is read of a callable to make it a tool: name, documentation, parameters and their types."""

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...grammar.types.type_errors import SUPPORTED, UnsupportedType
from ...grammar.types.value_type import ValueType
from ..errors import UnsupportedTool

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class ToolSignature:
    """Made by `of`."""

    name: str
    documentation: str | None
    types: Mapping[str, ValueType[Any]]
    """By the name of the parameter, in order."""
    required: Sequence[str]
    """The parameters without a default."""
    is_async: bool
    """It is an `async def`."""
    has_receiver: bool
    """It is the function of a method, as written in its class: the first parameter is not the model's to give."""

    @classmethod
    def of(cls, func: object, name: str | None) -> "ToolSignature":
        """Read a function, a bound method, a `functools.partial`, or an object with `__call__`.

        What a partial has filled in is none of the model's business: these parameters are left out. Raises
        `UnsupportedTool`.
        """
        written = _written(func)
        name = _checked_name(func, name)
        if inspect.isasyncgenfunction(written) or inspect.isgeneratorfunction(written):
            raise UnsupportedTool(name, None, "it yields", "a `def` or `async def` that returns")
        assert callable(func)
        parameters = _open_parameters(func, name)
        has_receiver = _has_receiver(func, parameters)
        parameters = parameters[1:] if has_receiver else parameters
        return cls(
            name,
            _documentation(func, written),
            _value_types(written, parameters, name),
            tuple(each.name for each in parameters if each.default is each.empty),
            inspect.iscoroutinefunction(written),
            has_receiver,
        )


def _written(func: object) -> object:
    """The function that somebody wrote, under the partials and objects around it."""
    while isinstance(func, functools.partial):
        func = func.func
    is_object = callable(func) and not isinstance(func, type) and not inspect.isroutine(func)
    return type(func).__call__ if is_object else func


def _checked_name(func: object, name: str | None) -> str:
    if isinstance(func, type) or not callable(func):
        kind = "it is a class" if isinstance(func, type) else "it is no function"
        raise UnsupportedTool(getattr(func, "__name__", repr(func)), None, kind, "a function made by `def`")
    while isinstance(func, functools.partial):
        func = func.func
    found = name if name is not None else getattr(func, "__name__", type(func).__name__)
    if not _NAME.fullmatch(found):
        raise UnsupportedTool(found, None, f"the name is {found!r}", "a name of letters, digits, _ and -")
    return str(found)


def _documentation(func: object, written: object) -> str | None:
    """Of a partial its own, if it was given one; of an object that of its `__call__`, or else of its class."""
    own: str | None = getattr(func, "__doc__", None)
    if isinstance(func, functools.partial):
        return own if own != functools.partial.__doc__ else _documentation(func.func, written)
    return getattr(written, "__doc__", None) or own


def _open_parameters(func: Callable[..., Any], tool_name: str) -> list[inspect.Parameter]:
    """The parameters that are still to be given."""
    given = func.keywords if isinstance(func, functools.partial) else {}
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError) as error:  # some that are written in C
        raise UnsupportedTool(tool_name, None, f"{error}", "a function made by `def`") from error
    return [each for name, each in signature.parameters.items() if name not in given]


def _has_receiver(func: object, parameters: Sequence[inspect.Parameter]) -> bool:
    """Decorators in a class see a plain function: its qualified name gives it away, and its first parameter.

    (A `staticmethod` around the tool has such a name, too, but its first parameter has an annotation.)
    """
    if not isinstance(func, types.FunctionType) or not parameters:
        return False
    scope = func.__qualname__.rpartition(".")[0]
    first = parameters[0]
    is_in_class = scope != "" and not scope.endswith("<locals>")
    return is_in_class and (first.annotation is first.empty or first.name in ("self", "cls"))


def _value_types(written: object, parameters: Sequence[inspect.Parameter], tool_name: str) -> dict[str, ValueType[Any]]:
    try:
        annotations = typing.get_type_hints(written, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise UnsupportedTool(
            tool_name, None, f"an annotation cannot be read: {error}", "names that the module defines"
        ) from error
    found: dict[str, ValueType[Any]] = {}
    for each in parameters:
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            raise UnsupportedTool(
                tool_name, each.name, f"it is {each.kind.description}", "parameters that can be given by name"
            )
        if each.name not in annotations:
            raise UnsupportedTool(tool_name, each.name, "it has no annotation", f"one of {SUPPORTED}")
        try:
            found[each.name] = ValueType.of(annotations[each.name])
        except UnsupportedType as error:
            found_at = f"type {error.path}: {error.found}"
            raise UnsupportedTool(tool_name, each.name, found_at, error.expected) from error
    return found
