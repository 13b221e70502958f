"""Rules that count by calling one another, said as one counted repeat."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import is_

from .expression import EMPTY, Chars, Concat, Either, Expression, Literal, Repeat, RuleRef, concat, either, repeat

_LEAVES = (Literal, Chars, RuleRef)
_COUNTING = (Concat, Either, RuleRef)


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
        counted[name] = _with_parts_rewritten(expression, forms, rules) if form is None else form.expression()
    return counted


def _rewritten(expression: Expression, forms: dict[str, Counted], rules: dict[str, Expression]) -> Expression:
    if isinstance(expression, _LEAVES):
        return expression
    form = _form(expression, forms, rules)
    return _with_parts_rewritten(expression, forms, rules) if form is None else form.expression()


def _with_parts_rewritten(
    expression: Expression, forms: dict[str, Counted], rules: dict[str, Expression]
) -> Expression:
    """The very same expression where nothing in it counts."""
    if isinstance(expression, _LEAVES):
        return expression
    if isinstance(expression, Repeat):
        item = _rewritten(expression.item, forms, rules)
        return expression if item is expression.item else repeat(item, expression.min_count, expression.max_count)
    parts = expression.parts if isinstance(expression, Concat) else expression.options
    rewritten = [_rewritten(part, forms, rules) for part in parts]
    if all(map(is_, rewritten, parts)):
        return expression
    return concat(*rewritten) if isinstance(expression, Concat) else either(rewritten)


def _form(expression: Expression, forms: dict[str, Counted], rules: dict[str, Expression]) -> Counted | None:
    if isinstance(expression, RuleRef):
        return forms.get(expression.name)
    if isinstance(expression, Either):
        options = flat_options(expression.options)
        return _chain_link(options, forms, rules) or _adjoining(expression.options, forms, rules)
    if not isinstance(expression, Concat):
        return None
    first, *rest = expression.parts
    if isinstance(first, Repeat) and not (isinstance(first.item, RuleRef) and first.item.name in forms):
        return Counted(first.item, first.min_count, first.max_count, concat(*rest))
    return _blocks(first, rest[0], forms, rules) if len(rest) == 1 else None


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
    steps: list[Concat] = []
    ends: list[Expression] = []
    name = ""
    for option in options:
        if isinstance(option, Concat) and isinstance(last := option.parts[-1], RuleRef):
            if steps and last.name != name:
                return None
            name = last.name
            steps.append(option)
        else:
            ends.append(option)
    if not steps or not (name in forms or name in rules):
        return None
    step, end = either([concat(*each.parts[:-1]) for each in steps]), either(ends)
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
    counted: list[Counted] = []
    for option in options:
        if not isinstance(option, _COUNTING):
            return None
        form = _form(option, forms, rules)
        if form is None:
            return None
        counted.append(form)
    if not counted:
        return None
    counted.sort(key=lambda form: form.low)
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
