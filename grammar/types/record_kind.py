"""RecordKind: JSON objects whose properties are the fields of a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .kind import NOT_YET, Kind, Schema, SchemaScope, convert_part, member_path, mismatch
from .partial_json import PartValue
from .type_errors import TypeMismatch


@dataclass(frozen=True)
class RecordField:
    """One property, and the argument it becomes; a property without `attribute` (a tag) is only checked."""

    name: str
    attribute: str | None
    kind: Kind
    is_required: bool


class RecordShape(Protocol):
    """How instances of a class are made."""

    def build(self, values: dict[str, Any]) -> Any:
        """An instance; fields that are not in `values` take their defaults. May raise what the class raises."""

    def build_partial(self, values: dict[str, Any], missing: list[str], /) -> Any:
        """An instance in the making, which is not validated; the fields in `missing` have not come."""


@dataclass(eq=False)
class RecordKind:
    """A dataclass, TypedDict, NamedTuple or Struct. `fields` are set after the kind is made: a field may lead to it."""

    name: str
    shape: RecordShape
    fields: tuple[RecordField, ...] = ()

    @property
    def expected(self) -> str:
        return f"an object for {self.name}"

    def schema(self, scope: SchemaScope) -> Schema:
        return scope.refer(self, self.name, lambda: self.body(scope))

    def body(self, scope: SchemaScope) -> Schema:
        """The schema itself, where `schema` only refers to it."""
        return {
            "type": "object",
            "properties": {field.name: field.kind.schema(scope) for field in self.fields},
            "required": [field.name for field in self.fields if field.is_required],
            "additionalProperties": False,
        }

    def convert(self, value: object, path: str) -> Any:
        if not isinstance(value, dict):
            raise mismatch(self, value, path)
        self._check_names(value, path)
        missing = [field.name for field in self.fields if field.is_required and field.name not in value]
        if missing:
            raise TypeMismatch(path, f"{self.expected} with the property {missing[0]!r}", value)
        values = {}
        for field in self.fields:
            if field.name in value:
                converted = field.kind.convert(value[field.name], member_path(path, field.name))
                if field.attribute is not None:
                    values[field.attribute] = converted
        try:
            return self.shape.build(values)
        except TypeMismatch:
            raise
        except (ValueError, TypeError) as error:  # what a class raises that checks its own fields
            raise TypeMismatch(path, f"what {self.name} accepts ({error})", value) from error

    def partial(self, value: PartValue, path: str) -> Any:
        if not isinstance(value, dict):
            raise mismatch(self, value, path)
        self._check_names(value, path)
        values, missing = {}, []
        for field in self.fields:
            part = value.get(field.name)
            shown = NOT_YET if part is None else convert_part(field.kind, part, member_path(path, field.name))
            if field.attribute is None:
                continue
            if shown is NOT_YET:
                missing.append(field.attribute)
            else:
                values[field.attribute] = shown
        return self.shape.build_partial(values, missing)

    def _check_names(self, value: dict[str, Any], path: str) -> None:
        names = [field.name for field in self.fields]
        unknown = [name for name in value if name not in names]
        if unknown:
            raise TypeMismatch(path, f"only the properties {names} of {self.name}", unknown[0])


@dataclass(frozen=True)
class CallShape:
    """A class that is called with its fields by name, and in the making is filled without its `__init__`."""

    python: Callable[..., Any]
    fill: Callable[[dict[str, Any]], Any]

    def build(self, values: dict[str, Any]) -> Any:
        return self.python(**values)

    def build_partial(self, values: dict[str, Any], missing: list[str]) -> Any:
        return self.fill({**dict.fromkeys(missing), **values})


@dataclass(frozen=True)
class DictShape:
    """A TypedDict: at run time a dict, in which what has not come is absent."""

    def build(self, values: dict[str, Any]) -> Any:
        return values

    def build_partial(self, values: dict[str, Any], _missing: list[str]) -> Any:
        return values
