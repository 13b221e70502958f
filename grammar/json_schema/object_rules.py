"""Objects of a schema as rules: declared members in their order or in any, then others; counted where that matters."""

from ..errors import ConstraintTooLarge
from ..guards.guard_plan import Check, GuardNode
from ..json_text.strings import quoted_literal
from ..rules.expression import EMPTY, NOTHING, Expression, Literal, concat, either, optional, repeat
from .document import Node
from .facts import SchemaFacts
from .goals import Goals
from .guard_builder import Choice, Option, add_check
from .member_keys import KeyClass, MemberKeys

MAX_COUNTED_RULES = 5_000
MAX_PERMUTED = 5
_COUNTING = ("required", "minProperties", "maxProperties")


def object_rule(goals: Goals, facts: SchemaFacts, guard: GuardNode, depth: int) -> Expression:
    """The objects that meet the facts, at `depth` of the layout."""
    can_be_empty = not facts.required and facts.min_properties == 0
    options = [goals.layout.empty("{}")] if can_be_empty else []
    if facts.max_properties == 0:
        return either(options)
    if not goals.layout.can_nest(depth):
        goals.is_depth_cut = True
        return either(options)
    members = _Members(goals, facts, guard, depth)
    if not members.required <= set(members.names):
        return NOTHING
    return either([*options, goals.layout.wrapped("{}", members.content(), depth)])


