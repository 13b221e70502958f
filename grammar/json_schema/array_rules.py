"""Arrays of a schema as rules: the prefix, of which the end may be missing, then the rest."""

from ..errors import ConstraintTooLarge
from ..guards.guard_plan import GuardNode
from ..rules.expression import EMPTY, NOTHING, Expression, concat, either, optional, repeat
from .document import Node
from .facts import MAX_COUNT, SchemaFacts
from .goals import Goals


def array_rule(goals: Goals, facts: SchemaFacts, guard: GuardNode, depth: int) -> Expression:
    """The arrays that meet the facts, at `depth` of the layout."""
    low, high = facts.min_items, facts.max_items
    if low > MAX_COUNT or (high is not None and high > MAX_COUNT):
        raise ConstraintTooLarge("items of an array", MAX_COUNT, f"{max(low, high or 0)}, at #{facts.pointer}")
    num_prefix = max((len(part.prefix) for part in facts.arrays), default=0)
    rests = [part.rest for part in facts.arrays if part.rest is not None]
    if any(check.keyword == "uniqueItems" for check in facts.checks):
        high = _most_different(goals, rests, num_prefix, high)
    is_closed_tuple = goals.is_tight and num_prefix > 0 and not rests and low <= num_prefix
    if is_closed_tuple:
        high = num_prefix if high is None else min(high, num_prefix)
    if high is not None and low > high:
        return NOTHING
    options = [goals.layout.empty("[]")] if low == 0 else []
    if high == 0:
        return either(options)
    if not goals.layout.can_nest(depth):
        goals.is_depth_cut = True
        return either(options)
    content = _items(goals, facts, guard, rests, num_prefix, (max(low, 1), high), depth)
    return either([*options, goals.layout.wrapped("[]", content, depth)])


def _most_different(goals: Goals, rests: list[Node], num_prefix: int, high: int | None) -> int | None:
    """How many items can all differ, where the rest is of listed values: past them no item could be written."""
    values = goals.gather(goals.value_goal(rests, 0).conjuncts).values if rests else None
    if values is None:
        return high
    return num_prefix + len(values) if high is None else min(high, num_prefix + len(values))


def _items(
    goals: Goals,
    facts: SchemaFacts,
    guard: GuardNode,
    rests: list[Node],
    num_prefix: int,
    bounds: tuple[int, int | None],
    depth: int,
) -> Expression:
    """One item or more."""
    low, high = bounds
    comma = goals.layout.comma(depth)
    num_prefix = num_prefix if high is None else min(num_prefix, high)
    tail: Expression = EMPTY
    if high is None or high > num_prefix:
        goal = goals.value_goal(rests, depth)
        guard.rest = goals.guard_for(goal)
        item = goals.rule_for(goal)
        max_rest = None if high is None else high - num_prefix
        if num_prefix == 0:
            return concat(item, repeat(concat(comma, item), low - 1, None if max_rest is None else max_rest - 1))
        tail = repeat(concat(comma, item), max(0, low - num_prefix), max_rest)
    prefix = [goals.value_goal(_nodes_at(facts, index), depth) for index in range(num_prefix)]
    guard.prefix = [goals.guard_for(goal) for goal in prefix]
    for index in reversed(range(1, num_prefix)):
        tail = concat(comma, goals.rule_for(prefix[index]), tail)
        tail = goals.fresh_rule("items", tail if index < low else optional(tail))
    return concat(goals.rule_for(prefix[0]), tail)


def _nodes_at(facts: SchemaFacts, index: int) -> list[Node]:
    nodes = [part.prefix[index] for part in facts.arrays if index < len(part.prefix)]
    return nodes + [part.rest for part in facts.arrays if index >= len(part.prefix) and part.rest is not None]
