"""SchemaFacts: what several schema nodes that hold at once say together of a value."""

from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import ConstraintTooLarge, InvalidSchema, UnsupportedSchema
from ..json_text.json_value import Json
from ..json_text.numbers import Bound
from .document import Node, SchemaDocument
from .formats import ENFORCED_FORMATS, PLAIN_FORMATS
from .keywords import ANNOTATIONS, ENFORCED_KEYWORDS, KEYWORD_TYPES, REFUSED_KEYWORDS, UNKNOWN_REASON

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
ALL_TYPES = frozenset(TYPES)
MAX_CONJUNCTS = 500
MAX_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One of the nodes that must hold at once; a bare one speaks only for its own keywords, not $ref or ...Of."""

    node: Node
    is_bare: bool = False


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """What one node says of an object's members."""

    node: Node
    properties: dict[str, Node]
    patterns: dict[str, Node]
    additional: Node | None
    names: Node | None


@dataclass(frozen=True, slots=True)
class ArrayPart:
    """What one node says of an array's items; `rest` is for those after `prefix`."""

    node: Node
    prefix: tuple[Node, ...]
    rest: Node | None


@dataclass(frozen=True, slots=True)
class Group:
    """An anyOf or a oneOf."""

    node: Node
    branches: tuple[Node, ...]
    is_exclusive: bool


@dataclass(slots=True)
class SchemaFacts:
    """The keywords of all conjuncts, merged where they can be and listed side by side where not."""

    pointer: str
    own: list[Node] = field(default_factory=list)
    """The nodes themselves, references and allOf followed; without those that only annotate."""
    is_false: bool = False
    types: frozenset[str] = ALL_TYPES
    """With `number` goes `integer`: a number that may be whole or not is of both."""
    mentioned_types: frozenset[str] = frozenset()
    """The types that keywords are about; empty where `type`, `enum` or `const` says what is meant."""
    values: list[Json] | None = None
    lower: Bound | None = None
    upper: Bound | None = None
    multiple_of: list[tuple[Node, Decimal]] = field(default_factory=list)
    min_length: int = 0
    max_length: int | None = None
    patterns: dict[str, Node] = field(default_factory=dict)
    formats: dict[str, Node] = field(default_factory=dict)
    objects: list[ObjectPart] = field(default_factory=list)
    required: dict[str, None] = field(default_factory=dict)
    min_properties: int = 0
    max_properties: int | None = None
    arrays: list[ArrayPart] = field(default_factory=list)
    min_items: int = 0
    max_items: int | None = None
    groups: list[Group] = field(default_factory=list)


def gather_facts(document: SchemaDocument, conjuncts: tuple[Conjunct, ...], pointer: str) -> SchemaFacts:
    """Follow references and allOf, audit every keyword met, and merge.

    Raises `InvalidSchema`, `UnsupportedSchema` or `ConstraintTooLarge`. Linear in the nodes met.
    """
    facts = SchemaFacts(pointer)
    seen: set[Conjunct] = set()
    has_stated_types = False
    mentioned: set[str] = set()
    pending: list[tuple[Conjunct, tuple[str, ...]]] = [(conjunct, ()) for conjunct in reversed(conjuncts)]
    while pending:
        conjunct, path = pending.pop()
        node = conjunct.node
        if node.pointer in path:
            raise UnsupportedSchema(node.pointer, "$ref", "the schema refers to itself without consuming anything")
        if conjunct in seen:
            continue
        seen.add(conjunct)
        if len(seen) > MAX_CONJUNCTS:
            raise ConstraintTooLarge("schemas that hold at once", MAX_CONJUNCTS, f"more, at #{pointer}")
        if node.value is True:
            continue
        if node.value is False:
            facts.is_false = True
            continue
        schema = audit(node)
        followed = [] if conjunct.is_bare else _followed(document, node, schema)
        pending.extend((Conjunct(child), (*path, node.pointer)) for child in reversed(followed))
        if not conjunct.is_bare:
            facts.groups += _groups(node, schema)
        if schema.keys() & (KEYWORD_TYPES.keys() | {"type", "enum", "const"}):
            facts.own.append(node)
        has_stated_types |= bool(schema.keys() & {"type", "enum", "const"})
        mentioned.update(KEYWORD_TYPES[keyword] for keyword in schema if keyword in KEYWORD_TYPES)
        _Reader(facts, node, schema).read()
    if not has_stated_types:
        facts.mentioned_types = expanded_types(mentioned)
    return facts