class _Members:
    """The members of an object: one or more."""

    def __init__(self, goals: Goals, facts: SchemaFacts, guard: GuardNode, depth: int) -> None:
        self.goals = goals
        self.facts = facts
        self.guard = guard
        self.depth = depth
        self.comma = goals.layout.comma(depth)
        keys = MemberKeys(goals, facts, guard)
        self.names = keys.names
        self.required = set(facts.required)
        self.pairs = [self._pair(name, keys.nodes_of(name)) for name in self.names]
        self.other = self._other_pair(keys)
        self.low, self.high = facts.min_properties, facts.max_properties
        num_most = None if self.other is not None else len(self.names)
        if self.low <= len(self.required):
            self.low = 0
        if self.high is not None and num_most is not None and self.high >= num_most:
            self.high = None

    def content(self) -> Expression:
        """One member or more."""
        if self.goals.has_any_order and len(self.names) + (self.other is not None) > 1:
            return self._permuted_content()
        if self.low <= 1 and self.high is None:
            return self._ordered_content()
        high = self.high if self.high is not None else max(self.low, len(self.names) + (self.other is not None))
        if len(self.names) * (high + 1) <= MAX_COUNTED_RULES:
            return self._counted_content(max(self.low, 1), high)
        if self.other is None:
            raise ConstraintTooLarge(
                "properties times maxProperties",
                MAX_COUNTED_RULES,
                f"{len(self.names) * (high + 1)}, at #{self.facts.pointer}",
            )
        self._guard_counts()
        return self._ordered_content()

    def _ordered_content(self) -> Expression:
        after: Expression = EMPTY if self.other is None else repeat(concat(self.comma, self.other), 0, None)
        options = [] if self.other is None else [concat(self.other, after)]
        for name, pair in reversed(list(zip(self.names, self.pairs, strict=True))):
            if name in self.required:  # nothing after it may come first
                options = []
            rest = self.goals.fresh_rule("after", after)
            options.append(concat(pair, rest))
            member = concat(self.comma, pair)
            after = concat(member if name in self.required else optional(member), rest)
        return either(reversed(options))

    def _counted_content(self, low: int, high: int) -> Expression:
        """The same with the members counted: a rule for each property and number of members before it."""
        if self.other is not None:
            self.guard.unique_keys = True  # or two members of one name would count as two
        after: list[Expression] = [self._others_after(count, low, high) for count in range(high + 1)]
        for name, pair in reversed(list(zip(self.names, self.pairs, strict=True))):
            rests = [self.goals.fresh_rule("after", option) for option in after]
            after = []
            for count in range(high + 1):
                taken: Expression = NOTHING
                if count < high:
                    taken = concat(self.comma if count else EMPTY, pair, rests[count + 1])
                after.append(taken if name in self.required else either([taken, rests[count]]))
        return after[0]

    def _others_after(self, count: int, low: int, high: int) -> Expression:
        """What may follow `count` declared members: as many others as are missing, at most what is left."""
        missing = max(0, low - count)
        if self.other is None:
            return EMPTY if missing == 0 else NOTHING
        most = None if self.high is None else high - count
        if most is not None and missing > most:
            return NOTHING
        if count > 0:
            return repeat(concat(self.comma, self.other), missing, most)
        if most == 0:
            return NOTHING
        rest = repeat(concat(self.comma, self.other), max(missing - 1, 0), None if most is None else most - 1)
        return concat(self.other, rest)

    # Any order

    def _permuted_content(self) -> Expression:
        """Declared members in any order: a rule for each set of those left while they are few, else a guard."""
        num_names = len(self.names)
        if num_names <= MAX_PERMUTED and (self.other is None or (self.low <= 1 and self.high is None)):
            return self._subset_content()
        self.guard.unique_keys = True
        self._guard_counts()
        member = either([*self.pairs, *([] if self.other is None else [self.other])])
        high = num_names if self.other is None else None
        if self.high is not None:
            high = self.high if high is None else min(high, self.high)
        low = max(self.low, len(self.required), 1)
        if high is not None and low > high:
            return NOTHING
        rest = self.goals.fresh_rule("member", concat(self.comma, member))
        return concat(member, repeat(rest, low - 1, None if high is None else high - 1))

    def _subset_content(self) -> Expression:
        num_names = len(self.names)
        demanded = sum(1 << index for index, name in enumerate(self.names) if name in self.required)
        after: dict[int, Expression] = {}
        for left in range(1 << num_names):  # every set of those left comes after its subsets
            after[left] = self.goals.fresh_rule("left", self._after_set(left, demanded, after))
        full = (1 << num_names) - 1
        options = [concat(pair, after[full & ~(1 << index)]) for index, pair in enumerate(self.pairs)]
        if self.other is not None:
            options.append(concat(self.other, after[full]))
        return either(options)

    def _after_set(self, left: int, demanded: int, after: dict[int, Expression]) -> Expression:
        """What may follow when the declared members in the set `left` have not been written."""
        count = len(self.names) - left.bit_count()
        can_end = not left & demanded and (self.other is not None or count >= self.low)
        options = []
        if self.other is not None or self.high is None or count < self.high:
            options = [
                concat(self.comma, pair, after[left & ~(1 << index)])
                for index, pair in enumerate(self.pairs)
                if left >> index & 1
            ]
        more = either([*options, *([EMPTY] if can_end else [])])
        if self.other is None:
            return more
        return concat(repeat(concat(self.comma, self.other), 0, None), more)

    # Pairs

    def _pair(self, name: str, nodes: list[Node]) -> Expression:
        goal = self.goals.value_goal(nodes, self.depth)
        self.guard.properties[name] = self.goals.guard_for(goal)
        return concat(Literal(quoted_literal(name)), self.goals.layout.colon(), self.goals.rule_for(goal))

    def _other_pair(self, keys: MemberKeys) -> Expression | None:
        """A member that is not declared, or None where there may be none."""
        classes = keys.classes()
        if not classes:
            return None
        if keys.num_patterns > 1:
            self._guard_classes(classes)
        options = []
        for each in classes:
            goal = self.goals.value_goal(each.nodes, self.depth)
            if keys.num_patterns <= 1:
                self._lead_to(each, self.goals.guard_for(goal))
            options.append(concat(each.key, self.goals.layout.colon(), self.goals.rule_for(goal)))
        return self.goals.fresh_rule("other", either(options))

    def _lead_to(self, each: KeyClass, guard: GuardNode) -> None:
        if each.name is not None:
            self.guard.properties[each.name] = guard
        elif each.pattern is not None:
            self.guard.patterns.append((each.pattern, guard))
        else:
            self.guard.additional = guard

    def _guard_classes(self, classes: list[KeyClass]) -> None:
        """Of members told apart by several patterns, what one needs checked is checked of the object as a whole."""
        types = frozenset({"object"})
        options = [
            Option(self.goals.guard_for(self.goals.value_goal(each.nodes, self.depth)), types) for each in classes
        ]
        nodes = [part.node for part in self.facts.objects]
        self.goals.builder.add_choice(Choice(self.guard, nodes, [], [*options, Option(GuardNode(), types)]))

    def _guard_counts(self) -> None:
        for node in self.facts.member_nodes:
            for keyword in _COUNTING:
                if isinstance(node.value, dict) and keyword in node.value:
                    add_check(self.guard, Check(node, keyword))
