"""Classes with fields, read: their JSON properties in order, and how instances are made."""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NotRequired, Required, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from .record_kind import CallShape, DictShape, RecordShape
from .type_errors import UnsupportedType


class RecordProperty(NamedTuple):
    """A property before its type is read; a `tag` is a property that holds one text or number."""

    name: str
    attribute: str | None
    annotation: Any
    is_required: bool


@dataclass(frozen=True)
class Record:
    """What of a class matters here."""

    name: str
    shape: RecordShape
    properties: tuple[RecordProperty, ...]


def read_record(annotation: Any, path: str) -> Record | None:
    """The record of a dataclass, TypedDict, NamedTuple or msgspec.Struct, perhaps with arguments; None for others.

    A NamedTuple is an object, not an array: a model writes better what bears its name. Raises `UnsupportedType`.
    """
    python = get_origin(annotation) or annotation
    if not isinstance(python, type):
        return None
    if issubclass(python, msgspec.Struct):
        return _struct(annotation, python, path)
    if dataclasses.is_dataclass(python):
        return _dataclass(annotation, python, path)
    if issubclass(python, dict) and hasattr(python, "__total__"):
        return _typed_dict(annotation, python, path)
    if issubclass(python, tuple) and hasattr(python, "_field_defaults"):
        return _named_tuple(annotation, python, path)
    return None


def _struct(annotation: Any, python: type[msgspec.Struct], path: str) -> Record:
    config = python.__struct_config__
    if config.array_like:
        raise UnsupportedType(path, f"{python.__name__}, whose array_like says nothing of names", "a Struct without it")
    properties = []
    if config.tag is not None and config.tag_field is not None:
        properties.append(RecordProperty(config.tag_field, None, typing.Literal[config.tag], True))
    try:
        fields = msgspec.structs.fields(annotation)
    except NameError as error:
        raise _unreadable(path, error) from error
    properties += [RecordProperty(field.encode_name, field.name, field.type, field.required) for field in fields]
    return Record(python.__name__, CallShape(python, _struct_filler(python)), tuple(properties))


def _struct_filler(python: type[msgspec.Struct]) -> Callable[[dict[str, Any]], Any]:
    """A struct in the making is not ready for its own `__post_init__`: it becomes one of a subclass without."""
    if not hasattr(python, "__post_init__"):
        return lambda values: python(**values)
    namespace = {"__post_init__": lambda _: None, "__module__": python.__module__}
    idle: Any = type(python.__name__, (python,), namespace)
    return lambda values: idle(**values)


def _dataclass(annotation: Any, python: type, path: str) -> Record:
    hints = _hints(annotation, python, path)
    fields = dataclasses.fields(python)
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar):
            raise UnsupportedType(f"{path}.{name}", "InitVar, which no instance keeps", "a field")
    properties = [
        RecordProperty(
            field.name,
            field.name,
            hints[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in fields
        if field.init
    ]
    names = [field.name for field in fields]

    def fill(values: dict[str, Any]) -> Any:
        instance: Any = object.__new__(python)
        for name in names:
            object.__setattr__(instance, name, values.get(name))
        return instance

    return Record(python.__name__, CallShape(python, fill), tuple(properties))


def _typed_dict(annotation: Any, python: type, path: str) -> Record:
    required: frozenset[str] = getattr(python, "__required_keys__", frozenset())
    properties = []
    for name, hint in _hints(annotation, python, path).items():
        is_required = name in required
        while get_origin(hint) in (Required, NotRequired) or _qualifier(hint) == "ReadOnly":
            # Under `from __future__ import annotations` the class itself does not know.
            is_required = is_required if _qualifier(hint) == "ReadOnly" else get_origin(hint) is Required
            hint = get_args(hint)[0]
        properties.append(RecordProperty(name, name, hint, is_required))
    return Record(python.__name__, DictShape(), tuple(properties))


def _named_tuple(annotation: Any, python: Any, path: str) -> Record:
    hints = _hints(annotation, python, path)
    untyped = [name for name in python._fields if name not in hints]
    if untyped:
        raise UnsupportedType(f"{path}.{untyped[0]}", "no annotation", "a typing.NamedTuple with types")
    properties = [
        RecordProperty(name, name, hints[name], name not in python._field_defaults) for name in python._fields
    ]
    return Record(python.__name__, CallShape(python, lambda values: python(**values)), tuple(properties))


def _qualifier(hint: Any) -> str:
    return getattr(get_origin(hint), "__name__", None) or getattr(get_origin(hint), "_name", None) or ""


def _hints(annotation: Any, python: Any, path: str) -> dict[str, Any]:
    """The annotations of a class, `Annotated` and all, with the arguments of a generic one put in."""
    try:
        hints = get_type_hints(python, localns={python.__name__: python}, include_extras=True)
    except (NameError, TypeError) as error:
        raise _unreadable(path, error) from error
    bindings = dict(zip(getattr(python, "__parameters__", ()), get_args(annotation), strict=False))
    return {name: _bound(hint, bindings) for name, hint in hints.items()} if bindings else hints


def _bound(hint: Any, bindings: Mapping[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return bindings.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or (isinstance(hint, type) and get_origin(hint) is None):
        return hint
    return hint[tuple(bindings.get(each, each) for each in parameters)]


def _unreadable(path: str, error: Exception) -> UnsupportedType:
    return UnsupportedType(path, f"an annotation that cannot be read ({error})", "names that the module defines")
