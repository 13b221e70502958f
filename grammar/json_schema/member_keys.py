"""MemberKeys: which keys an object may have besides the declared ones, and what holds of the member of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from ..errors import UnsupportedSchema
from ..guards.guard_plan import Check, GuardNode
from ..guards.text_checks import is_found
from ..guards.validator import is_valid
from ..json_text.strings import any_string, quoted, quoted_literal, spelled
from ..json_text.text_automaton import ANY_TEXT, TextAutomaton
from ..notations.regex import parse_regex
from ..notations.regex_dialect import Dialect
from ..rules.expression import NOTHING, Expression, Literal, any_literal
from .disjoint import declared_names, is_closed
from .document import Node
from .facts import Conjunct, ObjectPart, SchemaFacts
from .formats import format_expression
from .goals import Goals
from .guard_builder import add_check

MAX_SPLIT_PATTERNS = 3
_MEMBER_KEYWORDS = ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "not")


@dataclass(frozen=True, slots=True)
class KeyClass:
    """Keys that are treated alike: what they look like, and the schemas that hold of their members."""

    key: Expression
    nodes: list[Node]
    name: str | None = None
    """The only key of the class, if it has but one."""
    pattern: str | None = None
    """The pattern whose matches these are, where there is but one pattern."""


class MemberKeys:
    """The names of an object's members, sorted: declared ones, listed ones, and classes of others.

    Patterns split the keys into classes: those that match the first alone, the second alone, both, none. Each class
    is an automaton; where these get too large, a class takes in more than it should and the guard checks the members.
    """

    def __init__(self, goals: Goals, facts: SchemaFacts, guard: GuardNode) -> None:
        self._goals = goals
        self._facts = facts
        self._guard = guard
        self._parts = facts.objects
        self._name_nodes = [part.names for part in facts.objects if part.names is not None]
        self._patterns = {pattern: None for part in facts.objects for pattern in part.patterns}
        names = list(declared_names(facts) | facts.required)
        self._listed: list[str] | None = None
        if self._name_nodes:
            names = [name for name in names if self._is_name(name)]
            values = self._name_facts().values
            if values is not None:
                self._listed = [value for value in values if isinstance(value, str) and self._is_name(value)]
        self.names = names
        """Declared or demanded, in the order of declaration; not those that no property may bear."""

    def nodes_of(self, name: str) -> list[Node]:
        """The schemas that hold of the member `name`."""
        nodes: list[Node] = []
        for part in self._parts:
            spoken = [part.properties[name]] if name in part.properties else []
            spoken += [node for pattern, node in part.patterns.items() if self._is_found(pattern, part, name)]
            if not spoken and part.additional is not None:
                spoken = [part.additional]
            nodes += spoken
        return nodes

    def classes(self) -> list[KeyClass]:
        """The keys that are not declared, where there may be any."""
        facts = self._facts
        if self._listed is not None:
            others = [] if self._is_shut() else [name for name in self._listed if name not in self.names]
            return [KeyClass(Literal(quoted_literal(name)), self.nodes_of(name), name) for name in others]
        if self._patterns:
            return self._pattern_classes()
        if is_closed(facts, is_tight=self._goals.is_tight):
            return []
        nodes = [part.additional for part in self._parts if part.additional is not None]
        if any(node.value is False for node in nodes):
            return []
        return [KeyClass(self._named_key() if self._name_nodes else self._other_key(), nodes)]

    # Names

    def _name_facts(self) -> SchemaFacts:
        return self._goals.gather(tuple(map(Conjunct, self._name_nodes)))

    def _is_name(self, name: str) -> bool:
        return all(is_valid(self._goals.document, node, name) for node in self._name_nodes)

    def _is_found(self, pattern: str, part: ObjectPart, name: str) -> bool:
        found = is_found(pattern, name)
        if found is None:
            reason = f"dialects of regular expressions disagree whether {pattern!r} matches {name!r}"
            raise UnsupportedSchema(part.node.pointer, "patternProperties", reason)
        return found

    @property
    def num_patterns(self) -> int:
        """How many patterns the keys are split by."""
        return len(self._patterns)

    def _is_shut(self) -> bool:
        """Whether a tight reading, or the schema, allows no undeclared keys, patterns apart."""
        return not self._patterns and is_closed(self._facts, is_tight=self._goals.is_tight)

    def _other_key(self) -> Expression:
        """Any key but the declared ones."""
        if not self.names:
            return any_string(self._goals.rules)
        return self._goals.other_key(tuple(sorted(self.names)))

    def _named_key(self) -> Expression:
        """Keys that `propertyNames` allows, but for the declared ones."""
        facts = self._name_facts()
        shapes = self._name_shapes(facts)
        if shapes is not None:
            automaton = TextAutomaton.build(shapes, facts.min_length, facts.max_length, self._declared())
            if automaton is not None:
                return automaton.define(self._goals.rules)
        self._guard_names()
        return self._other_key()

    def _name_shapes(self, facts: SchemaFacts) -> list[Expression] | None:
        """What `propertyNames` says as expressions; None where it says more than these can."""
        if facts.is_false or "string" not in facts.types:
            return [NOTHING]
        if facts.groups or facts.checks or facts.values is not None:
            return None
        shapes = [parse_regex(pattern, Dialect.SHARED, is_search=True) for pattern in facts.patterns]
        return [*shapes, *map(format_expression, facts.formats)] or [ANY_TEXT]

    def _guard_names(self) -> None:
        for node in self._name_nodes:
            check = Check(node, "")
            if check not in self._guard.key_checks:
                self._guard.key_checks.append(check)

    def _declared(self) -> list[Expression]:
        return [any_literal(self.names)] if self.names else []

    # Patterns

    def _pattern_classes(self) -> list[KeyClass]:
        name_facts = self._name_facts() if self._name_nodes else None
        shapes = [] if name_facts is None else self._name_shapes(name_facts)
        if shapes is None:
            self._guard_names()
            shapes, name_facts = [], None
        low, high = (0, None) if name_facts is None else (name_facts.min_length, name_facts.max_length)
        if len(self._patterns) > MAX_SPLIT_PATTERNS:
            return self._guarded_classes()
        found: list[KeyClass] = []
        for chosen in self._combinations():
            nodes = self._class_nodes(chosen)
            if nodes is None:
                continue
            wanted = [*shapes, *(parse_regex(each, Dialect.SHARED, is_search=True) for each in chosen)] or [ANY_TEXT]
            others = [parse_regex(each, Dialect.LOOSE, is_search=True) for each in self._patterns if each not in chosen]
            automaton = TextAutomaton.build(wanted, low, high, [*self._declared(), *others])
            if automaton is None:
                return self._guarded_classes()
            if len(automaton):
                pattern = chosen[0] if chosen and len(self._patterns) == 1 else None
                found.append(KeyClass(automaton.define(self._goals.rules), nodes, None, pattern))
        return found

    def _combinations(self) -> Iterator[tuple[str, ...]]:
        for flags in product((True, False), repeat=len(self._patterns)):
            yield tuple(pattern for pattern, is_in in zip(self._patterns, flags, strict=True) if is_in)

    def _class_nodes(self, chosen: tuple[str, ...]) -> list[Node] | None:
        """What holds of members whose keys match exactly the `chosen` patterns; None where there may be none."""
        nodes: list[Node] = []
        for part in self._parts:
            spoken = [node for pattern, node in part.patterns.items() if pattern in chosen]
            if not spoken and part.additional is not None:
                spoken = [part.additional]
            nodes += spoken
        has_stated = any(part.additional is not None for part in self._parts)
        if not chosen and self._goals.is_tight and not has_stated:
            return None
        return None if any(node.value is False for node in nodes) else nodes

    def _guarded_classes(self) -> list[KeyClass]:
        """A class for each pattern and one for the rest, which overlap: the guard checks the members as a whole."""
        guard = self._guard
        guard.unique_keys = True
        for part in self._parts:
            for keyword in _MEMBER_KEYWORDS:
                if isinstance(part.node.value, dict) and keyword in part.node.value:
                    add_check(guard, Check(part.node, keyword))
        if self._name_nodes:
            self._guard_names()
        found: list[KeyClass] = []
        for part in self._parts:
            for pattern, node in part.patterns.items():
                if node.value is not False:
                    key = quoted(spelled(parse_regex(pattern, Dialect.SHARED, is_search=True)))
                    found.append(KeyClass(key, [node]))
        nodes = self._class_nodes(())
        return found if nodes is None else [*found, KeyClass(self._other_key(), nodes)]
