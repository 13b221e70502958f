"""Which rules of a rule set are regular: free of recursion, or recursive at one end only, and then solved."""

from collections.abc import Iterator

from .expression import (
    EMPTY,
    Concat,
    Either,
    Expression,
    Repeat,
    RuleRef,
    concat,
    either,
    repeat,
)
from .rule_set import RuleSet, references

MAX_SOLVED_RULES = 12
"""Rules that call each other at one end are solved together up to this many: the solution grows with their cube."""


def regular_rules(rules: RuleSet) -> dict[str, Expression]:
    """The rules that are regular, callees first; each expression names only rules listed before it.

    A group of rules that call each other is regular if they do so only at the right end (`text ::= "x" | char text`)
    or only at the left end. Its equations are solved by Arden's rule, `X = A X | B  =>  X = A* B`, one rule after
    another (D. N. Arden, Delayed-logic and finite-state machines, 1961). Linear in the rules but for those groups.
    """
    solved: dict[str, Expression] = {}
    for group in strongly_connected(rules):
        members = frozenset(group)
        outside = {name for member in group for name in references(rules[member])} - members
        if not outside <= solved.keys():
            continue
        is_recursive = len(group) > 1 or group[0] in references(rules[group[0]])
        if not is_recursive:
            solved[group[0]] = rules[group[0]]
            continue
        solution = _solve(rules, group) if len(group) <= MAX_SOLVED_RULES else None
        if solution is not None:
            solved.update(solution)
    return solved


def strongly_connected(rules: RuleSet) -> Iterator[list[str]]:
    """Groups of rules that reach each other, callees before callers (R. Tarjan, 1972), without recursion of ours."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_stack: set[str] = set()
    stack: list[str] = []
    for root in rules:
        if root in index:
            continue
        work: list[tuple[str, Iterator[str]]] = []
        pending: str | None = root
        while pending is not None or work:
            if pending is not None:
                index[pending] = low[pending] = len(index)
                stack.append(pending)
                on_stack.add(pending)
                work.append((pending, iter(dict.fromkeys(references(rules[pending])))))
                pending = None
            name, callees = work[-1]
            for callee in callees:
                if callee not in index:
                    pending = callee
                    break
                if callee in on_stack:
                    low[name] = min(low[name], index[callee])
            if pending is not None:
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[name])
            if low[name] == index[name]:
                group: list[str] = []
                while not group or group[-1] != name:
                    group.append(stack.pop())
                    on_stack.remove(group[-1])
                yield group


def _solve(rules: RuleSet, group: list[str]) -> dict[str, Expression] | None:
    """Closed forms of `group`, which names only solved rules otherwise; None where it is linear at neither end."""
    for is_right in (True, False):
        equations = {}
        for name in group:
            terms = _linear_terms(rules[name], frozenset(group), is_right=is_right)
            if terms is None:
                break
            equations[name] = terms
        else:
            return _eliminate(equations, is_right=is_right)
    return None


_Terms = dict[str | None, Expression]
"""`A X | B Y | C` as {X: A, Y: B, None: C}."""


def _linear_terms(expression: Expression, group: frozenset[str], *, is_right: bool) -> _Terms | None:
    match expression:
        case RuleRef(name) if name in group:
            return {name: EMPTY}
        case Either(options):
            merged: dict[str | None, list[Expression]] = {}
            for option in options:
                terms = _linear_terms(option, group, is_right=is_right)
                if terms is None:
                    return None
                for called, factor in terms.items():
                    merged.setdefault(called, []).append(factor)
            return {called: either(factors) for called, factors in merged.items()}
        case Concat(parts):
            last, others = (parts[-1], parts[:-1]) if is_right else (parts[0], parts[1:])
            if any(name in group for part in others for name in references(part)):
                return None
            terms = _linear_terms(last, group, is_right=is_right)
            if terms is None:
                return None
            return {called: _in_order(concat(*others), factor, is_right) for called, factor in terms.items()}
        case Repeat() if any(name in group for name in references(expression)):
            return None
        case _:
            return {None: expression}


def _eliminate(equations: dict[str, _Terms], *, is_right: bool) -> dict[str, Expression]:
    """Solve each equation for itself and put it into the later ones; then put the results in backwards."""
    order = list(equations)
    for index, name in enumerate(order):
        terms = dict(equations[name])
        for earlier in order[:index]:
            factor = terms.pop(earlier, None)
            if factor is not None:
                _add(terms, equations[earlier], factor, is_right)
        loop = terms.pop(name, None)
        if loop is not None:
            again = repeat(loop, 0, None)
            terms = {other: _in_order(again, factor, is_right) for other, factor in terms.items()}
        equations[name] = terms
    solution: dict[str, Expression] = {}
    for name in reversed(order):
        options = [
            factor if other is None else _in_order(factor, RuleRef(other), is_right)
            for other, factor in equations[name].items()
        ]
        solution[name] = either(options)
    return solution


def _add(terms: _Terms, substituted: _Terms, factor: Expression, is_right: bool) -> None:
    for name, inner in substituted.items():
        product = _in_order(factor, inner, is_right)
        terms[name] = either([terms[name], product]) if name in terms else product


def _in_order(outer: Expression, inner: Expression, is_right: bool) -> Expression:
    return concat(outer, inner) if is_right else concat(inner, outer)
