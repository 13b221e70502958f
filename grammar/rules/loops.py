"""Loops over regular parts, solved inside of rules that are not regular as a whole."""

from collections.abc import Iterator, Mapping

from .elimination import Key, Terms, TooLarge, eliminate
from .expression import EMPTY, Concat, Either, Expression, RuleRef, concat, either
from .recursion import strongly_connected
from .rule_set import RuleSet, references

MAX_LOOP_RULES = 128


def with_loops_solved(rules: RuleSet, regular: Mapping[str, Expression]) -> dict[str, Expression]:
    """The rules that are not `regular`, where those that go round over regular parts alone need no rule a step:

        text ::= "" | [^<] text | "<" name          text ::= [^<]* | [^<]* "<" ([^a<] [^<]* "<" | ...)* "a" call
        name ::= [^a<] text | "<" name | "a" call   call ::= ...
        call ::= ...                                (`call` is no part of the loop: it names what is not regular)

    So free text up to a mark is one regular expression, wherever the text that follows the mark leads. Loops whose
    solution would be large stay as they are; rules that nothing names any more are left out.
    """
    terms = {name: _terms(rules[name], regular) for name in rules if name not in regular}
    edges = RuleSet(rules.root)
    for name, own in terms.items():
        edges.define(name, Concat(tuple(RuleRef(key) for key in own if isinstance(key, str))))
    solved: dict[str, Expression] = {}
    dropped: set[str] = set()
    for group in strongly_connected(edges):
        if len(group) > MAX_LOOP_RULES or (len(group) == 1 and group[0] not in terms[group[0]]):
            continue
        entries = _entries(group, terms, rules.root)
        order = [name for name in group if name not in entries] + [name for name in group if name in entries]
        try:
            found = eliminate({name: terms[name] for name in order}, is_right=True, wanted=entries)
        except TooLarge:
            continue
        solved.update({name: _expression(found[name]) for name in entries})
        dropped.update(name for name in group if name not in entries)
    return {name: solved.get(name, rules[name]) for name in terms if name not in dropped}


def _entries(group: list[str], terms: Mapping[str, Terms], root: str) -> set[str]:
    """The members of `group` that something else names, or that a part which is not regular leads back to."""
    members = set(group)
    entries = members & {root}
    for name, own in terms.items():
        for key in own:
            if isinstance(key, str):
                if name not in members and key in members:
                    entries.add(key)
            elif key is not None:
                entries |= members.intersection(references(key))
    return entries


def _terms(expression: Expression, regular: Mapping[str, Expression]) -> Terms:
    """Alternatives as what is regular at their beginning, by what comes after it: a rule, a whole rest, or nothing."""
    if all(name in regular for name in references(expression)):
        return {None: expression}
    match expression:
        case RuleRef(name):
            return {name: EMPTY}
        case Either(options):
            merged: dict[Key, list[Expression]] = {}
            for option in options:
                for key, factor in _terms(option, regular).items():
                    merged.setdefault(key, []).append(factor)
            return {key: either(factors) for key, factors in merged.items()}
        case Concat():
            parts = list(_flat(expression))
            num_regular = next(
                index for index, part in enumerate(parts) if any(name not in regular for name in references(part))
            )
            beginning, rest = concat(*parts[:num_regular]), parts[num_regular:]
            if len(rest) > 1:
                return {Concat(tuple(rest)): beginning}
            return {key: concat(beginning, factor) for key, factor in _terms(rest[0], regular).items()}
        case _:
            return {expression: EMPTY}


def _flat(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Concat):
        for part in expression.parts:
            yield from _flat(part)
    else:
        yield expression


def _expression(terms: Terms) -> Expression:
    return either(
        factor if key is None else concat(factor, RuleRef(key) if isinstance(key, str) else key)
        for key, factor in terms.items()
    )
