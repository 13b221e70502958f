"""Rules that count by calling one another, said as one counted repeat."""

from collections.abc import Iterable
from dataclasses import dataclass

from .expression import EMPTY, Concat, Either, Expression, Literal, Repeat, RuleRef, concat, either, repeat


@dataclass(frozen=True, slots=True)
class Counted:
    """`item` from `low` to `high` times (None: without end), then `tail`."""

    item: Expression
    low: int
    high: int | None
    tail: Expression

    def expression(self) -> Expression:
        """The same as an expression."""
        return concat(repeat(self.item, self.low, self.high), self.tail)


def with_counts(rules: dict[str, Expression]) -> dict[str, Expression]:
    """The same rules, callees first, with chains of rules such as

        left-2 ::= end | x left-1        left-1 ::= end | x left-0        left-0 ::= end

    said as `x{0,2} end`: an engine that counts repeats needs a state for a count where it would need a rule. So are
    blocks of such chains, and alternatives whose counts adjoin. Linear in the size of the rules.
    """
    forms: dict[str, Counted] = {}
    counted: dict[str, Expression] = {}
    for name, expression in rules.items():
        form = _form(expression, forms, rules)
        if form is not None:
            forms[name] = form
        counted[name] = _rewritten(expression, forms, rules) if form is None else form.expression()
    return counted


def _rewritten(expression: Expression, forms: dict[str, Counted], rules: dict[str, Expression]) -> Expression:
    form = None if isinstance(expression, RuleRef) else _form(expression, forms, rules)
    if form is not None:
        return form.expression()
    match expression:
        case Concat(parts):
            return concat(*(_rewritten(part, forms, rules) for part in parts))
        case Either(options):
            return either([_rewritten(option, forms, rules) for option in options])
        case Repeat(item, low, high):
            return repeat(_rewritten(item, forms, rules), low, high)
        case _:
            return expression


def _form(expression: Expression, forms: dict[str, Counted], rules: dict[str, Expression]) -> Counted | None:
    match expression:
        case RuleRef(name):
            return forms.get(name)
        case Either(options) if options:
            return _chain_link(flat_options(options), forms, rules) or _adjoining(options, forms, rules)
        case Concat((Repeat(item, low, high), *rest)) if forms.get(getattr(item, "name", "")) is None:
            return Counted(item, low, high, concat(*rest))
        case Concat((blocks, rest)):
            return _blocks(blocks, rest, forms, rules)
        case _:
            return None


def flat_options(options: Iterable[Expression]) -> list[Expression]:
    """The alternatives of nested alternatives."""
    flat: list[Expression] = []
    for option in options:
        flat.extend(flat_options(option.options) if isinstance(option, Either) else [option])
    return flat


def _chain_link(
    options: Iterable[Expression], forms: dict[str, Counted], rules: dict[str, Expression]
) -> Counted | None:
    """`end | x next` or `x next`, where `next` counts the same `x` up to the same end, or is that end."""
    steps: list[Expression] = []
    ends: list[Expression] = []
    called: set[str] = set()
    for option in options:
        if isinstance(option, Concat) and isinstance(option.parts[-1], RuleRef):
            steps.append(concat(*option.parts[:-1]))
            called.add(option.parts[-1].name)
        else:
            ends.append(option)
    if len(called) != 1:
        return None
    step, end = either(steps), either(ends)
    (name,) = called
    form = forms.get(name)
    if form is not None and form.item == step:
        high = None if form.high is None else form.high + 1
        if not ends:
            return Counted(step, form.low + 1, high, form.tail)
        if form.tail == end and form.low == 0:
            return Counted(step, 0, high, end)
    if ends and rules.get(name) == end:
        return Counted(step, 0, 1, end)
    if not ends and rules.get(name) == step:
        return Counted(step, 2, 2, EMPTY)
    return None


def _adjoining(
    options: Iterable[Expression], forms: dict[str, Counted], rules: dict[str, Expression]
) -> Counted | None:
    """Alternatives of one item and one tail whose counts leave no gap."""
    found = [_form(option, forms, rules) for option in options]
    counted = sorted((form for form in found if form is not None), key=lambda form: form.low)
    if len(counted) < len(found):
        return None
    merged = counted[0]
    for form in counted[1:]:
        if (form.item, form.tail) != (merged.item, merged.tail):
            return None
        if merged.high is not None:
            if form.low > merged.high + 1:
                return None
            high = None if form.high is None else max(merged.high, form.high)
            merged = Counted(merged.item, merged.low, high, merged.tail)
    return merged


def _blocks(
    blocks: Expression, end: Expression, forms: dict[str, Counted], rules: dict[str, Expression]
) -> Counted | None:
    """`(x{k}){m,n} x{a,b} tail` as `x{km+a,kn+b} tail`, where `a` to `b` fills the gaps between multiples of k."""
    item, low, high = blocks, 1, 1
    if isinstance(blocks, Repeat) and blocks.max_count is not None:
        item, low, high = blocks.item, blocks.min_count, blocks.max_count
    block = forms.get(item.name) if isinstance(item, RuleRef) else None
    if block is None or block.low != block.high or block.tail != EMPTY:
        return None
    size = block.low
    rest = _form(end, forms, rules) or Counted(block.item, 0, 0, _resolved(end, rules))
    if rest.item != block.item:
        return None
    if low < high and rest.high is not None and rest.high - rest.low + 1 < size:
        return None
    most = None if rest.high is None else size * high + rest.high
    return Counted(rest.item, size * low + rest.low, most, rest.tail)


def _resolved(expression: Expression, rules: dict[str, Expression]) -> Expression:
    """A literal instead of its rule's name, as other alternatives may spell it out."""
    if isinstance(expression, RuleRef) and isinstance(rules.get(expression.name), Literal):
        return rules[expression.name]
    return expression
