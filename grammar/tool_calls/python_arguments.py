"""PythonArguments: a schema's documents written as the arguments of a Python call, `city="Rome", days=[1, 2]`.

Containers, constants and lists of values are written here, strings and numbers as in JSON, whose forms Python shares
but for the escapes that are left out. What a schema says beyond that is refused, not dropped.
"""

import keyword as python_keyword
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

from ..errors import InvalidSchema, UnsupportedSchema
from ..json_schema.document import Node, SchemaDocument
from ..json_schema.keywords import ANNOTATIONS
from ..json_schema.schema_compiler import compile_schema
from ..json_text.json_value import Json
from ..json_text.layout import JsonLayout
from ..json_text.numbers import any_integer, any_number
from ..json_text.strings import any_string, quoted_literal
from ..rules.char_set import CharSet
from ..rules.expression import (
    EMPTY,
    NOTHING,
    Chars,
    Expression,
    Literal,
    Repeat,
    RuleRef,
    any_literal,
    concat,
    either,
    repeat,
)
from ..rules.rule_set import RuleSet
from ..spec import JsonSchema
from .embedding import embed_documents

MAX_ITEMS = 100_000
_COMMA = Literal(", ")
_ANYTHING = Node("/~2anything", True)
"""The schema of all values, of which there is one rule; no pointer holds such an escape."""
_BY_TYPE = {
    "null": frozenset[str](),
    "boolean": frozenset[str](),
    "integer": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    "number": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    "string": frozenset(("minLength", "maxLength", "pattern", "format")),
    "array": frozenset(("items", "minItems", "maxItems")),
    "object": frozenset(("properties", "required", "additionalProperties")),
}
"""The types, and the keywords that are enforced for each."""


