"""Documents for a schema, some valid and some not: made at random from the schema, judged by `jsonschema`."""

import copy
import json
import random
from dataclasses import dataclass
from typing import Any

import jsonschema

from palmette.grammar.notations.regex import parse_regex
from palmette.grammar.rules.expression import Chars, Concat, Either, Expression, Literal, Repeat

from .parts import Schema

WORDS = (
    "apple",
    "Berlin",
    "a blue bird",
    "Zoë",
    "x",
    "order 66",
    "tea & milk",
    "no",
    "line\nbreak",
    'said "yes"',
    "漢字",
)
FORMATS = {
    "date": "2024-02-29",
    "date-time": "2024-05-17T08:30:00Z",
    "time": "08:30:00Z",
    "email": "ada@example.org",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uri": "https://example.org/a?b=c",
    "ipv4": "192.168.0.1",
}
NUM_TRIES = 60
PLAIN = [chr(point) for point in range(33, 127) if chr(point) not in '"\\']


@dataclass(frozen=True)
class Documents:
    """Compact JSON texts, properties in the order in which the schema declares them."""

    valid: tuple[str, ...]
    invalid: tuple[str, ...]


def documents_for(schema: Schema, seed: int = 0, num_each: int = 3) -> Documents:
    """Up to `num_each` valid and as many invalid documents; the same for the same seed."""
    rng = random.Random(seed)
    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)(
        schema, format_checker=jsonschema.FormatChecker()
    )
    valid: dict[str, None] = {}
    invalid: dict[str, None] = {}
    for _ in range(NUM_TRIES):
        try:
            value = _Maker(schema, rng).make(schema, 0)
        except TooDeep:
            continue
        if validator.is_valid(value):
            if len(valid) < num_each:
                valid[_dump(value)] = None
            value = _spoilt(value, rng)
        if len(invalid) < num_each and not validator.is_valid(value):
            invalid[_dump(value)] = None
        if len(valid) == len(invalid) == num_each:
            break
    return Documents(tuple(valid), tuple(invalid))


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _weight(schema: Schema) -> tuple[int, int]:
    written = json.dumps(schema)
    return written.count("$ref"), len(written)


class TooDeep(Exception):
    """A recursive schema led nowhere; the next try may."""


