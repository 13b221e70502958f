"""PydanticKind: a type that pydantic describes and validates; pydantic is imported only where the user's type is its.

The schema is pydantic's own, by alias, made to say what its validation says: objects hold declared properties alone,
a Decimal is a number.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, get_origin

import msgspec

from .kind import NOT_YET, Kind, Schema, SchemaScope, convert_part, member_path, mismatch, plain
from .partial_json import JsonPart, PartValue
from .scalar_kinds import ChoiceKind
from .type_errors import TypeMismatch, UnsupportedType

if TYPE_CHECKING:
    from pydantic import ValidationError

_DATA_KEYWORDS = frozenset(("default", "examples", "example", "enum", "const"))
_MAP_KEYWORDS = frozenset(("properties", "patternProperties", "$defs"))
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class PydanticKind:
    """`read` gives the kind of a field; it is asked when something partial is first shown."""

    def __init__(self, annotation: Any, name: str, path: str, read: Callable[[Any], Kind]) -> None:
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError

        self._python: Any = get_origin(annotation) or annotation
        self.name = name
        self._read = read
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            schema = self._adapter.json_schema(by_alias=True, schema_generator=_schema_generator())
        except (PydanticUserError, NameError) as error:
            raise UnsupportedType(path, f"a type that pydantic cannot describe ({error})") from error
        schema = _map_schema(schema, lambda node: _enforceable(node, path))
        self._definitions: Mapping[str, Schema] = schema.pop("$defs", {})
        self._schema = schema
        self._family = json.dumps(self._definitions, sort_keys=True)
        """Kinds with the same definitions share them."""

    @property
    def expected(self) -> str:
        return f"a value for {self.name}"

    def schema(self, scope: SchemaScope) -> Schema:
        if "properties" in self._schema:
            return scope.refer(self, self.name, lambda: self.body(scope))
        return self.body(scope)

    def body(self, scope: SchemaScope) -> Schema:
        """The schema itself, where `schema` only refers to it."""
        return self._in_scope(self._schema, scope)

    def convert(self, value: object, path: str) -> Any:
        return self._validated(value, path, is_strict=None)

    def convert_closely(self, value: object, path: str) -> Any:
        """Without what pydantic coerces or passes over: a string is no number, an unknown property is an error."""
        names = self._root.get("properties")
        if isinstance(value, dict) and names is not None and self._root.get("additionalProperties") is False:
            unknown = [name for name in value if name not in names]
            if unknown:
                raise self._unknown(unknown[0], path)
        return self._validated(value, path, is_strict=True)

    def partial(self, value: PartValue, path: str) -> Any:
        """A model of the fields so far, not validated as a whole; of other types nothing before they are complete."""
        if "__root__" in self._fields:
            shown = self._field_value(self._fields["__root__"][1], JsonPart(value, is_complete=False), path)
            return NOT_YET if shown is NOT_YET else self._filled({"root": shown})
        if not self._fields or "properties" not in self._root:
            return NOT_YET
        if not isinstance(value, dict):
            raise mismatch(self, value, path)
        values = {}
        for key, part in value.items():
            name, kind = self._fields.get(key, (None, None))
            if kind is not None:
                shown = self._field_value(kind, part, member_path(path, key))
                if shown is not NOT_YET:
                    values[name] = shown
            elif self._root.get("additionalProperties") is False and key not in self._root["properties"]:
                raise self._unknown(key, path)
        return self._filled(values)

    def _unknown(self, name: str, path: str) -> TypeMismatch:
        return TypeMismatch(path, f"only the properties {list(self._root['properties'])} of {self.name}", name)

    @property
    def _root(self) -> Schema:
        """The schema that says the properties, the reference to it followed."""
        name = str(self._schema.get("$ref", "")).removeprefix("#/$defs/")
        return self._definitions.get(name, self._schema)

    @cached_property
    def _fields(self) -> dict[str, tuple[str, Kind]]:
        """The attribute and the kind of each property; of a root model, those of `__root__`."""
        declared = _fields_of(self._python)
        if getattr(self._python, "__pydantic_root_model__", False):
            return {"__root__": ("root", self._read(declared["root"].annotation))}
        return {_key(name, field): (name, self._read(field.annotation)) for name, field in declared.items()}

    def _field_value(self, kind: Kind, part: JsonPart, path: str) -> Any:
        try:
            return convert_part(kind, part, path)
        except TypeMismatch:
            if isinstance(kind, ChoiceKind):  # tells models of a union apart
                raise
            return plain(part.value)  # a validator of the field may make of it what it wants

    def _filled(self, values: dict[Any, Any]) -> Any:
        """An instance in the making; its class does not see it."""
        instance: Any = object.__new__(self._python)
        for name in _fields_of(self._python):
            object.__setattr__(instance, name, values.get(name))
        if hasattr(self._python, "model_construct"):
            object.__setattr__(instance, "__pydantic_fields_set__", set(values))
            object.__setattr__(instance, "__pydantic_extra__", None)
            object.__setattr__(instance, "__pydantic_private__", None)
        return instance

    def _validated(self, value: object, path: str, *, is_strict: bool | None) -> Any:
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(_ENCODER.encode(value), strict=is_strict)
        except ValidationError as error:
            raise _mismatch_of(error, path) from error
        except (ValueError, TypeError, OverflowError) as error:  # what JSON cannot say
            raise mismatch(self, value, path) from error

    def _in_scope(self, schema: Schema, scope: SchemaScope) -> Schema:
        """`schema` with its references led to where `scope` has put the definitions."""

        def moved(node: Schema) -> Schema:
            if "$ref" not in node:
                return node
            name: str = node["$ref"].removeprefix("#/$defs/")
            write = lambda: self._in_scope(self._definitions[name], scope)  # noqa: E731
            return {**node, **scope.refer((self._family, name), name, write)}

        in_scope: Schema = _map_schema(schema, moved)
        return in_scope


@cache
def _schema_generator() -> Any:
    from pydantic.json_schema import GenerateJsonSchema

    class PlainSchema(GenerateJsonSchema):
        """Says of a Decimal that it is a number, as most strings that its schema would allow are none; no titles."""

        def decimal_schema(self, schema: Any) -> dict[str, Any]:
            written: dict[str, Any] = super().decimal_schema(schema)
            members: list[dict[str, Any]] = written.get("anyOf", [])
            return next((each for each in members if each.get("type") == "number"), written)

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
            return False

    return PlainSchema


def _map_schema(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """`schema` with `change` done to it and to every schema inside, not to data such as defaults."""
    if not isinstance(schema, dict):
        return schema
    mapped: Schema = {}
    for keyword, value in schema.items():
        if keyword in _DATA_KEYWORDS:
            mapped[keyword] = value
        elif keyword in _MAP_KEYWORDS and isinstance(value, dict):
            mapped[keyword] = {name: _map_schema(each, change) for name, each in value.items()}
        elif isinstance(value, list):
            mapped[keyword] = [_map_schema(each, change) for each in value]
        else:
            mapped[keyword] = _map_schema(value, change)
    return change(mapped)


def _enforceable(node: Schema, path: str) -> Schema:
    """One schema object, closed, and without what says nothing of which texts are valid."""
    if "contentSchema" in node:
        raise UnsupportedType(path, "a string that holds JSON (pydantic.Json)", "the type of what it holds")
    changed = {keyword: value for keyword, value in node.items() if keyword != "discriminator"}
    if changed.get("uniqueItems") and changed.get("minItems", 0) <= 1:
        del changed["uniqueItems"]  # a set takes repeated items, and only their number may fall
    if changed.get("format") == "path":
        del changed["format"]  # every text is one
    if "properties" in changed:
        changed.setdefault("additionalProperties", False)
    return changed


def _fields_of(python: Any) -> dict[str, Any]:
    fields: dict[str, Any] | None = getattr(python, "__pydantic_fields__", None)
    return getattr(python, "model_fields", {}) if fields is None else fields


def _key(name: str, field: Any) -> str:
    """The property of a field, as the schema by alias names it."""
    alias = field.validation_alias if field.validation_alias is not None else field.alias
    choices = getattr(alias, "choices", None)
    alias = choices[0] if choices else alias
    return alias if isinstance(alias, str) else name


def _mismatch_of(error: "ValidationError", path: str) -> TypeMismatch:
    first = error.errors(include_url=False)[0]
    for step in first["loc"]:
        path = f"{path}[{step}]" if isinstance(step, int) else member_path(path, str(step))
    return TypeMismatch(path, first["msg"], first["input"])
