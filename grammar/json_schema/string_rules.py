"""Strings of a schema as rules: lengths, patterns and formats, and what of them is left to a guard."""

from functools import lru_cache

from ..errors import ConstraintTooLarge
from ..guards.guard_plan import Check, GuardNode
from ..json_text.strings import any_string, quoted, spelled
from ..json_text.text_automaton import ANY_TEXT, TextAutomaton
from ..notations.regex import parse_regex
from ..notations.regex_dialect import Dialect
from ..rules.expression import NOTHING, Chars, Expression, Repeat, RuleRef, any_literal, length_bounds, repeat
from .facts import MAX_COUNT, SchemaFacts, excluded_of
from .formats import format_expression
from .goals import Goals
from .guard_builder import add_check


def string_rule(goals: Goals, facts: SchemaFacts, guard: GuardNode) -> Expression:
    """The strings that meet the facts.

    Several patterns and formats at once, or a pattern and a length, are intersected while that stays small; else the
    first is enforced and the rest guarded.
    """
    low, high = facts.min_length, facts.max_length
    if low > MAX_COUNT or (high is not None and high > MAX_COUNT):
        raise ConstraintTooLarge("characters of a string", MAX_COUNT, f"{max(low, high or 0)}, at #{facts.pointer}")
    if high is not None and low > high:
        return NOTHING
    shaped = [("pattern", pattern, node) for pattern, node in facts.patterns.items()]
    shaped += [("format", name, node) for name, node in facts.formats.items()]
    excluded = sorted({value for value in excluded_of(facts, str) if isinstance(value, str)})
    if not shaped and not excluded:
        return any_string(goals.rules, low, high)
    if not shaped and low == 0 and high is None:
        return goals.other_key(tuple(excluded))
    name = f"string {[(keyword, text) for keyword, text, _ in shaped]} {low} {high} {excluded}"
    if name in goals.rules:
        return RuleRef(name)
    simple = _simple_string(*shaped[0][:2], low, high) if len(shaped) == 1 and not excluded else None
    if simple is not None:
        return goals.shared_rule(name, simple)
    wanted = [_expression(keyword, text) for keyword, text, _ in shaped] or [ANY_TEXT]
    automaton = TextAutomaton.build(wanted, low, high, [any_literal(excluded)] if excluded else [])
    if automaton is not None:
        exact = automaton.define(goals.rules)
        return NOTHING if exact == NOTHING else goals.rules.define(name, exact)
    for check in facts.excluded if excluded else ():
        add_check(guard, check)
    if not shaped:
        return any_string(goals.rules, low, high)
    for keyword, _, node in shaped[1:]:
        add_check(guard, Check(node, keyword))
    for node in facts.length_nodes:
        for keyword in ("minLength", "maxLength"):
            if isinstance(node.value, dict) and keyword in node.value:
                add_check(guard, Check(node, keyword))
    return quoted(spelled(_expression(*shaped[0][:2])))


def _expression(keyword: str, text: str) -> Expression:
    return format_expression(text) if keyword == "format" else parse_regex(text, Dialect.SHARED, is_search=True)


@lru_cache(maxsize=256)
def _simple_string(keyword: str, text: str, low: int, high: int | None) -> Expression | None:
    """The strings of one pattern or format between quotes; None where their length takes more to be said."""
    limited = _limit_length(_expression(keyword, text), low, high)
    return None if limited is None else quoted(spelled(limited))


def _limit_length(expression: Expression, low: int, high: int | None) -> Expression | None:
    """`expression` with its matches from `low` to `high` characters long; None where that cannot be said so simply."""
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
    return None
