"""Rules lowered to llguidance's dialect of Lark, so that its language is exactly theirs."""

from collections.abc import Iterable, Iterator

from ..rules.expression import Concat, Expression, Literal
from ..rules.rule_set import RuleSet, references
from .lark_text import lark_text
from .lexemes import Lexemes, cut_into_lexemes

OPTIONS = '%llguidance {"no_forcing": true}\n'
"""Without it a mask holds, where bytes are forced, one tokenisation of them alone."""


def lower_to_lark(rules: RuleSet) -> str:
    """The Lark text of pruned `rules`; raises `NotLexable` where none is known to be exact."""
    grammar = cut_into_lexemes(rules)
    names = {name: f"r{index}" for index, name in enumerate(grammar.rules)}
    names |= {name: f"L{index}" for index, name in enumerate(grammar.lexemes)}
    terminals = {name: f"T{index}" for index, name in enumerate(grammar.regular)}
    start = names[grammar.root] if grammar.root else next(iter(names.values()))
    lines = [OPTIONS, f"start: {start}\n"]
    used = _used(grammar)
    for name, expression in grammar.regular.items():
        if name in used:
            lines.append(f"{terminals[name]}: {lark_text(expression, terminals.__getitem__)}\n")
    for name, parts in grammar.lexemes.items():
        lines.append(f"{names[name]}: {lark_text(_joined(parts), terminals.__getitem__)}\n")
    for name, expression in grammar.rules.items():
        lines.append(f"{names[name]}: {lark_text(expression, names.__getitem__)}\n")
    return "".join(lines)


def _used(grammar: Lexemes) -> set[str]:
    """The regular rules that lexemes name, directly or not."""
    used: set[str] = set()
    pending = list(_references(part for parts in grammar.lexemes.values() for part in parts))
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending.extend(references(grammar.regular[name]))
    return used


def _references(expressions: Iterable[Expression]) -> Iterator[str]:
    for expression in expressions:
        yield from references(expression)


def _joined(parts: tuple[Expression, ...]) -> Expression:
    """`parts` in turn, characters joined to strings again."""
    joined: list[Expression] = []
    for part in parts:
        if isinstance(part, Literal) and joined and isinstance(joined[-1], Literal):
            joined[-1] = Literal(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined[0] if len(joined) == 1 else Concat(tuple(joined))
