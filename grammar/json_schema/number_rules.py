"""Numbers of a schema as rules: bounds in digits, multiples by their last digits, listed, or left to a guard."""

from decimal import Decimal

from ..errors import UnsupportedSchema
from ..guards.guard_plan import Check, GuardNode
from ..guards.number_reach import NumberReach, common_multiple
from ..json_text.decimals import decimal_places, decimal_range
from ..json_text.multiples import WHOLE_DIGITS as COUNTED_DIGITS
from ..json_text.multiples import multiples, rounded_inward, with_places
from ..json_text.numbers import INTEGER_DIGITS, Bound, any_integer, any_number, integer_range
from ..rules.expression import Expression, Literal, any_literal, concat, either, optional
from .facts import SchemaFacts, excluded_of
from .goals import Goals
from .guard_builder import add_check

MAX_MULTIPLES = 10_000


def integer_rule(goals: Goals, facts: SchemaFacts, guard: GuardNode) -> Expression:
    """The whole numbers that meet the facts; read literally, `1.0` is one too."""
    expression = _integers(goals, facts, guard)
    return expression if goals.is_tight else concat(expression, optional(Literal(".0")))


def number_rule(goals: Goals, facts: SchemaFacts, guard: GuardNode) -> Expression:
    """The numbers that meet the facts."""
    if any(divisor == divisor.to_integral_value() for _, divisor in facts.multiple_of):
        return integer_rule(goals, facts, guard)
    if facts.multiple_of:
        return _decimal_multiples(facts, guard)
    if facts.lower is None and facts.upper is None:
        return goals.shared_rule("number", any_number())
    return goals.shared_rule(f"number {facts.lower} {facts.upper}", _range(facts, facts.lower, facts.upper, None))


def _range(facts: SchemaFacts, lower: Bound | None, upper: Bound | None, places: int | None) -> Expression:
    expression = decimal_range(lower, upper, places)
    if expression is None:
        keyword = "exclusiveMinimum" if lower and lower.is_exclusive else "exclusiveMaximum"
        raise UnsupportedSchema(
            facts.pointer, keyword, "beside so many digits a float cannot tell it from its neighbours; round it"
        )
    return expression


def _decimal_multiples(facts: SchemaFacts, guard: GuardNode) -> Expression:
    """Numbers with no more digits after the point than a multiple has, and all of them multiples where that is easy."""
    divisor = facts.multiple_of[0][1]
    places = decimal_places(divisor)
    is_power_of_ten = divisor.scaleb(places) == 1
    if len(facts.multiple_of) > 1 or not is_power_of_ten:
        _guard_multiples(facts, guard, num_whole_digits=COUNTED_DIGITS + 1, num_places=places)
    if facts.lower is None and facts.upper is None:
        found = None if is_power_of_ten else multiples(divisor)
        return found[0] if found is not None else with_places(places)
    lower = rounded_inward(facts.lower, places, is_lower=True)
    upper = rounded_inward(facts.upper, places, is_lower=False)
    return _range(facts, lower, upper, places)


def _integers(goals: Goals, facts: SchemaFacts, guard: GuardNode) -> Expression:
    low, high = facts.lower, facts.upper
    excluded = [value for value in excluded_of(facts, int) if isinstance(value, int)]
    divisors = [divisor for _, divisor in facts.multiple_of if not _divides_integers(divisor)]
    if divisors:
        if low is not None and high is not None and high.value - low.value <= MAX_MULTIPLES:
            return any_literal(str(value) for value in _listed(facts) if value not in excluded)
        for check in facts.excluded if excluded else ():
            add_check(guard, check)
        is_from_zero = high is None and low is not None and low.value == 0 and not low.is_exclusive
        is_whole = divisors[0] == divisors[0].to_integral_value()
        if is_whole and ((low is None and high is None) or is_from_zero):
            found = multiples(divisors[0], has_negative=not is_from_zero)
            if found is not None:
                if not found[1] or len(divisors) > 1:
                    _guard_multiples(facts, guard, num_whole_digits=COUNTED_DIGITS + 1, num_places=0)
                return found[0]
        _guard_multiples(facts, guard, num_whole_digits=INTEGER_DIGITS, num_places=0)
    elif excluded:
        return _without(low, high, sorted(excluded))
    if low is None and high is None:
        return goals.shared_rule("integer", any_integer())
    return goals.shared_rule(f"integer {low} {high}", integer_range(low, high))


def _without(low: Bound | None, high: Bound | None, excluded: list[int]) -> Expression:
    """The whole numbers within the bounds, between the excluded ones."""
    options = []
    for value in excluded:
        gap = Bound(Decimal(value), is_exclusive=True)
        if low is not None and gap.value < low.value:
            continue
        if high is not None and gap.value > high.value:
            break
        options.append(integer_range(low, gap))
        low = gap
    return either([*options, integer_range(low, high)])


def _guard_multiples(facts: SchemaFacts, guard: GuardNode, *, num_whole_digits: int, num_places: int) -> None:
    for node, _ in facts.multiple_of:
        add_check(guard, Check(node, "multipleOf"))
    divisor = common_multiple([Decimal(1).scaleb(-num_places), *(each for _, each in facts.multiple_of)])
    low, high = facts.lower, facts.upper
    given = [len(str(abs(int(bound.value)))) for bound in (low, high) if bound is not None]
    if len(given) == 2:
        num_whole_digits = max(given)
    guard.reach = NumberReach(
        divisor, num_whole_digits, num_places, low.value if low else None, high.value if high else None
    )


def _listed(facts: SchemaFacts) -> list[int]:
    """The whole numbers between the bounds that are multiples."""
    low, high = facts.lower, facts.upper
    assert low is not None, "multiples without a lower bound cannot be listed"
    assert high is not None, "multiples without an upper bound cannot be listed"
    ratios = [divisor.as_integer_ratio() for _, divisor in facts.multiple_of]
    return [
        value
        for value in range(int(low.value) - 1, int(high.value) + 2)
        if (value > low.value or (value == low.value and not low.is_exclusive))
        and (value < high.value or (value == high.value and not high.is_exclusive))
        and all(value * bottom % top == 0 for top, bottom in ratios)
    ]


def _divides_integers(divisor: Decimal) -> bool:
    """Whether every integer is a multiple."""
    top, _ = divisor.as_integer_ratio()
    return top == 1
