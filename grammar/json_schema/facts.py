"""SchemaFacts: what several schema nodes that hold at once say together of a value."""

from dataclasses import dataclass, field
from decimal import Decimal

from ..guards.guard_plan import Check
from ..json_text.json_value import Json
from ..json_text.numbers import Bound
from .document import Node

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
ALL_TYPES = frozenset(TYPES)
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
    is_declaring: bool = True
    """Whether the author declares properties here, so that a tight reading takes them for all there are."""


@dataclass(frozen=True, slots=True)
class ArrayPart:
    """What one node says of an array's items; `rest` is for those after `prefix`."""

    node: Node
    prefix: tuple[Node, ...]
    rest: Node | None


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of which one holds at least: an anyOf, a oneOf, or what a condition comes to.

    Each case is a list of nodes that hold at once.
    """

    node: Node
    keyword: str
    branches: tuple[tuple[Node, ...], ...]
    is_exclusive: bool = False
    """Whether no two may hold (oneOf)."""
    is_loose: bool = False
    """Whether the cases allow more than the keyword does, so that a guard must check it."""

    @property
    def is_condition(self) -> bool:
        """Whether the cases may be left to a guard altogether: without them all that is lost is foresight."""
        return self.keyword not in ("anyOf", "oneOf")

    @property
    def check(self) -> Check:
        """What a guard must check for this group."""
        return Check(self.node, self.keyword)


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
    length_nodes: list[Node] = field(default_factory=list)
    """The nodes that bound the length."""
    patterns: dict[str, Node] = field(default_factory=dict)
    formats: dict[str, Node] = field(default_factory=dict)
    objects: list[ObjectPart] = field(default_factory=list)
    required: dict[str, None] = field(default_factory=dict)
    min_properties: int = 0
    max_properties: int | None = None
    member_nodes: list[Node] = field(default_factory=list)
    """The nodes that count or demand members."""
    arrays: list[ArrayPart] = field(default_factory=list)
    min_items: int = 0
    max_items: int | None = None
    groups: list[Group] = field(default_factory=list)
    excluded: dict[Check, list[Json]] = field(default_factory=dict)
    """Values that a `not` of an enum or a const takes away."""
    checks: dict[Check, None] = field(default_factory=dict)
    """What no grammar says, whatever stands beside it."""


def expanded_types(types: set[str]) -> frozenset[str]:
    """`types`, with `integer` wherever `number` is."""
    return frozenset(types | {"integer"}) if "number" in types else frozenset(types)


def excluded_of(facts: SchemaFacts, kind: type[str] | type[int]) -> list[Json]:
    """The strings, or the whole numbers, that are excluded."""
    return [value for values in facts.excluded.values() for value in values if type(value) is kind]


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
