"""JSON Schema to rules: what of a schema is enforced is enforced wholly, and what cannot be is refused.

Each rule stands for one *goal*: the schema nodes that must hold at once, at one depth of the layout. Rules are made
from a work list, so that neither deep nor recursive schemas meet Python's own limits:

    goal(#)  ::=  "{" "\\"tags\\":" goal(#/properties/tags) "}"
    goal(#/properties/tags)  ::=  "[" (goal(#/$defs/Tag) ("," goal(#/$defs/Tag))*)? "]"
    goal(#/$defs/Tag)  ::=  ...
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

import msgspec

from ..errors import ConstraintTooLarge, GrammarError, UnsatisfiableConstraint, UnsupportedSchema
from ..json_text.layout import MAX_INDENTED_DEPTH, JsonLayout
from ..json_text.numbers import any_integer, any_number, decimal_range, integer_range
from ..json_text.strings import any_string, define_other_key, quoted, quoted_literal, spelled
from ..notations.regex import Dialect, parse_regex
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
    length_bounds,
    optional,
    repeat,
)
from ..rules.rule_set import RuleSet
from ..spec import JsonSchema
from .disjoint import DisjointProof, declared_names, is_closed
from .document import Node, SchemaDocument
from .facts import ALL_TYPES, MAX_COUNT, TYPES, Conjunct, Group, SchemaFacts, gather_facts
from .formats import format_expression
from .values import allowed_values, search_matches

MAX_BRANCHES = 1_000
MAX_MULTIPLES = 10_000
MAX_COUNTED_RULES = 5_000
MAX_ENUM_LEN = 100_000


@dataclass(frozen=True, slots=True)
class Goal:
    """What a rule must produce: a value for which all `conjuncts` hold, at `depth` of the layout.

    `only_types` narrows the types; `also_required` are properties that must be there besides.
    """

    conjuncts: tuple[Conjunct, ...]
    depth: int = 0
    only_types: frozenset[str] = ALL_TYPES
    also_required: tuple[str, ...] = ()


def compile_schema(constraint: JsonSchema) -> RuleSet | tuple[str, ...]:
    """The rules of the documents to generate, or simply the documents where a list of values says them all.

    Every document of these rules is valid. Raises `InvalidSchema`, `UnsupportedSchema`, `UnsatisfiableConstraint`
    or `ConstraintTooLarge`.
    """
    if constraint.reading not in ("tight", "literal"):
        raise GrammarError(f"reading: expected 'tight' or 'literal', got {constraint.reading!r}")
    return _SchemaCompiler(constraint).compile()


class _SchemaCompiler:
    def __init__(self, constraint: JsonSchema) -> None:
        self.constraint = constraint
        self.document = SchemaDocument(constraint.schema)
        self.is_tight = constraint.reading == "tight"
        self.rules = RuleSet("goal-0")
        self.layout = JsonLayout(constraint.whitespace, self.rules)
        self.proof = DisjointProof(lambda conjuncts: self.gather(conjuncts, ""), is_tight=self.is_tight)
        self.names: dict[Goal, str] = {}
        self.pending: deque[Goal] = deque()
        self.is_depth_cut = False

    def compile(self) -> RuleSet | tuple[str, ...]:
        goal = Goal((Conjunct(self.document.root),))
        facts = self.gather(goal.conjuncts, "")
        if facts.values is not None and not facts.groups:
            texts = tuple(dict.fromkeys(self.layout.dump(value, 0) for value in allowed_values(facts)))
            if texts:
                return texts
        self.rule_for(goal)
        while self.pending:
            goal = self.pending.popleft()
            self.rules.define(self.names[goal], self.expression(goal))
        try:
            return self.rules.pruned()
        except UnsatisfiableConstraint as error:
            if self.is_depth_cut:
                compile_schema(msgspec.structs.replace(self.constraint, whitespace="compact"))
                raise ConstraintTooLarge("levels of indented JSON", MAX_INDENTED_DEPTH, "more") from error
            raise UnsatisfiableConstraint(
                "JSON schema: expected one that some document meets, got one that no document meets; check bounds "
                "that cross, empty enums, required properties that are not allowed, recursion without an end"
            ) from error

    def gather(self, conjuncts: tuple[Conjunct, ...], pointer: str) -> SchemaFacts:
        return gather_facts(self.document, conjuncts, pointer)

    def rule_for(self, goal: Goal) -> RuleRef:
        """The rule of `goal`, to be made if it is new."""
        if goal not in self.names:
            self.names[goal] = f"goal-{len(self.names)}"
            self.pending.append(goal)
        return RuleRef(self.names[goal])

    def value_rule(self, nodes: list[Node], depth: int) -> RuleRef:
        """The rule of a value inside a container at `depth`, for which all `nodes` hold."""
        unique = sorted({node.pointer: node for node in nodes}.values(), key=lambda node: node.pointer)
        return self.rule_for(Goal(tuple(map(Conjunct, unique)), self.layout.inner_depth(depth)))

    def shared_rule(self, name: str, expression: Expression) -> RuleRef:
        """A rule that many places use under one name."""
        return RuleRef(name) if name in self.rules else self.rules.define(name, expression)

    # One goal

    def expression(self, goal: Goal) -> Expression:
        pointer = goal.conjuncts[0].node.pointer if goal.conjuncts else ""
        facts = self.gather(goal.conjuncts, pointer)
        facts.required.update(dict.fromkeys(goal.also_required))
        facts.types &= goal.only_types
        if facts.is_false:
            return NOTHING
        if facts.groups:
            return self.branches(goal, facts)
        if facts.values is not None:
            return self.values(facts, goal.depth)
        types = facts.types
        if self.is_tight and facts.mentioned_types:
            types &= facts.mentioned_types
        if "number" in types:
            types -= {"integer"}  # a number may be whole
        return either(self.of_type(kind, facts, goal.depth) for kind in TYPES if kind in types)

    def of_type(self, kind: str, facts: SchemaFacts, depth: int) -> Expression:
        """The values of one type that meet the facts."""
        match kind:
            case "null":
                return Literal("null")
            case "boolean":
                return any_literal(("true", "false"))
            case "integer":
                return self.integer(facts)
            case "number":
                return self.number(facts)
            case "string":
                return self.string(facts)
            case "array":
                return self.array(facts, depth)
            case _:
                return self.object(facts, depth)

    def branches(self, goal: Goal, facts: SchemaFacts) -> Expression:
        """anyOf and oneOf: every way of choosing one branch of each, with what stands beside them."""
        base = tuple(Conjunct(node, is_bare=True) for node in facts.own)
        num_ways = 1
        for group in facts.groups:
            num_ways *= len(group.branches)
        if num_ways > MAX_BRANCHES:
            raise ConstraintTooLarge("combined branches of anyOf and oneOf", MAX_BRANCHES, f"{num_ways}, {_at(facts)}")
        required = set(goal.also_required)
        for group in facts.groups:
            if group.is_exclusive:
                required |= self.prove_exclusive(group, base, goal)
        options = []
        for branches in product(*(group.branches for group in facts.groups)):
            conjuncts = dict.fromkeys((*base, *map(Conjunct, branches)))
            options.append(self.rule_for(Goal(tuple(conjuncts), goal.depth, facts.types, tuple(sorted(required)))))
        return either(options)

    def prove_exclusive(self, group: Group, base: tuple[Conjunct, ...], goal: Goal) -> set[str]:
        """Raise unless no document made for one branch is valid for another; returns what must be required for it."""
        branches = [self.gather((*base, Conjunct(branch)), branch.pointer) for branch in group.branches]
        others = [self.gather((Conjunct(branch),), branch.pointer) for branch in group.branches]
        name = self.proof.discriminator(others)
        for facts in branches:
            facts.types &= goal.only_types
            facts.required.update(dict.fromkeys((*goal.also_required, *([] if name is None else [name]))))
        for made_index, made in enumerate(branches):
            for other_index, other in enumerate(others):
                if made_index != other_index and not self.proof.never_valid(made, other):
                    raise UnsupportedSchema(
                        group.node.pointer,
                        "oneOf",
                        f"branches {made_index} and {other_index} may hold at once; use anyOf, or tell them apart by "
                        "type or by a required property with a const",
                    )
        return set() if name is None else {name}

    def values(self, facts: SchemaFacts, depth: int) -> Expression:
        texts = [self.layout.dump(value, depth) for value in allowed_values(facts)]
        if sum(map(len, texts)) > MAX_ENUM_LEN:
            raise ConstraintTooLarge("characters of an enum", MAX_ENUM_LEN, sum(map(len, texts)))
        return any_literal(texts)

    # Numbers

    def integer(self, facts: SchemaFacts) -> Expression:
        divisors = [(node, divisor) for node, divisor in facts.multiple_of if not _divides_integers(divisor)]
        if divisors:
            return self.multiples(facts, *divisors[0])
        if facts.lower is None and facts.upper is None:
            return self.shared_rule("integer", any_integer())
        return integer_range(facts.lower, facts.upper)

    def multiples(self, facts: SchemaFacts, node: Node, divisor: Decimal) -> Expression:
        """Integers between two bounds that are multiples, listed."""
        low, high = facts.lower, facts.upper
        if low is None or high is None or high.value - low.value > MAX_MULTIPLES:
            raise UnsupportedSchema(
                node.pointer,
                "multipleOf",
                f"multiples of {divisor} are enforced only for integers within bounds at most {MAX_MULTIPLES} apart",
            )
        candidates = range(int(low.value) - 1, int(high.value) + 2)
        listed = SchemaFacts(facts.pointer, types=frozenset({"integer"}), values=list(candidates))
        listed.lower, listed.upper, listed.multiple_of = low, high, facts.multiple_of
        return any_literal(str(value) for value in allowed_values(listed))

    def number(self, facts: SchemaFacts) -> Expression:
        for node, divisor in facts.multiple_of:
            if divisor == divisor.to_integral_value():
                return self.integer(facts)
            raise UnsupportedSchema(
                node.pointer, "multipleOf", f"readers' floats disagree on what is a multiple of {divisor}; use integers"
            )
        if facts.lower is None and facts.upper is None:
            return self.shared_rule("number", any_number())
        expression = decimal_range(facts.lower, facts.upper)
        if expression is None:
            keyword = "exclusiveMinimum" if facts.lower and facts.lower.is_exclusive else "exclusiveMaximum"
            raise UnsupportedSchema(
                facts.pointer, keyword, "beside so many digits a float cannot tell it from its neighbours; round it"
            )
        return expression

    # Strings

    def string(self, facts: SchemaFacts) -> Expression:
        low, high = facts.min_length, facts.max_length
        if low > MAX_COUNT or (high is not None and high > MAX_COUNT):
            raise ConstraintTooLarge("characters of a string", MAX_COUNT, f"{max(low, high or 0)}, {_at(facts)}")
        shaped = [(node, "pattern", pattern) for pattern, node in facts.patterns.items()]
        shaped += [(node, "format", name) for name, node in facts.formats.items()]
        if len(shaped) > 1:
            node, keyword, _ = shaped[1]
            raise UnsupportedSchema(
                node.pointer, keyword, "it stands beside another pattern or format; merge them into one pattern"
            )
        if not shaped:
            return NOTHING if high is not None and low > high else any_string(self.rules, low, high)
        node, keyword, text = shaped[0]
        if keyword == "format":
            expression = format_expression(text)
        else:
            expression = parse_regex(text, Dialect.SHARED, is_search=True)
        return quoted(spelled(_limit_length(expression, low, high, node, keyword)))

    # Arrays

    def array(self, facts: SchemaFacts, depth: int) -> Expression:
        low, high = facts.min_items, facts.max_items
        if low > MAX_COUNT or (high is not None and high > MAX_COUNT):
            raise ConstraintTooLarge("items of an array", MAX_COUNT, f"{max(low, high or 0)}, {_at(facts)}")
        num_prefix = max((len(part.prefix) for part in facts.arrays), default=0)
        rests = [part.rest for part in facts.arrays if part.rest is not None]
        is_closed_tuple = self.is_tight and num_prefix > 0 and not rests and low <= num_prefix
        if is_closed_tuple:
            high = num_prefix if high is None else min(high, num_prefix)
        if high is not None and low > high:
            return NOTHING
        options = [self.layout.empty("[]")] if low == 0 else []
        if high == 0:
            return either(options)
        if not self.layout.can_nest(depth):
            self.is_depth_cut = True
            return either(options)
        comma = self.layout.comma(depth)
        content = self._items(facts, rests, num_prefix, (low, high), comma, depth)
        return either([*options, self.layout.wrapped("[]", content, depth)])

    def _items(
        self,
        facts: SchemaFacts,
        rests: list[Node],
        num_prefix: int,
        bounds: tuple[int, int | None],
        comma: Expression,
        depth: int,
    ) -> Expression:
        """One item or more: the prefix, of which the end may be missing, then the rest."""
        low, high = max(bounds[0], 1), bounds[1]
        num_prefix = num_prefix if high is None else min(num_prefix, high)
        tail: Expression = EMPTY
        if high is None or high > num_prefix:
            item = self.value_rule(rests, depth)
            max_rest = None if high is None else high - num_prefix
            if num_prefix == 0:
                more = repeat(concat(comma, item), low - 1, None if max_rest is None else max_rest - 1)
                return concat(item, more)
            tail = repeat(concat(comma, item), max(0, low - num_prefix), max_rest)
        for index in reversed(range(num_prefix)):
            nodes = [part.prefix[index] for part in facts.arrays if index < len(part.prefix)]
            nodes += [part.rest for part in facts.arrays if index >= len(part.prefix) and part.rest is not None]
            item = self.value_rule(nodes, depth)
            if index == 0:
                return concat(item, tail)
            tail = concat(comma, item, tail)
            tail = self.rules.define(f"items-{len(self.rules)}", tail if index < low else optional(tail))
        raise AssertionError(f"items: expected at least one item, got bounds {bounds}")

    # Objects

    def object(self, facts: SchemaFacts, depth: int) -> Expression:
        can_be_empty = not facts.required and facts.min_properties == 0
        options = [self.layout.empty("{}")] if can_be_empty else []
        if not self.layout.can_nest(depth):
            self.is_depth_cut = True
            return either(options)
        members = _Members(self, facts, depth)
        return either([*options, self.layout.wrapped("{}", members.content(), depth)])


class _Members:
    """The members of an object at `depth`: declared properties in their order, then others."""

    def __init__(self, compiler: _SchemaCompiler, facts: SchemaFacts, depth: int) -> None:
        self.compiler = compiler
        self.facts = facts
        self.depth = depth
        self.comma = compiler.layout.comma(depth)
        self.names = list(declared_names(facts) | facts.required)
        self.required = set(facts.required)
        self.pairs = [self._pair(name) for name in self.names]
        self.other = self._other_pair()
        self.low = facts.min_properties
        self.high = facts.max_properties
        num_most = None if self.other is not None else len(self.names)
        if self.low <= len(self.required):
            self.low = 0
        if self.high is not None and num_most is not None and self.high >= num_most:
            self.high = None

    def content(self) -> Expression:
        """One member or more."""
        if self.low > 1 or self.high is not None:
            return self._counted_content()
        after: Expression = EMPTY if self.other is None else repeat(concat(self.comma, self.other), 0, None)
        options = [] if self.other is None else [concat(self.other, after)]
        for name, pair in reversed(list(zip(self.names, self.pairs, strict=True))):
            if name in self.required:  # nothing after it may come first
                options = []
            rest = self.compiler.rules.define(f"after-{len(self.compiler.rules)}", after)
            options.append(concat(pair, rest))
            member = concat(self.comma, pair)
            after = concat(member if name in self.required else optional(member), rest)
        return either(reversed(options))

    def _counted_content(self) -> Expression:
        """The same with the members counted: a rule for each property and number of members before it."""
        high = self.high if self.high is not None else len(self.names) + (1 if self.other else 0)
        needed = max(self.low, 1)
        if self.other is not None and needed > len(self.required) + 1:
            raise UnsupportedSchema(
                self.facts.pointer,
                "minProperties",
                "additional properties may repeat a name, so they cannot be counted; use required",
            )
        if len(self.names) * (high + 1) > MAX_COUNTED_RULES:
            raise ConstraintTooLarge(
                "properties times maxProperties",
                MAX_COUNTED_RULES,
                f"{len(self.names) * (high + 1)}, {_at(self.facts)}",
            )
        after: list[Expression] = [self._others_after(count, needed, high) for count in range(high + 1)]
        for name, pair in reversed(list(zip(self.names, self.pairs, strict=True))):
            rests = [self.compiler.rules.define(f"after-{len(self.compiler.rules)}", option) for option in after]
            after = []
            for count in range(high + 1):
                taken: Expression = NOTHING
                if count < high:
                    taken = concat(self.comma if count else EMPTY, pair, rests[count + 1])
                after.append(taken if name in self.required else either([taken, rests[count]]))
        return after[0]

    def _others_after(self, count: int, needed: int, high: int) -> Expression:
        """What may follow `count` declared members: as many others as are missing, at most what is left."""
        missing = max(0, needed - count)
        if self.other is None:
            return EMPTY if missing == 0 else NOTHING
        if missing > 1:
            return NOTHING  # two others may bear the same name and then count once
        most = None if self.high is None else high - count
        if count > 0:
            return repeat(concat(self.comma, self.other), missing, most)
        if most == 0:
            return NOTHING
        return concat(self.other, repeat(concat(self.comma, self.other), 0, None if most is None else most - 1))

    def _pair(self, name: str) -> Expression:
        nodes: list[Node] = []
        for part in self.facts.objects:
            spoken = [part.properties[name]] if name in part.properties else []
            spoken += [node for pattern, node in part.patterns.items() if search_matches(pattern, node, name)]
            if not spoken and part.additional is not None:
                spoken = [part.additional]
            if part.names is not None:
                raise UnsupportedSchema(
                    part.node.pointer, "propertyNames", "it stands beside declared properties; declare those it allows"
                )
            nodes += spoken
        value = self.compiler.value_rule(nodes, self.depth)
        return concat(Literal(quoted_literal(name)), self.compiler.layout.colon(), value)

    def _other_pair(self) -> Expression | None:
        """A member that is not declared, or None where there may be none."""
        facts = self.facts
        patterns = [(part, pattern, node) for part in facts.objects for pattern, node in part.patterns.items()]
        if patterns:
            return self._pattern_pair(patterns[0][1], patterns[0][2], len(patterns))
        if is_closed(facts, is_tight=self.compiler.is_tight):
            return None
        nodes = [part.additional for part in facts.objects if part.additional is not None]
        key = self._other_key()
        return concat(key, self.compiler.layout.colon(), self.compiler.value_rule(nodes, self.depth))

    def _other_key(self) -> Expression:
        name_nodes = [part.names for part in self.facts.objects if part.names is not None]
        if name_nodes:
            conjuncts = tuple(map(Conjunct, name_nodes))
            return self.compiler.rule_for(Goal(conjuncts, 0, frozenset({"string"})))
        if not self.names:
            return any_string(self.compiler.rules)
        rule_name = f"key-{len(self.compiler.rules)}"
        return define_other_key(self.compiler.rules, rule_name, self.names)

    def _pattern_pair(self, pattern: str, node: Node, num_patterns: int) -> Expression:
        stated = [part.additional for part in self.facts.objects if part.additional is not None]
        is_shut = any(additional.value is False for additional in stated)
        if num_patterns > 1 or len(self.facts.objects) > 1 or not (is_shut or (self.compiler.is_tight and not stated)):
            raise UnsupportedSchema(
                self.facts.objects[0].node.pointer,
                "patternProperties",
                "it is enforced only where it stands alone with one pattern and additionalProperties is false",
            )
        if any(part.names is not None for part in self.facts.objects):
            raise UnsupportedSchema(
                self.facts.objects[0].node.pointer, "propertyNames", "it stands beside patternProperties; use only one"
            )
        key = quoted(spelled(parse_regex(pattern, Dialect.SHARED, is_search=True)))
        return concat(key, self.compiler.layout.colon(), self.compiler.value_rule([node], self.depth))


def _limit_length(expression: Expression, low: int, high: int | None, node: Node, keyword: str) -> Expression:
    """`expression` with its matches from `low` to `high` characters long, where that can be said."""
    shortest, longest = length_bounds(expression)
    if shortest >= low and (high is None or (longest is not None and longest <= high)):
        return expression
    if (longest is not None and longest < low) or (high is not None and shortest > high):
        return NOTHING
    if isinstance(expression, Repeat) and isinstance(expression.item, Chars):
        low = max(low, expression.min_count)
        if expression.max_count is not None:
            high = expression.max_count if high is None else min(high, expression.max_count)
        return repeat(expression.item, low, high)
    raise UnsupportedSchema(
        node.pointer,
        keyword,
        "it does not itself keep to minLength and maxLength; say the length inside the pattern, with {m,n}",
    )


def _divides_integers(divisor: Decimal) -> bool:
    """Whether every integer is a multiple."""
    top, _ = divisor.as_integer_ratio()
    return top == 1


def _at(facts: SchemaFacts) -> str:
    return f"at #{facts.pointer}"