class PythonArguments:
    """Writes the rules of one tool's arguments into `rules`, under names that begin with `prefix`."""

    def __init__(self, rules: RuleSet, document: SchemaDocument, prefix: str) -> None:
        self.rules = rules
        self.document = document
        self.prefix = prefix
        self.names: dict[str, str] = {}
        self.pending: deque[Node] = deque()
        if "escape" not in rules:
            rules.stand_in("escape", _python_escape())  # for that of JSON's strings

    def define(self) -> Expression:
        """The arguments; raises `InvalidSchema`, `UnsupportedSchema`."""
        root = self.document.root
        _check_keywords(root, _BY_TYPE["object"] | {"type"})
        arguments = self._members(root, _keyword_argument)
        while self.pending:
            node = self.pending.popleft()
            self.rules.define(self.names[node.pointer], self._value(node))
        return arguments

    def _rule_for(self, node: Node) -> RuleRef:
        if node.value is True:
            node = _ANYTHING
        if node.pointer not in self.names:
            self.names[node.pointer] = f"{self.prefix}/value-{len(self.names)}"
            self.pending.append(node)
        return RuleRef(self.names[node.pointer])

    def _value(self, node: Node) -> Expression:
        """The values for which the schema at `node` holds."""
        schema = node.value
        if schema is False:
            return NOTHING
        if schema is True:
            return either(self._of_type(node, kind, {}) for kind in _BY_TYPE if kind != "integer")
        if not isinstance(schema, dict):
            raise InvalidSchema(node.pointer, "a schema: an object, true or false", schema)
        if "$ref" in schema:
            _check_keywords(node, {"$ref"})
            return self._rule_for(self.document.resolve(node))
        if "anyOf" in schema:
            _check_keywords(node, {"anyOf"})
            return either(self._rule_for(branch) for branch in _children(node, "anyOf"))
        if "enum" in schema or "const" in schema:
            return self._listed(node, schema)
        kinds = _types_of(node, schema)
        _check_keywords(node, frozenset(("type",)).union(*(_BY_TYPE[kind] for kind in kinds)))
        return either(self._of_type(node, kind, schema) for kind in kinds)

    def _listed(self, node: Node, schema: dict[str, Json]) -> Expression:
        _check_keywords(node, {"enum", "type"} if "enum" in schema else {"const", "type"})
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        if not isinstance(values, list):
            raise InvalidSchema(f"{node.pointer}/enum", "a list of values", values)
        kinds = _types_of(node, schema) if "type" in schema else list(_BY_TYPE)
        return any_literal(python_literal(value) for value in values if _is_of(value, kinds))

    def _of_type(self, node: Node, kind: str, schema: dict[str, Json]) -> Expression:
        match kind:
            case "null":
                return Literal("None")
            case "boolean":
                return any_literal(("True", "False"))
            case "integer" | "number":
                return self._leaf(node, kind, schema, any_integer() if kind == "integer" else any_number())
            case "string":
                low, high = _count(node, schema, "minLength") or 0, _count(node, schema, "maxLength")
                if high is not None and low > high:
                    return NOTHING
                plain = any_string(self.rules, low, high)
                return self._leaf(node, kind, schema, plain, already=frozenset(("minLength", "maxLength")))
            case "array":
                return self._array(node, schema)
            case _:
                return concat(Literal("{"), self._members(node, _dict_item), Literal("}"))

    def _leaf(
        self,
        node: Node,
        kind: str,
        schema: dict[str, Json],
        plain: Expression,
        already: frozenset[str] = frozenset(),
    ) -> Expression:
        """`plain` where only the keywords `already` enforced bear on it; or else as the JSON front writes it."""
        own = {keyword: value for keyword, value in schema.items() if keyword in _BY_TYPE[kind]}
        if own.keys() <= already:
            return plain
        text = JsonLayout("compact", RuleSet("leaf")).dump({"type": kind, **own}, 0)
        try:
            documents = compile_schema(JsonSchema(text))
        except UnsupportedSchema as error:
            raise UnsupportedSchema(node.pointer, error.keyword, error.reason) from error
        if documents.guards is not None:
            raise UnsupportedSchema(node.pointer, ", ".join(own), "in Python calls only what a grammar can say")
        return embed_documents(self.rules, documents, f"{self.prefix}/leaf-{kind}{node.pointer}")

    def _array(self, node: Node, schema: dict[str, Json]) -> Expression:
        low, high = _count(node, schema, "minItems") or 0, _count(node, schema, "maxItems")
        item = self._rule_for(node.child("items") if "items" in schema else _ANYTHING)
        if high is not None and low > high:
            return NOTHING
        empty = [Literal("[]")] if low == 0 else []
        if high == 0:
            return either(empty)
        more = repeat(concat(_COMMA, item), max(low - 1, 0), None if high is None else high - 1)
        return either([*empty, concat(Literal("["), item, more, Literal("]"))])

    def _members(self, node: Node, written: Callable[[str, Node], Literal]) -> Expression:
        """The members in their order, those that are not required present or not; nothing where there may be none.

        Two rules for each: what may follow when nothing was written yet, and when something was.
        """
        schema = node.value if isinstance(node.value, dict) else {}
        properties, required = _declared(node, schema)
        additional = schema.get("additionalProperties", not properties and written is _dict_item)
        if additional is not False:
            if properties or written is not _dict_item:
                raise UnsupportedSchema(
                    node.pointer, "additionalProperties", "the arguments of a Python call are those declared"
                )
            where = node.child("additionalProperties") if "additionalProperties" in schema else None
            value = self._rule_for(where or _ANYTHING)
            item = concat(any_string(self.rules), Literal(": "), value)
            return either([EMPTY, concat(item, repeat(concat(_COMMA, item), 0, None))])
        first: Expression = EMPTY
        more: Expression = EMPTY
        for index, (name, child) in reversed(list(enumerate(properties.items()))):
            member = concat(written(name, child), self._rule_for(child))
            is_optional = name not in required
            first = either([concat(member, more), *([first] if is_optional else [])])
            more = either([concat(_COMMA, member, more), *([more] if is_optional else [])])
            base = f"{self.prefix}/{'items' if written is _dict_item else 'arguments'}{node.pointer}-{index}"
            first = self.rules.define(f"{base}-first", first)
            more = self.rules.define(f"{base}-more", more)
        return first