def expanded_types(types: set[str]) -> frozenset[str]:
    """`types`, with `integer` wherever `number` is."""
    return frozenset(types | {"integer"}) if "number" in types else frozenset(types)


def type_of(value: Json) -> str:
    """The narrowest JSON Schema type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case Decimal():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"


def is_equal(left: Json, right: Json) -> bool:
    """Equality as JSON Schema means it: true is not 1."""
    return identity(left) == identity(right)


def identity(value: Json) -> str:
    """A text that is the same for equal JSON values and for no others."""
    match value:
        case list():
            return f"[{','.join(map(identity, value))}]"
        case dict():
            return "{" + ",".join(f"{key!r}:{identity(value[key])}" for key in sorted(value)) + "}"
        case Decimal():
            return repr(value.as_integer_ratio())
        case _:
            return repr(value)


def audit(node: Node) -> dict[str, Json]:
    """The schema object at `node`, all of whose keywords are enforced or annotate; anything else raises."""
    schema = node.value
    if not isinstance(schema, dict):
        raise InvalidSchema(node.pointer, "a schema: an object, true or false", schema)
    for keyword, value in schema.items():
        if keyword in ENFORCED_KEYWORDS or keyword in ANNOTATIONS or keyword.startswith("x-"):
            continue
        if keyword in ("then", "else") and "if" not in schema:
            continue  # without `if` the specification ignores them
        if keyword in ("minContains", "maxContains") and "contains" not in schema:
            continue  # likewise without `contains`
        if keyword == "uniqueItems" and value is False:
            continue
        if keyword in ("unevaluatedProperties", "unevaluatedItems") and value is True:
            continue
        raise UnsupportedSchema(node.pointer, keyword, REFUSED_KEYWORDS.get(keyword, UNKNOWN_REASON))
    if node.pointer and isinstance(schema.get("$id"), str):
        raise UnsupportedSchema(node.pointer, "$id", "an inner $id moves what references mean; use $defs alone")
    return schema


def _followed(document: SchemaDocument, node: Node, schema: dict[str, Json]) -> list[Node]:
    followed = [document.resolve(node)] if "$ref" in schema else []
    return followed + (_node_list(node, "allOf") if "allOf" in schema else [])


def _groups(node: Node, schema: dict[str, Json]) -> list[Group]:
    return [
        Group(node, tuple(_node_list(node, keyword)), keyword == "oneOf")
        for keyword in ("anyOf", "oneOf")
        if keyword in schema
    ]


def _node_list(node: Node, keyword: str) -> list[Node]:
    value = node.child(keyword).value
    if not isinstance(value, list) or (not value and keyword != "prefixItems"):
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a list of schemas", value)
    return [node.child(keyword, index) for index in range(len(value))]


class _Reader:
    """Adds one node's own keywords to the facts."""

    def __init__(self, facts: SchemaFacts, node: Node, schema: dict[str, Json]) -> None:
        self.facts = facts
        self.node = node
        self.schema = schema

    def read(self) -> None:
        self._read_types()
        self._read_numbers()
        self._read_strings()
        self._read_objects()
        self._read_arrays()

    def _read_types(self) -> None:
        if "type" in self.schema:
            stated = self.schema["type"]
            names = stated if isinstance(stated, list) else [stated]
            if not names or not all(isinstance(name, str) and name in ALL_TYPES for name in names):
                raise self._invalid("type", f"one or a list of {', '.join(TYPES)}", stated)
            self.facts.types &= expanded_types({str(name) for name in names})
        for keyword in ("enum", "const"):
            if keyword not in self.schema:
                continue
            value = self.schema[keyword]
            if keyword == "const":
                value = [value]
            if not isinstance(value, list):
                raise self._invalid(keyword, "a list of values", value)
            allowed = {identity(item): item for item in value}
            if self.facts.values is not None:
                allowed = {identity(item): item for item in self.facts.values if identity(item) in allowed}
            self.facts.values = list(allowed.values())

    def _read_numbers(self) -> None:
        for keyword, is_exclusive in (("minimum", False), ("exclusiveMinimum", True)):
            if keyword in self.schema:
                bound = Bound(self._number(keyword), is_exclusive)
                if self.facts.lower is None or _key(bound) > _key(self.facts.lower):
                    self.facts.lower = bound
        for keyword, is_exclusive in (("maximum", False), ("exclusiveMaximum", True)):
            if keyword in self.schema:
                bound = Bound(self._number(keyword), is_exclusive)
                upper = self.facts.upper
                if upper is None or (bound.value, not is_exclusive) < (upper.value, not upper.is_exclusive):
                    self.facts.upper = bound
        if "multipleOf" in self.schema:
            divisor = self._number("multipleOf")
            if divisor <= 0:
                raise self._invalid("multipleOf", "a number above 0", self.schema["multipleOf"])
            self.facts.multiple_of.append((self.node, divisor))

    def _read_strings(self) -> None:
        facts = self.facts
        facts.min_length = max(facts.min_length, self._count("minLength") or 0)
        facts.max_length = _smaller(facts.max_length, self._count("maxLength"))
        if "pattern" in self.schema:
            facts.patterns.setdefault(self._text("pattern"), self.node)
        if "format" in self.schema:
            name = self._text("format")
            if name not in ENFORCED_FORMATS | PLAIN_FORMATS:
                known = ", ".join(sorted(ENFORCED_FORMATS))
                raise UnsupportedSchema(
                    self.node.pointer, "format", f"{name!r} has no grammar here (there is one for {known}); use pattern"
                )
            if name in ENFORCED_FORMATS:
                facts.formats.setdefault(name, self.node)

    def _read_objects(self) -> None:
        facts = self.facts
        facts.min_properties = max(facts.min_properties, self._count("minProperties") or 0)
        facts.max_properties = _smaller(facts.max_properties, self._count("maxProperties"))
        required = self.schema.get("required", [])
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise self._invalid("required", "a list of property names", required)
        facts.required.update(dict.fromkeys(str(name) for name in required))
        if self.schema.keys() & {"properties", "patternProperties", "additionalProperties", "propertyNames"}:
            part = ObjectPart(
                self.node,
                self._node_map("properties"),
                self._node_map("patternProperties"),
                self.node.child("additionalProperties") if "additionalProperties" in self.schema else None,
                self.node.child("propertyNames") if "propertyNames" in self.schema else None,
            )
            facts.objects.append(part)

    def _read_arrays(self) -> None:
        facts = self.facts
        facts.min_items = max(facts.min_items, self._count("minItems") or 0)
        facts.max_items = _smaller(facts.max_items, self._count("maxItems"))
        prefix = _node_list(self.node, "prefixItems") if "prefixItems" in self.schema else []
        rest = None
        if isinstance(self.schema.get("items"), list):  # before 2020-12, a list of schemas was the prefix
            if prefix:
                raise self._invalid("items", "a schema beside prefixItems", self.schema["items"])
            prefix = [self.node.child("items", index) for index in range(len(self.schema["items"]))]  # type: ignore[arg-type]
            rest = self.node.child("additionalItems") if "additionalItems" in self.schema else None
        elif "items" in self.schema:
            rest = self.node.child("items")
        if prefix or rest is not None:
            facts.arrays.append(ArrayPart(self.node, tuple(prefix), rest))

    # Values of keywords

    def _number(self, keyword: str) -> Decimal:
        value = self.schema[keyword]
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self._invalid(keyword, "a number", value)
        return Decimal(value)

    def _count(self, keyword: str) -> int | None:
        value = self.schema.get(keyword)
        if keyword not in self.schema:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._invalid(keyword, "a whole number of 0 or more", value)
        return value

    def _text(self, keyword: str) -> str:
        value = self.schema[keyword]
        if not isinstance(value, str):
            raise self._invalid(keyword, "a string", value)
        return value

    def _node_map(self, keyword: str) -> dict[str, Node]:
        value = self.schema.get(keyword, {})
        if not isinstance(value, dict):
            raise self._invalid(keyword, "an object of schemas", value)
        return {name: self.node.child(keyword, name) for name in value}

    def _invalid(self, keyword: str, expected: str, value: object) -> InvalidSchema:
        return InvalidSchema(f"{self.node.pointer}/{keyword}", expected, value)


def _key(bound: Bound) -> tuple[Decimal, bool]:
    return bound.value, bound.is_exclusive


def _smaller(left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else min(left, right)
