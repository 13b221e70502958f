"""SchemaDocument: a JSON Schema's text, read strictly, and the nodes its references lead to."""

import json
from collections.abc import Iterable, Iterator
from copy import deepcopy
from decimal import Decimal
from functools import cached_property
from urllib.parse import unquote

from ..errors import ConstraintTooLarge, InvalidSchema, UnsupportedSchema, shorten
from ..json_text.json_value import Json
from .node import Node
from .resources import SchemaResources

__all__ = ["Node", "SchemaDocument"]

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
_OLD_DIALECTS = _DIALECTS[2:5]


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
        if "\\u" in text or not text.isascii() or text.count("{") + text.count("[") > MAX_DEPTH:
            _check_values(value)
        self._take(value)

    def _take(self, value: Json) -> None:
        self.root = Node("", value)
        self.dialect = _DIALECTS[0]
        self.has_stated_dialect = False
        self._resolved: dict[tuple[Node, str], Node] = {}
        if isinstance(value, dict):
            self._read_head(value)

    def _read_head(self, value: dict[str, Json]) -> None:
        dialect = value.get("$schema", _DIALECTS[0])
        if not isinstance(dialect, str) or dialect.rstrip("#") not in _DIALECTS:
            raise UnsupportedSchema(
                "/$schema", "$schema", f"the dialect {shorten(dialect)} is not known; known are {', '.join(_DIALECTS)}"
            )
        self.dialect = dialect.rstrip("#")
        self.has_stated_dialect = "$schema" in value
        root_id = value.get("$id", "")
        if not isinstance(root_id, str):
            raise InvalidSchema("/$id", "a string", root_id)

    def without(self, places: Iterable[tuple[str, str]]) -> "SchemaDocument | None":
        """The document without some keywords, each given by its schema's pointer; None where none of them is there."""
        value = deepcopy(self.root.value)
        is_smaller = False
        for pointer, keyword in places:
            schema = value
            for part in pointer.split("/")[1:]:
                key = part.replace("~1", "/").replace("~0", "~")
                if isinstance(schema, list):
                    schema = schema[int(key)]
                elif isinstance(schema, dict):
                    schema = schema.get(key)
            if isinstance(schema, dict) and keyword in schema:
                del schema[keyword]
                is_smaller = True
        if not is_smaller:
            return None
        smaller = object.__new__(SchemaDocument)
        smaller._take(value)
        return smaller

    @property
    def is_ref_alone(self) -> bool:
        """Whether, as up to draft 7, what stands beside a `$ref` counts for nothing."""
        return self.dialect in _OLD_DIALECTS

    @cached_property
    def resources(self) -> SchemaResources:
        """What the identifiers inside the schema name; found when the first reference needs it."""
        return SchemaResources(self.root, is_ref_alone=self.is_ref_alone)

    def resolve(self, node: Node, keyword: str = "$ref") -> Node:
        """The node that the `$ref` of `node` leads to, or its `$dynamicRef`; nothing remote is ever fetched.

        Raises `UnsupportedSchema` for what leads out of the document, `InvalidSchema` for what leads nowhere.
        """
        key = (node, keyword)
        if key not in self._resolved:
            self._resolved[key] = self._resolve(node, keyword)
        return self._resolved[key]

    def _resolve(self, node: Node, keyword: str) -> Node:
        reference = node.child(keyword).value
        pointer = f"{node.pointer}/{keyword}"
        if not isinstance(reference, str):
            raise InvalidSchema(pointer, "a string such as '#/$defs/name'", reference)
        base, _, fragment = reference.partition("#")
        start = self.resources.find(node.pointer, base)
        if start is None:
            raise UnsupportedSchema(
                pointer, keyword, f"{reference!r} leads out of the schema and nothing is fetched; copy it under $defs"
            )
        fragment = unquote(fragment)
        if not fragment or fragment.startswith("/"):
            target = self._walk(start, fragment, pointer, reference)
        else:
            found = self.resources.anchor(start.pointer, fragment)
            if found is None:
                raise InvalidSchema(pointer, "a reference to an anchor that exists", reference)
            target = found
            if keyword == "$dynamicRef":
                target = self.resources.dynamic_target(node, start.pointer, fragment) or target
        return Node(target.pointer, target.value, self.resources.scope_through(node, target))

    def _walk(self, start: Node, fragment: str, pointer: str, reference: str) -> Node:
        node = start
        for part in fragment.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            value = node.value
            if isinstance(value, dict) and key in value:
                node = node.child(key)
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                node = node.child(int(key))
            else:
                raise InvalidSchema(pointer, "a reference to a place that exists", reference)
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