def python_literal(value: Json) -> str:
    """A JSON value as Python writes it."""
    match value:
        case bool() | None | int():
            return str(value)
        case Decimal():
            return str(value)
        case str():
            return quoted_literal(value)
        case list():
            return f"[{', '.join(map(python_literal, value))}]"
        case dict():
            items = (f"{quoted_literal(key)}: {python_literal(item)}" for key, item in value.items())
            return "{" + ", ".join(items) + "}"


def _python_escape() -> Expression:
    r"""What may stand after a backslash in JSON and in Python alike, to the same effect; no halves of surrogates."""
    digit, lower = CharSet.from_text("0123456789abcdefABCDEF"), CharSet.from_text("dD")
    three = Repeat(Chars(digit), 3, 3)
    below = concat(Chars(lower), Chars(CharSet.from_text("01234567")), Repeat(Chars(digit), 2, 2))
    code = either([concat(Chars(digit - lower), three), below])
    return either([Chars(CharSet.from_text('"\\bfnrt')), concat(Literal("u"), code)])


def _keyword_argument(name: str, node: Node) -> Literal:
    if not name.isidentifier() or python_keyword.iskeyword(name):
        raise UnsupportedSchema(node.pointer, "properties", f"{name!r} cannot be the name of an argument in Python")
    return Literal(f"{name}=")


def _dict_item(name: str, _node: Node) -> Literal:
    return Literal(f"{quoted_literal(name)}: ")


def _check_keywords(node: Node, enforced: "frozenset[str] | set[str]") -> None:
    schema = node.value
    assert isinstance(schema, dict), "asked of schema objects alone"
    for keyword in schema:
        if keyword not in enforced and keyword not in ANNOTATIONS and not keyword.startswith("x-"):
            beside = ", ".join(sorted(enforced)) or "nothing"
            raise UnsupportedSchema(
                node.pointer, keyword, f"in Python calls only {beside} may stand here; use a format that writes JSON"
            )


def _types_of(node: Node, schema: dict[str, Json]) -> list[str]:
    stated = schema.get("type")
    if stated is None:
        fitting = [kind for kind, keywords in _BY_TYPE.items() if keywords & schema.keys() and kind != "integer"]
        return fitting or [kind for kind in _BY_TYPE if kind != "integer"]
    kinds = stated if isinstance(stated, list) else [stated]
    if not kinds or not all(isinstance(kind, str) and kind in _BY_TYPE for kind in kinds):
        raise InvalidSchema(f"{node.pointer}/type", f"one or a list of {', '.join(_BY_TYPE)}", stated)
    return [str(kind) for kind in kinds]


def _is_of(value: Json, kinds: Sequence[str]) -> bool:
    match value:
        case None:
            return "null" in kinds
        case bool():
            return "boolean" in kinds
        case int():
            return "integer" in kinds or "number" in kinds
        case Decimal():
            return "number" in kinds
        case str():
            return "string" in kinds
        case list():
            return "array" in kinds
        case dict():
            return "object" in kinds


def _children(node: Node, keyword: str) -> list[Node]:
    listed = node.child(keyword).value
    if not isinstance(listed, list) or not listed:
        raise InvalidSchema(f"{node.pointer}/{keyword}", "a list of schemas", listed)
    return [node.child(keyword, index) for index in range(len(listed))]


def _declared(node: Node, schema: dict[str, Json]) -> tuple[dict[str, Node], list[Json]]:
    """The properties, and which are required; a required one that is not declared may be anything."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict):
        raise InvalidSchema(f"{node.pointer}/properties", "schemas by name", properties)
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise InvalidSchema(f"{node.pointer}/required", "a list of names", required)
    undeclared = [name for name in required if name not in properties]
    if undeclared:
        raise UnsupportedSchema(node.pointer, "required", f"{undeclared[0]!r} is not declared; add it to properties")
    return {name: node.child("properties", name) for name in properties}, required


def _count(node: Node, schema: dict[str, Json], keyword: str) -> int | None:
    value = schema.get(keyword)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value > MAX_ITEMS:
        raise InvalidSchema(f"{node.pointer}/{keyword}", f"an integer from 0 to {MAX_ITEMS}", value)
    return value