class _Maker:
    """Makes values that are meant to be valid; what it does not know of, `jsonschema` sorts out."""

    def __init__(self, root: Schema, rng: random.Random) -> None:
        self.root = root
        self.rng = rng
        self.anchors = {
            node["$anchor"]: node
            for node in root.get("$defs", {}).values()
            if isinstance(node, dict) and "$anchor" in node
        }

    def make(self, schema: Any, depth: int) -> Any:
        if depth > 40:
            raise TooDeep
        if schema is True or schema == {}:
            return self.rng.choice([None, True, 3, "text", [1], {"k": "v"}])
        schema = self._merged(schema)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                options = schema[keyword]
                if depth > 5:  # the smallest way out of a recursion
                    options = sorted(options, key=_weight)[:1]
                rest = {name: value for name, value in schema.items() if name != keyword}
                return self.make(self._joined(rest, self._merged(self.rng.choice(options))), depth)
        if "const" in schema:
            return copy.deepcopy(schema["const"])
        if "enum" in schema:
            return copy.deepcopy(self.rng.choice(schema["enum"]))
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = self.rng.choice(kind)
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        return getattr(self, f"_{kind}")(schema, depth)

    def _merged(self, schema: Schema) -> Schema:
        merged: Schema = {}
        pending = [schema]
        while pending:
            part = pending.pop()
            if "$ref" in part:
                pending.append(self._target(part["$ref"]))
            pending += part.get("allOf", [])
            merged = self._joined(
                merged, {name: value for name, value in part.items() if name not in ("$ref", "allOf", "$defs")}
            )
        return merged

    def _joined(self, left: Schema, right: Schema) -> Schema:
        joined = left | right
        if "properties" in left and "properties" in right:
            joined["properties"] = left["properties"] | right["properties"]
        if "required" in left and "required" in right:
            joined["required"] = list(dict.fromkeys(left["required"] + right["required"]))
        return joined

    def _target(self, reference: str) -> Schema:
        target: Any = self.root
        if not reference.startswith("#/"):
            return self.root if reference == "#" else self.anchors[reference[1:]]
        for step in reference[2:].split("/"):
            target = target[step]
        return dict(target)

    def _null(self, _schema: Schema, _depth: int) -> None:
        return None

    def _boolean(self, _schema: Schema, _depth: int) -> bool:
        return self.rng.random() < 0.5

    def _integer(self, schema: Schema, _depth: int) -> int:
        low = schema.get("minimum", -20)
        value = self.rng.randint(int(low), int(schema.get("maximum", int(low) + 60)))
        step = schema.get("multipleOf", 1)
        return value // step * step

    def _number(self, schema: Schema, _depth: int) -> float | int:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -20))
        low = 0 if isinstance(low, bool) else low
        value = round(self.rng.uniform(low, schema.get("maximum", low + 60)), self.rng.choice([0, 1, 2]))
        step = schema.get("multipleOf")
        if step:
            value = round(round(value / step) * step, 6)
        return int(value) if value == int(value) else value

    def _string(self, schema: Schema, _depth: int) -> str:
        if "format" in schema:
            return FORMATS[schema["format"]]
        if "pattern" in schema:
            return _sample(parse_regex(schema["pattern"], is_search=True), self.rng)
        value = self.rng.choice(WORDS)
        while len(value) < schema.get("minLength", 0):
            value += " " + self.rng.choice(WORDS)
        return value[: schema.get("maxLength")]

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        prefix = schema.get("prefixItems", schema["items"] if isinstance(schema.get("items"), list) else [])
        rest = schema.get("items", True) if not isinstance(schema.get("items"), list) else False
        value = [self.make(item, depth + 1) for item in prefix]
        low = max(schema.get("minItems", 0), 0)
        high = min(schema.get("maxItems", low + 3), low + 3) if depth < 5 else low
        count = self.rng.randint(low, max(low, high))
        while len(value) < count and rest is not False:
            item = self.make(rest, depth + 1)
            if not schema.get("uniqueItems") or item not in value or self.rng.random() < 0.02:
                value.append(item)
        return value

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", [])
        wants = 0.5 if depth < 4 else 0.05
        value = {
            name: self.make(member, depth + 1)
            for name, member in schema.get("properties", {}).items()
            if name in required or self.rng.random() < wants
        }
        for pattern, member in schema.get("patternProperties", {}).items():
            for _ in range(max(1, schema.get("minProperties", 0))):
                value[_sample(parse_regex(pattern, is_search=True), self.rng) or "k"] = self.make(member, depth + 1)
        additional = schema.get("additionalProperties")
        if isinstance(additional, dict):
            count = self.rng.randint(
                schema.get("minProperties", 0), schema.get("minProperties", 0) + (2 if depth < 4 else 0)
            )
            names = schema.get("propertyNames", {}).get("pattern")
            for index in range(count):
                name = f"key_{index}" if names is None else _sample(parse_regex(names, is_search=True), self.rng)
                value[name] = self.make(additional, depth + 1)
        return value


def _sample(expression: Expression, rng: random.Random) -> str:
    """A short text that matches; plain characters where there are some."""
    match expression:
        case Literal(text):
            return text
        case Chars(members):
            plain = [character for character in PLAIN if character in members]
            if plain:
                return rng.choice(plain)
            first, _ = members.ranges[0]
            return " " if " " in members else chr(first)
        case Concat(parts):
            return "".join(_sample(part, rng) for part in parts)
        case Either(options):
            return _sample(rng.choice(options), rng)
        case Repeat(item, low, high):
            most = low + 4 if high is None else min(high, low + 4)
            return "".join(_sample(item, rng) for _ in range(rng.randint(low, most)))
    raise ValueError(f"expected a regular expression without references, got {expression!r}")


def _spoilt(value: Any, rng: random.Random) -> Any:
    """The value with one thing changed somewhere; it may be valid all the same."""
    spoilt = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []
    pending = [spoilt]
    while pending:
        container = pending.pop()
        if isinstance(container, dict | list):
            keys = list(container) if isinstance(container, dict) else range(len(container))
            for key in keys:
                places.append((container, key))
                pending.append(container[key])
    if not places:
        return rng.choice([None, -1e6, [], {"other": 1}, "??", 0.5])
    container, key = rng.choice(places)
    change = rng.randrange(4)
    if change == 0:
        del container[key]
    elif change == 1 and isinstance(container, dict):
        container["unheard_of"] = 1
    elif change == 2 and isinstance(container[key], str):
        container[key] = container[key] + "!" * 500
    else:
        container[key] = rng.choice([None, "??", -123456.789, True, [], {}, [[1]]])
    return spoilt
