"""Guard plans that leave everything to the guards, and a slow, obvious reading of what a plan forbids."""

import json
import re

from palmette.grammar.guards.guard_plan import Check, GuardNode, GuardPlan
from palmette.grammar.guards.json_value_reader import read_json
from palmette.grammar.guards.validator import Validator
from palmette.grammar.json_schema.document import Node, SchemaDocument

_DESCENDED = ("properties", "patternProperties", "additionalProperties", "items", "prefixItems", "propertyNames")


def plan_of(schema: object, *, asserts_format: bool = True) -> GuardPlan:
    """Every keyword is checked where the value it is about closes; members have guards of their own."""
    document = SchemaDocument(json.dumps(schema))
    made: dict[str, GuardNode] = {}
    return GuardPlan(document, _guard_of(document.root, made), asserts_format)


def whole_plan_of(schema: object) -> GuardPlan:
    """The whole schema is checked of the whole value."""
    document = SchemaDocument(json.dumps(schema))
    return GuardPlan(document, GuardNode(checks=[Check(document.root, "")]), asserts_format=False)


def _guard_of(node: Node, made: dict[str, GuardNode]) -> GuardNode:
    if node.pointer in made:
        return made[node.pointer]
    guard = made[node.pointer] = GuardNode()
    schema = node.value
    if not isinstance(schema, dict):
        guard.checks.append(Check(node, ""))
        return guard
    is_old_tuple = isinstance(schema.get("items"), list)
    for keyword in schema:
        if keyword not in _DESCENDED or is_old_tuple:
            guard.checks.append(Check(node, keyword))
    if is_old_tuple:
        return guard
    if "propertyNames" in schema:
        guard.key_checks.append(Check(node.child("propertyNames"), ""))
    for name in schema.get("properties", {}):
        guard.properties[name] = _guard_of(node.child("properties", name), made)
    for pattern in schema.get("patternProperties", {}):
        guard.patterns.append((pattern, _guard_of(node.child("patternProperties", pattern), made)))
    if "additionalProperties" in schema:
        guard.additional = _guard_of(node.child("additionalProperties"), made)
    if "items" in schema:
        guard.rest = _guard_of(node.child("items"), made)
    for index in range(len(schema.get("prefixItems", []))):
        guard.prefix.append(_guard_of(node.child("prefixItems", index), made))
    return guard


class _Cut(Exception):
    """The text ends here."""


class Broken(Exception):
    """A check fails."""


class PlanReading:
    """Reads a beginning of a document from its first byte and checks whatever has closed, by the letter of a plan."""

    def __init__(self, plan: GuardPlan) -> None:
        self.plan = plan
        self.validator = Validator(plan.document, asserts_format=plan.asserts_format)

    def is_broken(self, text: bytes, *, is_end: bool = False) -> bool:
        """Whether a check fails of the values that `text` closes; a number that is all of it closes at the end."""
        self.text = text.decode("utf-8", "ignore")
        self.at = 0
        try:
            self.value([self.plan.root])
        except Broken:
            return True
        except _Cut:
            return is_end and self.fails([self.plan.root], self.text)
        return False

    def fails(self, guards: list[GuardNode], text: str) -> bool:
        value = read_json(text)
        return not all(
            self.validator.keyword_holds(check.node, check.keyword, value) for guard in guards for check in guard.checks
        )

    def value(self, guards: list[GuardNode]) -> None:
        start = self.at
        first = self.peek()
        if first == '"':
            self.string()
        elif first in "[{":
            self.container(guards, "}" if first == "{" else "]")
        elif first in "tfn":
            self.at += 4 + (first == "f")
            if self.at > len(self.text):
                raise _Cut
        else:
            self.at = re.compile(r"[-+.0-9eE]*").match(self.text, self.at).end()
            if self.at == len(self.text):
                raise _Cut
        if self.fails(guards, self.text[start : self.at]):
            raise Broken

    def container(self, guards: list[GuardNode], closer: str) -> None:
        self.at += 1
        items: list[str] = []
        keys: list[str] = []
        self.space()
        while self.peek() != closer:
            if items:
                self.at += 1
                self.space()
            if closer == "}":
                self.key(guards, keys)
            start = self.at
            below = self.members(guards, keys[-1]) if closer == "}" else self.items(guards, len(items))
            self.value(below)
            items.append(self.text[start : self.at])
            if closer == "]":
                self.growing(guards, f"[{','.join(items)}]", ("uniqueItems", "maxItems"))
                self.counted(guards, f"[{','.join(items)}]")
            self.space()
        self.at += 1

    def key(self, guards: list[GuardNode], keys: list[str]) -> None:
        start = self.at
        self.string()
        key = json.loads(self.text[start : self.at])
        for guard in guards:
            if guard.unique_keys and key in keys:
                raise Broken
            for check in guard.key_checks:
                if not self.validator.keyword_holds(check.node, check.keyword, key):
                    raise Broken
        keys.append(key)
        self.growing(guards, json.dumps(dict.fromkeys(keys)), ("maxProperties",))
        self.space()
        self.peek()
        self.at += 1
        self.space()

    def growing(self, guards: list[GuardNode], text: str, keywords: tuple[str, ...]) -> None:
        value = read_json(text)
        for guard in guards:
            for check in guard.checks:
                if check.keyword in keywords and not self.validator.keyword_holds(check.node, check.keyword, value):
                    raise Broken

    def counted(self, guards: list[GuardNode], text: str) -> None:
        value = read_json(text)
        assert isinstance(value, list)
        for guard in guards:
            for check in guard.checks:
                schema = check.node.value
                if check.keyword in ("contains", "maxContains") and "maxContains" in schema and "contains" in schema:
                    inner = check.node.child("contains")
                    if sum(self.validator.is_valid(inner, item) for item in value) > schema["maxContains"]:
                        raise Broken

    def members(self, guards: list[GuardNode], key: str) -> list[GuardNode]:
        below = []
        for guard in guards:
            hits = [guard.properties[key]] if key in guard.properties else []
            hits += [child for pattern, child in guard.patterns if re.search(pattern, key)]
            below += hits if hits else [guard.additional]
        return list(dict.fromkeys(child for child in below if child is not None))

    def items(self, guards: list[GuardNode], index: int) -> list[GuardNode]:
        below = [guard.prefix[index] if index < len(guard.prefix) else guard.rest for guard in guards]
        return [child for child in below if child is not None]

    def peek(self) -> str:
        if self.at >= len(self.text):
            raise _Cut
        return self.text[self.at]

    def space(self) -> None:
        while self.peek() in " \n":
            self.at += 1

    def string(self) -> None:
        end = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL).match(self.text, self.at)
        if end is None:
            raise _Cut
        self.at = end.end()
