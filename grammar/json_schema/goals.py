"""Goals: the sets of schemas that must hold at once, each with a rule, a guard, and a place in the work list."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..guards.guard_plan import GuardNode
from ..json_text.layout import JsonLayout
from ..json_text.strings import define_other_key
from ..rules.expression import NOTHING, Expression, RuleRef
from ..rules.rule_set import RuleSet
from ..spec import JsonSchema
from .document import Node, SchemaDocument
from .facts import ALL_TYPES, Conjunct, SchemaFacts
from .gathering import gather_facts
from .guard_builder import GuardBuilder


@dataclass(frozen=True, slots=True)
class Goal:
    """What a rule must produce: a value for which all `conjuncts` hold, at `depth` of the layout, of `only_types`."""

    conjuncts: tuple[Conjunct, ...]
    depth: int = 0
    only_types: frozenset[str] = ALL_TYPES


class Goals:
    """Every goal met so far: its rule's name, what is known of it, and its guard; those without a rule yet wait.

    A guard is what the rule does not enforce; goals that differ in depth alone share one.
    """

    def __init__(self, document: SchemaDocument, constraint: JsonSchema) -> None:
        self.document = document
        self.is_tight = constraint.reading == "tight"
        self.has_any_order = constraint.property_order == "any"
        self.rules = RuleSet("goal-0")
        self.layout = JsonLayout(constraint.whitespace, self.rules)
        self.pending: deque[Goal] = deque()
        self.guards: dict[Goal, GuardNode] = {}
        self.builder = GuardBuilder(document)
        self.is_depth_cut = False
        self._names: dict[Goal, str] = {}
        self._other_keys: dict[tuple[str, ...], RuleRef] = {}
        self._facts: dict[tuple[Conjunct, ...], SchemaFacts] = {}

    def gather(self, conjuncts: tuple[Conjunct, ...]) -> SchemaFacts:
        """What the conjuncts say together; shared, so not to be changed."""
        facts = self._facts.get(conjuncts)
        if facts is None:
            pointer = conjuncts[0].node.pointer if conjuncts else ""
            facts = self._facts[conjuncts] = gather_facts(self.document, conjuncts, pointer)
        return facts

    def rule_for(self, goal: Goal) -> RuleRef:
        """The rule of `goal`, to be made if it is new."""
        name = self._names.get(goal)
        if name is None:
            name = self._names[goal] = f"goal-{len(self._names)}"
            self.pending.append(goal)
        return RuleRef(name)

    def define_next(self, expression: Callable[[Goal], Expression]) -> None:
        """Make the rule of the goal that has waited longest."""
        goal = self.pending.popleft()
        self.rules.define(self._names[goal], expression(goal))

    def guard_for(self, goal: Goal) -> GuardNode:
        """The guard of `goal`, filled when its rule is made."""
        key = goal if goal.depth == 0 else Goal(goal.conjuncts, 0, goal.only_types)
        guard = self.guards.get(key)
        if guard is None:
            guard = self.guards[key] = GuardNode()
        return guard

    def value_goal(self, nodes: list[Node], depth: int) -> Goal:
        """A value inside a container at `depth`, for which all `nodes` hold."""
        if len(nodes) > 1:
            nodes = sorted(dict.fromkeys(nodes), key=lambda node: (node.pointer, node.scope))
        return Goal(tuple([Conjunct(node) for node in nodes]), self.layout.inner_depth(depth))

    def other_key(self, names: tuple[str, ...]) -> RuleRef:
        """The rule of all keys but `names`."""
        if names not in self._other_keys:
            self._other_keys[names] = define_other_key(self.rules, f"key-{len(self.rules)}", names)
        return self._other_keys[names]

    def shared_rule(self, name: str, expression: Expression) -> Expression:
        """A rule that many places use under one name; of an expression that names no rules."""
        return NOTHING if expression == NOTHING else self.rules.share(name, expression, is_sealed=True)

    def fresh_rule(self, kind: str, expression: Expression) -> RuleRef:
        """A rule under a name of its own."""
        return self.rules.define(f"{kind}-{len(self.rules)}", expression)
