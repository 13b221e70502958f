"""SchemaDocument: a JSON Schema's text, read strictly, and the nodes its pointers and references lead to."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import unquote

from ..errors import ConstraintTooLarge, InvalidSchema, UnsupportedSchema, shorten
from ..json_text.json_value import Json

MAX_SCHEMA_LEN = 2_000_000
MAX_DEPTH = 256
_DIALECTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
    "http://json-schema.org/schema",
)


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside the schema's text, known by its JSON pointer."""

    pointer: str
    value: Json = field(compare=False)

    def child(self, *keys: str | int) -> "Node":
        """The node under `keys`, which must exist."""
        pointer, value = self.pointer, self.value
        for key in keys:
            pointer += "/" + str(key).replace("~", "~0").replace("/", "~1")
            if isinstance(value, list) and isinstance(key, int):
                value = value[key]
            else:
                assert isinstance(value, dict), f"{pointer}: expected an object, got {shorten(value)}"
                value = value[str(key)]
        return Node(pointer, value)


class SchemaDocument:
    """A schema's text, parsed. Raises `InvalidSchema`, `UnsupportedSchema` or `ConstraintTooLarge`.

    Numbers with a point or an exponent are kept as decimals; a key said twice is an error, as one of the two
    would be lost.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_SCHEMA_LEN:
            raise ConstraintTooLarge("characters of JSON schema", MAX_SCHEMA_LEN, len(text))
        try:
            value: Json = json.loads(
                text, parse_float=_decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys
            )
        except RecursionError as error:
            raise ConstraintTooLarge("levels of JSON schema", MAX_DEPTH, f"more than {MAX_DEPTH}") from error
        except InvalidSchema:
            raise
        except ValueError as error:
            raise InvalidSchema("", f"JSON text ({error})", text) from error
        _check_values(value)
        self.root = Node("", value)
        self._root_id = ""
        if isinstance(value, dict):
            self._read_head(value)

    def _read_head(self, value: dict[str, Json]) -> None:
        dialect = value.get("$schema", _DIALECTS[0])
        if not isinstance(dialect, str) or dialect.rstrip("#") not in _DIALECTS:
            raise UnsupportedSchema(
                "/$schema", "$schema", f"the dialect {shorten(dialect)} is not known; known are {', '.join(_DIALECTS)}"
            )
        root_id = value.get("$id", "")
        if not isinstance(root_id, str):
            raise InvalidSchema("/$id", "a string", root_id)
        self._root_id = root_id.rstrip("#")

    def resolve(self, node: Node) -> Node:
        """The node that the `$ref` of `node` leads to: a JSON pointer within this document, nothing remote."""
        reference = node.child("$ref").value
        pointer = node.pointer + "/$ref"
        if not isinstance(reference, str):
            raise InvalidSchema(pointer, "a string such as '#/$defs/name'", reference)
        base, _, fragment = reference.partition("#")
        if base and base != self._root_id:
            raise UnsupportedSchema(
                pointer, "$ref", f"{reference!r} leads out of the schema and nothing is fetched; copy it under $defs"
            )
        if fragment and not fragment.startswith("/"):
            raise UnsupportedSchema(
                pointer, "$ref", f"{reference!r} names an anchor; refer to the place by its JSON pointer"
            )
        return self._walk(unquote(fragment), pointer, reference)

    def _walk(self, fragment: str, pointer: str, reference: str) -> Node:
        node = self.root
        for part in fragment.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            value = node.value
            if isinstance(value, dict) and key in value:
                node = node.child(key)
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                node = node.child(int(key))
            else:
                raise InvalidSchema(pointer, "a reference to a place that exists", reference)
            if isinstance(node.value, dict) and isinstance(node.value.get("$id"), str):
                raise UnsupportedSchema(
                    pointer, "$ref", f"{reference!r} passes an inner $id, which moves what it means"
                )
        return node


def _decimal(text: str) -> Decimal | int:
    value = Decimal(text)
    if abs(value.adjusted()) > 1000:
        raise InvalidSchema("", "numbers with exponents from -1000 to 1000", text)
    # JSON Schema knows no difference between 1 and 1.0.
    return int(value) if value == value.to_integral_value() else value


def _refuse_constant(name: str) -> Json:
    raise InvalidSchema("", "JSON text", name)


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value: dict[str, Json] = {}
    for key, item in pairs:
        if key in value:
            raise InvalidSchema("", "every key once in an object", key)
        value[key] = item
    return value


def _check_values(root: Json) -> None:
    pending: list[tuple[Json, int]] = [(root, 0)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ConstraintTooLarge("levels of JSON schema", MAX_DEPTH, f"more than {MAX_DEPTH}")
        if isinstance(value, str):
            _check_text(value)
        pending.extend((child, depth + 1) for child in _children(value))


def _children(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidSchema("", "text without lone surrogates", text) from error
