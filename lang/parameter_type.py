"""ParameterType: what a tool's parameter accepts, as JSON Schema and as a conversion from JSON values."""

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from .errors import InvalidArgument

SUPPORTED = "str, int, float, bool, None, Literal, Enum, list[T], dict[str, T], or a union of these"
Schema = dict[str, Any]


class UnsupportedType(Exception):
    """An annotation that has no parameter type; the message shows it."""


@dataclass(frozen=True)
class ParameterType:
    """`convert(name, value)` gives the Python value of a JSON value, or raises `InvalidArgument` naming `name`."""

    schema: Schema
    convert: Callable[[str, object], Any]

    @classmethod
    def of(cls, annotation: Any) -> "ParameterType":
        """The type of an annotation; raises `UnsupportedType`."""
        if annotation in _SCALARS:
            return _SCALARS[annotation]
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            return _one_of(arguments, arguments)
        if origin in (Union, types.UnionType):
            return _union([cls.of(argument) for argument in arguments])
        if origin is list and arguments:
            return _list(cls.of(arguments[0]))
        if origin is dict and arguments and arguments[0] is str:
            return _dict(cls.of(arguments[1]))
        if isinstance(annotation, type) and issubclass(annotation, Enum) and len(annotation):
            return _one_of([member.value for member in annotation], list(annotation))
        raise UnsupportedType(repr(annotation))


def _scalar(
    name: str, expected: str, accepted: type | tuple[type, ...], as_python: Callable[[Any], Any]
) -> ParameterType:
    def convert(where: str, value: object) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and accepted is not bool):
            raise InvalidArgument(where, expected, value)
        return as_python(value)

    return ParameterType({"type": name}, convert)


def _int(where: str, value: object) -> int:
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not is_whole or isinstance(value, bool):
        raise InvalidArgument(where, "an integer", value)
    assert isinstance(value, int | float)
    return int(value)


_SCALARS: dict[Any, ParameterType] = {
    str: _scalar("string", "a string", str, str),
    int: ParameterType({"type": "integer"}, _int),  # to JSON Schema 1.0 is an integer, too
    float: _scalar("number", "a number", (int, float), float),
    bool: _scalar("boolean", "true or false", bool, bool),
    None: _scalar("null", "null", types.NoneType, lambda value: value),
    types.NoneType: _scalar("null", "null", types.NoneType, lambda value: value),
}


def _one_of(json_values: Sequence[Any], python_values: Sequence[Any]) -> ParameterType:
    if not all(isinstance(value, str | int | float | None) for value in json_values):
        raise UnsupportedType(f"one of {list(json_values)!r}, which are not all plain JSON values")

    def convert(where: str, value: object) -> Any:
        for json_value, python_value in zip(json_values, python_values, strict=True):
            if json_value == value and type(json_value) is type(value):  # True is not 1
                return python_value
        raise InvalidArgument(where, f"one of {list(json_values)!r}", value)

    schema: Schema = {"enum": list(json_values)}
    if all(isinstance(value, str) for value in json_values):
        schema = {"type": "string", **schema}
    return ParameterType(schema, convert)


def _union(members: Sequence[ParameterType]) -> ParameterType:
    def convert(where: str, value: object) -> Any:
        expected = []
        for member in members:
            try:
                return member.convert(where, value)
            except InvalidArgument as error:
                expected.append(error.expected)
        raise InvalidArgument(where, " or ".join(expected), value)

    return ParameterType({"anyOf": [member.schema for member in members]}, convert)


def _list(item: ParameterType) -> ParameterType:
    def convert(where: str, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidArgument(where, "a list", value)
        return [item.convert(f"{where}[{index}]", each) for index, each in enumerate(value)]

    return ParameterType({"type": "array", "items": item.schema}, convert)


def _dict(item: ParameterType) -> ParameterType:
    def convert(where: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidArgument(where, "an object", value)
        return {key: item.convert(f"{where}[{key!r}]", each) for key, each in value.items()}

    return ParameterType({"type": "object", "additionalProperties": item.schema}, convert)
