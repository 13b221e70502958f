"""Keywords that judge a value by itself: types, values, bounds, lengths, counts, names."""

from collections.abc import Callable
from decimal import Decimal

from ..json_schema.document import Node
from ..json_text.json_value import Json
from .equality import identity, type_of
from .outcome import OpenText, SomeNumber, has_open_text
from .schema_keyword import Assertion, count_of, list_of, named_schemas_of, number_of, text_of, texts_of
from .text_checks import is_found, is_of_format

MAX_EXPONENT = 2_000


def _type(node: Node) -> Assertion:
    stated = node.child("type").value
    names = set(texts_of(node, "type")) if isinstance(stated, list) else {text_of(node, "type")}
    if "number" in names:
        names.add("integer")

    def holds(value: Json) -> bool | None:
        if type(value) is SomeNumber and "number" not in names:
            return None if "integer" in names else False
        return type_of(value) in names

    return holds


def _values(allowed: list[Json]) -> Assertion:
    identities = {identity(value) for value in allowed}
    types = {type_of(value) for value in allowed}
    texts = [value for value in allowed if isinstance(value, str)]

    def holds(value: Json) -> bool | None:
        if type(value) is SomeNumber:
            return None if types & {"integer", "number"} else False
        if type_of(value) not in types:
            return False
        if isinstance(value, str) and type(value) is OpenText:
            return None if any(value.can_be(text) for text in texts) else False
        return None if has_open_text(value) else identity(value) in identities

    return holds


def _enum(node: Node) -> Assertion:
    return _values(list_of(node, "enum"))


def _const(node: Node) -> Assertion:
    return _values([node.child("const").value])


def _number_bound(
    keyword: str, compare: "Callable[[int | Decimal, int | Decimal], bool]"
) -> Callable[[Node], Assertion]:
    def make(node: Node) -> Assertion:
        if isinstance(node.child(keyword).value, bool):  # draft 4: it sharpens the bound beside it
            return lambda _: True
        bound = number_of(node, keyword)
        schema = node.value
        sharp = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}.get(keyword, "")
        excludes = isinstance(schema, dict) and schema.get(sharp) is True

        def holds(value: Json) -> bool | None:
            if not isinstance(value, int | Decimal) or isinstance(value, bool):
                return True
            if type(value) is SomeNumber:
                return None
            return compare(value, bound) and not (excludes and value == bound)

        return holds

    return make


def _multiple_of(node: Node) -> Assertion:
    keyword = "divisibleBy" if isinstance(node.value, dict) and "multipleOf" not in node.value else "multipleOf"
    divisor = Decimal(number_of(node, keyword))
    top, bottom = divisor.as_integer_ratio()

    def holds(value: Json) -> bool | None:
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            return True
        if (
            top == 0
            or type(value) is SomeNumber
            or (isinstance(value, Decimal) and abs(value.adjusted()) > MAX_EXPONENT)
        ):
            return None
        numerator, denominator = value.as_integer_ratio()
        return (numerator * bottom) % (denominator * top) == 0

    return holds


def _min_length(node: Node) -> Assertion:
    low = count_of(node, "minLength")

    def holds(value: Json) -> bool | None:
        if not isinstance(value, str) or len(value) >= low:
            return True
        return None if type(value) is OpenText else False

    return holds


def _max_length(node: Node) -> Assertion:
    high = count_of(node, "maxLength")

    def holds(value: Json) -> bool | None:
        if not isinstance(value, str):
            return True
        if type(value) is not OpenText:
            return len(value) <= high
        return None if len(value) + (value.tail is not None) <= high else False

    return holds


def _count(keyword: str, kind: type, fits: Callable[[int, int], bool]) -> Callable[[Node], Assertion]:
    def make(node: Node) -> Assertion:
        bound = count_of(node, keyword)
        return lambda value: (
            not isinstance(value, list | dict) or not isinstance(value, kind) or fits(len(value), bound)
        )

    return make


def _at_least(value: int | Decimal, bound: int | Decimal) -> bool:
    return value >= bound


def _at_most(value: int | Decimal, bound: int | Decimal) -> bool:
    return value <= bound


def _pattern(node: Node) -> Assertion:
    pattern = text_of(node, "pattern")
    is_found(pattern, "")  # a pattern that cannot be read is refused here, not when a value comes
    return lambda value: is_found(pattern, value) if isinstance(value, str) else True


def _format(node: Node) -> Assertion:
    name = text_of(node, "format")
    return lambda value: is_of_format(name, value) if isinstance(value, str) else True


def _required(node: Node) -> Assertion:
    if isinstance(node.child("required").value, bool):  # draft 3 and OpenAPI slips: not about this value
        return lambda _: True
    names = texts_of(node, "required")
    return lambda value: not isinstance(value, dict) or all(name in value for name in names)


def _unique_items(node: Node) -> Assertion:
    if node.child("uniqueItems").value is False:
        return lambda _: True
    return lambda value: not isinstance(value, list) or are_unique(value)


def are_unique(items: list[Json]) -> bool | None:
    """Whether no two items are equal; None where that hangs on a text not known yet."""
    known = [identity(item) for item in items if not has_open_text(item)]
    if len(set(known)) < len(known):
        return False
    return True if len(known) == len(items) else None


def _dependent_required(node: Node) -> Assertion:
    needed = {
        name: texts_of(node.child("dependentRequired"), name) for name in named_schemas_of(node, "dependentRequired")
    }

    def holds(value: Json) -> bool:
        if not isinstance(value, dict):
            return True
        return all(name in value for key, names in needed.items() if key in value for name in names)

    return holds


ASSERTIONS: dict[str, Callable[[Node], Assertion]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _number_bound("minimum", _at_least),
    "maximum": _number_bound("maximum", _at_most),
    "exclusiveMinimum": _number_bound("exclusiveMinimum", lambda value, bound: value > bound),
    "exclusiveMaximum": _number_bound("exclusiveMaximum", lambda value, bound: value < bound),
    "multipleOf": _multiple_of,
    "minLength": _min_length,
    "maxLength": _max_length,
    "pattern": _pattern,
    "format": _format,
    "required": _required,
    "minProperties": _count("minProperties", dict, _at_least),
    "maxProperties": _count("maxProperties", dict, _at_most),
    "minItems": _count("minItems", list, _at_least),
    "maxItems": _count("maxItems", list, _at_most),
    "uniqueItems": _unique_items,
    "dependentRequired": _dependent_required,
}
"""For each keyword, what makes its assertion from the schema object that holds it."""
