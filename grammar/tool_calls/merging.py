"""Merging: rules that say the same made one, so that engines prepare each but once."""

from collections.abc import Callable

from ..rules.expression import Chars, Concat, Either, Expression, Literal, Repeat, RuleRef
from ..rules.rule_set import RuleSet, references


def merged(rules: RuleSet) -> RuleSet:
    """The same language with equal rules made one: those that no unfolding of their references tells apart.

    Tools repeat each other: their strings, numbers and lists come to the same rules. By refinement, as Moore's
    algorithm (Gedanken-experiments on sequential machines, 1956) finds equal states: at first all rules count as
    equal, then those whose expressions differ under what counted as equal before do not, until nothing changes.
    Linear in the rules times the steps of the longest distinction.
    """
    shapes: dict[Expression, int] = {}
    shape_of = {name: shapes.setdefault(_renamed(rules[name], lambda _: ""), len(shapes)) for name in rules}
    references_of = {name: tuple(references(rules[name])) for name in rules}
    classes = shape_of
    num_classes = len(shapes)
    while True:
        numbers: dict[tuple[int, ...], int] = {}
        for name in rules:
            signature = (classes[name], *(classes[other] for other in references_of[name]))
            numbers.setdefault(signature, len(numbers))
        if len(numbers) == num_classes:
            break
        classes = {name: numbers[(classes[name], *(classes[other] for other in references_of[name]))] for name in rules}
        num_classes = len(numbers)
    names = {classes[name]: name for name in reversed([rules.root, *rules])}
    kept = RuleSet(rules.root)
    for name in names.values():
        kept.define(name, _renamed(rules[name], lambda other: names[classes[other]]))
    return kept


def _renamed(expression: Expression, name_of: Callable[[str], str]) -> Expression:
    """The same but for names; nothing is simplified, so that equal shapes have their references in equal places."""
    match expression:
        case RuleRef(name):
            return RuleRef(name_of(name))
        case Concat(parts):
            return Concat(tuple(_renamed(part, name_of) for part in parts))
        case Either(options):
            return Either(tuple(_renamed(option, name_of) for option in options))
        case Repeat(item, min_count, max_count):
            return Repeat(_renamed(item, name_of), min_count, max_count)
        case Literal() | Chars():
            return expression
