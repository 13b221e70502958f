"""Elimination: rules that are linear at one end, solved as equations over regular expressions."""

from collections.abc import Collection, Mapping

from .expression import Concat, Either, Expression, Repeat, concat, either, repeat

Key = str | Expression | None
Terms = dict[Key, Expression]
"""`A X | B Y | C` as {X: A, Y: B, None: C}; a key that is an expression stands for itself."""
MAX_SIZE = 4_000
"""Parts of one equation's right-hand side: solutions may grow with every rule that is put into another."""


class TooLarge(Exception):
    """The solution is larger than is wanted."""


def eliminate(equations: Mapping[str, Terms], *, is_right: bool, wanted: Collection[str] = ()) -> dict[str, Terms]:
    """Each equation by those after it alone, and those that are `wanted`, which come last, by none of them.

    By Arden's rule, `X = A X | B  =>  X = A* B`, each put into the later ones (D. N. Arden, Delayed-logic and
    finite-state machines, 1961). Raises `TooLarge`.
    """
    solved: dict[str, Terms] = {}
    order = list(equations)
    for index, name in enumerate(order):
        terms = dict(equations[name])
        for earlier in order[:index]:
            substitute(terms, earlier, solved[earlier], is_right=is_right)
        loop = terms.pop(name, None)
        if loop is not None:
            again = repeat(loop, 0, None)
            terms = {other: in_order(again, factor, is_right=is_right) for other, factor in terms.items()}
        _check_size(terms)
        solved[name] = terms
    for index in reversed(range(len(order))):
        if order[index] in wanted:
            for later in order[index + 1 :]:
                substitute(solved[order[index]], later, solved[later], is_right=is_right)
            _check_size(solved[order[index]])
    return solved


def substitute(terms: Terms, name: str, meaning: Terms, *, is_right: bool) -> None:
    """Put what `name` means into `terms`."""
    factor = terms.pop(name, None)
    if factor is None:
        return
    for key, inner in meaning.items():
        product = in_order(factor, inner, is_right=is_right)
        terms[key] = either([terms[key], product]) if key in terms else product


def in_order(outer: Expression, inner: Expression, *, is_right: bool) -> Expression:
    """`outer` before `inner` in rules that are linear at the right end, else after it."""
    return concat(outer, inner) if is_right else concat(inner, outer)


def _check_size(terms: Terms) -> None:
    pending = list(terms.values())
    num_parts = 0
    while pending:
        num_parts += 1
        if num_parts > MAX_SIZE:
            raise TooLarge
        part = pending.pop()
        if isinstance(part, Concat):
            pending.extend(part.parts)
        elif isinstance(part, Either):
            pending.extend(part.options)
        elif isinstance(part, Repeat):
            pending.append(part.item)
