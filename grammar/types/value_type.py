"""ValueType: a Python type as a JSON Schema that can be enforced, and as the way back from JSON to its instances."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

from ..errors import GrammarError
from ..spec import JsonSchema
from .kind import NOT_YET, Kind, Schema, SchemaScope, convert_part
from .partial_json import parse_beginning, parse_json
from .record_kind import RecordKind
from .scalar_kinds import BoolKind, NullKind, NumberKind, StringKind
from .type_errors import TypeMismatch, UnsupportedType
from .type_reader import TypeReader, type_name
from .wrapper_kinds import NotedKind

__all__ = ["TypeMismatch", "UnsupportedType", "ValueType", "object_schema"]

T = TypeVar("T")
_ALWAYS_ENFORCED: tuple[Kind, ...] = (NullKind(), BoolKind(), NumberKind(int), NumberKind(float), StringKind())


class ValueType(Generic[T]):
    """What a generated value is to be, made by `of`."""

    __slots__ = ("_kind", "annotation", "schema")

    def __init__(self, annotation: Any, kind: Kind) -> None:
        self.annotation = annotation
        self._kind = kind
        self.schema: Schema = _root_schema(kind)
        """JSON Schema (draft 2020-12) of the values; not to be changed. Every keyword of it can be enforced.

        Properties stand in their declared order, and there are no others. Those that have a default are not required:
        what is left out takes it. Named types that are used inside others lie under `$defs`; to put several schemas
        into one, use `object_schema`.
        """

    @classmethod
    def of(cls, annotation: Any) -> "ValueType[Any]":
        """The value type of an annotation; the recent ones are kept.

        Understood are `str`, `int`, `float`, `bool`, `None`, `Decimal`, `date`, `datetime`, `time`, `timedelta`,
        `UUID`, `Any`, `Literal`, `Enum` (by value), lists, sets, tuples, dicts with string keys, unions, dataclasses,
        TypedDicts, NamedTuples (as objects), msgspec Structs, pydantic models, generic ones of these, `NewType`, and
        `Annotated` with the bounds of msgspec, annotated-types and pydantic. Raises `UnsupportedType` for what is none
        of these or cannot be enforced.
        """
        try:
            hash(annotation)
        except TypeError:
            return _value_type(annotation)
        return _kept_value_type(annotation, repr(annotation))

    @property
    def is_text(self) -> bool:
        """Whether the type is plain `str`: its value can be the raw text, without JSON around it."""
        kind = self._kind.inner if isinstance(self._kind, NotedKind) else self._kind
        return kind == StringKind() and self.schema["type"] == "string"

    def decode(self, text: str) -> T:
        """The instance a whole JSON text stands for; raises `TypeMismatch`."""
        try:
            value = parse_json(text)
        except (ValueError, RecursionError) as error:
            raise TypeMismatch("$", f"JSON text ({error})", text) from error
        return self.convert(value)

    def convert(self, value: object) -> T:
        """The instance of a JSON value as `json.loads` gives it (decimals for floats are read, too).

        Raises `TypeMismatch` with the place, such as `$.address.zip`. Of a union the first member that fits is taken.
        What a class raises that checks its own fields (`ValueError`, `TypeError`) becomes a `TypeMismatch`, too.
        """
        try:
            converted: T = self._kind.convert(value, "$")
        except RecursionError as error:
            raise TypeMismatch("$", "JSON that is less deeply nested", value) from error
        return converted

    def partial(self, text: str) -> T | None:
        """An instance of what the beginning of a JSON text says, or None while it says nothing that can be shown.

        For showing a value while it is generated: as the text grows, so does the instance.

        - Strings are shown as far as they came. Numbers, true, false and null, and what is written as a string but is
          none (dates, enumerations), are shown once they are certainly whole; a number alone never is, as its next
          digit may come.
        - Fields of objects that have not come are None, whatever their type or default says; in a TypedDict they are
          absent. Nothing is validated before it is complete: `__init__` and `__post_init__` do not run.
        - Lists and dicts hold the items so far, the last of them partial itself; sets only complete ones. A tuple of
          fixed length is filled up with None.
        - Of a union a member is shown once no other can be meant.

        Raises `TypeMismatch` for a text that is not the beginning of a valid one, where that is noticed; a true prefix
        of a valid text never raises. Reads the text from its start each time: linear in it, times the open containers.
        """
        part = parse_beginning(text)
        if part is None:
            return None
        try:
            shown: T = convert_part(self._kind, part, "$")
        except RecursionError as error:
            raise TypeMismatch("$", "JSON that is less deeply nested", text) from error
        return None if shown is NOT_YET else shown

    def __repr__(self) -> str:
        return f"ValueType.of({type_name(self.annotation)})"


def object_schema(
    fields: Mapping[str, ValueType[Any]],
    *,
    required: Iterable[str] | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> Schema:
    """The schema of an object with these properties and no others, all the `$defs` of its parts at its root.

    All properties are required unless `required` says which. A description is put beside the schema of its property.
    """
    scope = SchemaScope()
    properties = {name: field._kind.schema(scope) for name, field in fields.items()}
    for name, description in (descriptions or {}).items():
        if name in properties and description:
            properties[name] = {**properties[name], "description": description}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(fields if required is None else required),
        "additionalProperties": False,
    }
    return scope.close(schema)


@lru_cache(maxsize=512)
def _kept_value_type(annotation: Any, _shown: str) -> ValueType[Any]:
    # `_shown` is part of the key: to Python `int | str` equals `str | int`, but which is tried first differs.
    return _value_type(annotation)


def _value_type(annotation: Any) -> ValueType[Any]:
    name = type_name(annotation)
    kind = TypeReader().read(annotation, name)
    value_type: ValueType[Any] = ValueType(annotation, kind)
    if kind not in _ALWAYS_ENFORCED:
        _check_enforceable(value_type.schema, name)
    return value_type


def _root_schema(kind: Kind) -> Schema:
    scope = SchemaScope()
    schema = kind.schema(scope)
    # A named type that does not lead back to itself needs no name at the root.
    if isinstance(kind, RecordKind) or hasattr(kind, "body"):
        unfolded = SchemaScope()
        body: Schema = kind.body(unfolded)
        if kind not in unfolded:
            return unfolded.close(body)
    return scope.close(schema)


def _check_enforceable(schema: Schema, name: str) -> None:
    from ..json_schema.schema_compiler import (
        compile_schema,  # only where a type needs it: it reads a good part of the grammar
    )

    try:
        compile_schema(JsonSchema(json.dumps(schema)))
    except GrammarError as error:
        raise UnsupportedType(name, f"what no grammar can enforce: {error}", "a type whose schema can be") from error
