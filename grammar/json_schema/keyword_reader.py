"""KeywordReader: adds what one schema object says by itself to the facts of all that hold at once."""

from decimal import Decimal

from ..errors import InvalidSchema
from ..guards.guard_plan import Check
from ..json_text.json_value import Json
from ..json_text.numbers import Bound
from .conditions import node_list
from .document import Node, SchemaDocument
from .evaluation import evaluated_beside
from .facts import ALL_TYPES, TYPES, ArrayPart, ObjectPart, SchemaFacts, expanded_types, identity
from .formats import ENFORCED_FORMATS, INTEGER_FORMATS
from .negation import read_negation
from .synthetic import is_synthetic, synthetic

_OBJECT_KEYWORDS = frozenset(("properties", "patternProperties", "additionalProperties", "propertyNames"))
_ARRAY_KEYWORDS = frozenset(("items", "prefixItems", "additionalItems"))


class KeywordReader:
    """Reads the keywords of `schema`, which stands at `node`; references and groups are for others to follow.

    Raises `InvalidSchema`.
    """

    def __init__(self, document: SchemaDocument, facts: SchemaFacts, node: Node, schema: dict[str, Json]) -> None:
        self.document = document
        self.facts = facts
        self.node = node
        self.schema = schema

    def read(self) -> None:
        """Every keyword by the name of its reader; linear in the keywords."""
        schema = self.schema
        for keyword in schema:
            reader = _READERS.get(keyword)
            if reader is not None:
                reader(self, keyword)
        keys = schema.keys()
        if not _OBJECT_KEYWORDS.isdisjoint(keys):
            self._read_object()
        if not _ARRAY_KEYWORDS.isdisjoint(keys):
            self._read_array()

    # Types and values

    def read_type(self, keyword: str) -> None:
        stated = self.schema[keyword]
        names = stated if isinstance(stated, list) else [stated]
        if not names or not all(isinstance(name, str) and name in ALL_TYPES for name in names):
            raise self._invalid(keyword, f"one or a list of {', '.join(TYPES)}", stated)
        self.facts.types &= expanded_types({str(name) for name in names})

    def read_values(self, keyword: str) -> None:
        value = self.schema[keyword]
        if keyword == "const":
            value = [value]
        if not isinstance(value, list):
            raise self._invalid(keyword, "a list of values", value)
        allowed = {identity(item): item for item in value}
        if self.facts.values is not None:
            allowed = {identity(item): item for item in self.facts.values if identity(item) in allowed}
        self.facts.values = list(allowed.values())

    def read_not(self, keyword: str) -> None:
        if not isinstance(self.schema[keyword], bool | dict):
            raise self._invalid(keyword, "a schema", self.schema[keyword])
        read_negation(self.facts, self.node)

    # Numbers

    def read_lower(self, keyword: str) -> None:
        self._narrow_lower(self._bound("minimum", "exclusiveMinimum", keyword))

    def read_upper(self, keyword: str) -> None:
        self._narrow_upper(self._bound("maximum", "exclusiveMaximum", keyword))

    def _narrow_lower(self, bound: Bound | None) -> None:
        lower = self.facts.lower
        if bound and (lower is None or (bound.value, bound.is_exclusive) > (lower.value, lower.is_exclusive)):
            self.facts.lower = bound

    def _narrow_upper(self, bound: Bound | None) -> None:
        upper = self.facts.upper
        if bound and (upper is None or (bound.value, not bound.is_exclusive) < (upper.value, not upper.is_exclusive)):
            self.facts.upper = bound

    def _bound(self, plain: str, exclusive: str, keyword: str) -> Bound | None:
        """The bound that `keyword` states; in draft 4 the exclusive one is a mark on the plain one."""
        value = self.schema[keyword]
        if keyword == exclusive and isinstance(value, bool) and plain in self.schema:
            return None  # read with the plain one
        return Bound(self._number(keyword), keyword == exclusive or self.schema.get(exclusive) is True)

    def read_multiple(self, keyword: str) -> None:
        divisor = self._number(keyword)
        if divisor <= 0:
            raise self._invalid(keyword, "a number above 0", self.schema[keyword])
        self.facts.multiple_of.append((self.node, divisor))

    # Strings

    def read_length(self, keyword: str) -> None:
        facts, length = self.facts, self._count(keyword)
        facts.length_nodes.append(self.node)
        if keyword == "minLength":
            facts.min_length = max(facts.min_length, length)
        else:
            facts.max_length = _smaller(facts.max_length, length)

    def read_pattern(self, keyword: str) -> None:
        self.facts.patterns.setdefault(self._text(keyword), self.node)

    def read_format(self, keyword: str) -> None:
        name = self._text(keyword)
        if name in ENFORCED_FORMATS:
            self.facts.formats.setdefault(name, self.node)
        elif name in INTEGER_FORMATS:
            low, high = INTEGER_FORMATS[name]
            self._narrow_lower(Bound(Decimal(low)))
            self._narrow_upper(Bound(Decimal(high)))

    # Objects

    def read_required(self, keyword: str) -> None:
        required = self.schema[keyword]
        if isinstance(required, bool) and self.document.is_ref_alone:
            return  # draft 3's, which draft 4 generators still write beside properties
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise self._invalid(keyword, "a list of property names", required)
        self.facts.required.update(dict.fromkeys(str(name) for name in required))
        self.facts.member_nodes.append(self.node)

    def read_num_properties(self, keyword: str) -> None:
        facts, count = self.facts, self._count(keyword)
        facts.member_nodes.append(self.node)
        if keyword == "minProperties":
            facts.min_properties = max(facts.min_properties, count)
        else:
            facts.max_properties = _smaller(facts.max_properties, count)

    def _read_object(self) -> None:
        part = ObjectPart(
            self.node,
            self._node_map("properties"),
            self._node_map("patternProperties"),
            self._schema("additionalProperties") if "additionalProperties" in self.schema else None,
            self._schema("propertyNames") if "propertyNames" in self.schema else None,
            is_declaring="properties" in self.schema and not is_synthetic(self.node),
        )
        self.facts.objects.append(part)

    def read_unevaluated_properties(self, keyword: str) -> None:
        rest = self._schema(keyword)
        found = evaluated_beside(self.document, self.node)
        if found.has_all_names and found.is_exact:
            return
        names = {name: synthetic(self.node, "any", True) for name in found.names}
        patterns = {pattern: synthetic(self.node, "any", True) for pattern in found.patterns}
        additional = rest if found.is_exact or not found.has_all_names else None
        part = ObjectPart(self.node, names, patterns, additional, None, is_declaring=False)
        self.facts.objects.append(part)
        if not found.is_exact and rest.value is not True:
            self.facts.checks[Check(self.node, keyword)] = None

    # Arrays

    def read_num_items(self, keyword: str) -> None:
        facts, count = self.facts, self._count(keyword)
        if keyword == "minItems":
            facts.min_items = max(facts.min_items, count)
        else:
            facts.max_items = _smaller(facts.max_items, count)

    def read_unique(self, keyword: str) -> None:
        if self.schema[keyword] is True:
            self.facts.checks[Check(self.node, keyword)] = None
        elif self.schema[keyword] is not False:
            raise self._invalid(keyword, "true or false", self.schema[keyword])

    def read_contains(self, keyword: str) -> None:
        facts, inner = self.facts, self._schema(keyword)
        low = self._count("minContains") if "minContains" in self.schema else 1
        high = self._count("maxContains") if "maxContains" in self.schema else None
        facts.min_items = max(facts.min_items, low)
        if inner.value is True or inner.value == {}:
            facts.max_items = _smaller(facts.max_items, high)
        elif low > 0 or high is not None:
            facts.checks[Check(self.node, keyword)] = None

    def _read_array(self) -> None:
        prefix = node_list(self.node, "prefixItems") if "prefixItems" in self.schema else []
        items, rest = self.schema.get("items"), None
        if isinstance(items, list):  # before 2020-12, a list of schemas was the prefix
            if prefix:
                raise self._invalid("items", "a schema beside prefixItems", items)
            held = self.node.child("items")
            prefix = [held.child(index) for index in range(len(items))]
            rest = self._schema("additionalItems") if "additionalItems" in self.schema else None
        elif items is not None:
            rest = self._schema("items")
        if prefix or rest is not None:
            self.facts.arrays.append(ArrayPart(self.node, tuple(prefix), rest))

    def read_unevaluated_items(self, keyword: str) -> None:
        rest = self._schema(keyword)
        found = evaluated_beside(self.document, self.node)
        if found.has_all_items and found.is_exact:
            return
        prefix = (synthetic(self.node, "any", True),) * found.num_items
        if found.is_exact:
            self.facts.arrays.append(ArrayPart(self.node, prefix, rest))
        elif rest.value is not True:
            self.facts.checks[Check(self.node, keyword)] = None

    # Values of keywords

    def _schema(self, keyword: str) -> Node:
        return self.node.child(keyword)

    def _number(self, keyword: str) -> Decimal:
        value = self.schema[keyword]
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self._invalid(keyword, "a number", value)
        return Decimal(value)

    def _count(self, keyword: str) -> int:
        value = self.schema[keyword]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._invalid(keyword, "a whole number of 0 or more", value)
        return value

    def _text(self, keyword: str) -> str:
        value = self.schema[keyword]
        if not isinstance(value, str):
            raise self._invalid(keyword, "a string", value)
        return value

    def _node_map(self, keyword: str) -> dict[str, Node]:
        if keyword not in self.schema:
            return {}
        value = self.schema[keyword]
        if not isinstance(value, dict):
            raise self._invalid(keyword, "an object of schemas", value)
        held = self.node.child(keyword)
        return {name: held.child(name) for name in value}

    def _invalid(self, keyword: str, expected: str, value: object) -> InvalidSchema:
        return InvalidSchema(f"{self.node.pointer}/{keyword}", expected, value)


_READERS = {
    "type": KeywordReader.read_type,
    "enum": KeywordReader.read_values,
    "const": KeywordReader.read_values,
    "not": KeywordReader.read_not,
    "minimum": KeywordReader.read_lower,
    "exclusiveMinimum": KeywordReader.read_lower,
    "maximum": KeywordReader.read_upper,
    "exclusiveMaximum": KeywordReader.read_upper,
    "multipleOf": KeywordReader.read_multiple,
    "minLength": KeywordReader.read_length,
    "maxLength": KeywordReader.read_length,
    "pattern": KeywordReader.read_pattern,
    "format": KeywordReader.read_format,
    "required": KeywordReader.read_required,
    "minProperties": KeywordReader.read_num_properties,
    "maxProperties": KeywordReader.read_num_properties,
    "unevaluatedProperties": KeywordReader.read_unevaluated_properties,
    "minItems": KeywordReader.read_num_items,
    "maxItems": KeywordReader.read_num_items,
    "uniqueItems": KeywordReader.read_unique,
    "contains": KeywordReader.read_contains,
    "unevaluatedItems": KeywordReader.read_unevaluated_items,
}


def _smaller(left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else min(left, right)
