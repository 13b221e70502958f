"""The vocabulary in which the schemas of this folder are written: short names for common forms of JSON Schema."""

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}
DATE: Schema = {"type": "string", "format": "date"}
TIME: Schema = {"type": "string", "format": "date-time"}
EMAIL: Schema = {"type": "string", "format": "email"}
UUID: Schema = {"type": "string", "format": "uuid"}
URI: Schema = {"type": "string", "format": "uri"}


def record(members: dict[str, Any], **keywords: Any) -> Schema:
    """A closed object; a name that ends in `?` is that of an optional property."""
    schema = open_record(members, **keywords)
    return {"additionalProperties": False} | schema


def open_record(members: dict[str, Any], **keywords: Any) -> Schema:
    """The same without a word on additional properties, as most schemas are written."""
    properties = {name.removesuffix("?"): member for name, member in members.items()}
    required = [name for name in members if not name.endswith("?")]
    stated = {"required": required} if required else {}
    return {"type": "object", "properties": properties, **stated, **keywords}


def table_of(value: Schema, **keywords: Any) -> Schema:
    """An object of any names whose values are all of one kind."""
    return {"type": "object", "additionalProperties": value, **keywords}


def array(item: Schema, low: int | None = None, high: int | None = None, **keywords: Any) -> Schema:
    """An array of one kind of item."""
    bounds = {"minItems": low, "maxItems": high}
    return {"type": "array", "items": item, **{name: count for name, count in bounds.items() if count is not None}} | (
        keywords
    )


def pair_of(*items: Schema) -> Schema:
    """A tuple: a fixed number of items, each of its own kind."""
    return {
        "type": "array",
        "prefixItems": list(items),
        "items": False,
        "minItems": len(items),
        "maxItems": len(items),
    }


def one_of_words(*words: Any) -> Schema:
    """An enumeration."""
    return {"enum": list(words)}


def text(low: int | None = None, high: int | None = None, **keywords: Any) -> Schema:
    """A string with bounds on its length."""
    bounds = {"minLength": low, "maxLength": high}
    return {"type": "string", **{name: count for name, count in bounds.items() if count is not None}, **keywords}


def matching(pattern: str, **keywords: Any) -> Schema:
    """A string with a pattern."""
    return {"type": "string", "pattern": pattern, **keywords}


def whole(low: int | None = None, high: int | None = None, **keywords: Any) -> Schema:
    """A bounded integer."""
    bounds = {"minimum": low, "maximum": high}
    return {"type": "integer", **{name: bound for name, bound in bounds.items() if bound is not None}, **keywords}


def real(low: float | None = None, high: float | None = None, **keywords: Any) -> Schema:
    """A bounded number."""
    bounds = {"minimum": low, "maximum": high}
    return {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}, **keywords}


def nullable(schema: Schema) -> Schema:
    """A value or null."""
    return {"anyOf": [schema, NULL]}


def either(*schemas: Schema) -> Schema:
    """One of several forms."""
    return {"anyOf": list(schemas)}


def tagged(tag: str, /, **variants: dict[str, Any]) -> Schema:
    """Records told apart by a constant property."""
    return {"oneOf": [record({tag: {"const": name}, **members}) for name, members in variants.items()]}


def ref(name: str) -> Schema:
    """A reference into `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def with_definitions(schema: Schema, /, **definitions: Schema) -> Schema:
    """A schema and what it refers to."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions, **schema}


def described(schema: Schema, description: str) -> Schema:
    """With a word for the reader."""
    return {"description": description, **schema}
