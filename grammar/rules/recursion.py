"""Which rules of a rule set are regular: free of recursion, or recursive at one end only, and then solved."""

from collections.abc import Iterator

from .elimination import Key, Terms, TooLarge, eliminate, in_order
from .expression import (
    EMPTY,
    Concat,
    Either,
    Expression,
    Repeat,
    RuleRef,
    concat,
    either,
)
from .rule_set import RuleSet, references

MAX_SOLVED_RULES = 12
"""Rules that call each other at one end are solved together up to this many: the solution grows with their cube."""


def regular_rules(rules: RuleSet) -> dict[str, Expression]:
    """The rules that are regular, callees first; each expression names only rules listed before it.

    A group of rules that call each other is regular if they do so only at the right end (`text ::= "x" | char text`)
    or only at the left end. Its equations are solved by Arden's rule, `X = A X | B  =>  X = A* B`, one rule after
    another. Linear in the rules but for those groups.
    """
    solved: dict[str, Expression] = {}
    for group in strongly_connected(rules):
        if len(group) == 1:
            (name,) = group
            named = rules.names_in(name)
            if name not in named:
                if all(other in solved for other in named):
                    solved[name] = rules[name]
                continue
        outside = {name for member in group for name in rules.names_in(member)}.difference(group)
        if not outside <= solved.keys():
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
                work.append((pending, iter(rules.names_in(pending))))
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
            return _solution(equations, is_right=is_right)
    return None


def _solution(equations: dict[str, Terms], *, is_right: bool) -> dict[str, Expression] | None:
    """Each rule by the rules before it; None where that is too large."""
    try:
        solved = eliminate(equations, is_right=is_right)
    except TooLarge:
        return None
    return {
        name: either(
            in_order(factor, RuleRef(key), is_right=is_right) if isinstance(key, str) else factor
            for key, factor in terms.items()
        )
        for name, terms in reversed(solved.items())
    }


def _linear_terms(expression: Expression, group: frozenset[str], *, is_right: bool) -> Terms | None:
    match expression:
        case RuleRef(name) if name in group:
            return {name: EMPTY}
        case Either(options):
            merged: dict[Key, list[Expression]] = {}
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
            return {called: in_order(concat(*others), factor, is_right=is_right) for called, factor in terms.items()}
        case Repeat() if any(name in group for name in references(expression)):
            return None
        case _:
            return {None: expression}
