"""Rules lowered to llguidance's dialect of Lark, so that its language is exactly theirs."""

from collections.abc import Iterator

from ..rules.expression import Concat, Expression, Literal, RuleRef
from ..rules.rule_set import RuleSet
from .lark_text import lark_text
from .lexemes import cut_into_lexemes

OPTIONS = '%llguidance {"no_forcing": true}\n'
"""Without it a mask holds, where bytes are forced, one tokenisation of them alone."""
MAX_INLINED = 8


def lower_to_lark(rules: RuleSet) -> str:
    """The Lark text of pruned `rules`; raises `NotLexable` where none is known to be exact."""
    grammar = cut_into_lexemes(rules)
    names = {name: f"r{index}" for index, name in enumerate(grammar.rules)}
    names |= {name: f"L{index}" for index, name in enumerate(grammar.lexemes)}
    start = names[grammar.root] if grammar.root else next(iter(names.values()))
    terminals = _Terminals(grammar.regular)
    lexemes = [
        f"{names[name]}: {lark_text(_joined(parts), terminals.text_of)}\n" for name, parts in grammar.lexemes.items()
    ]
    lexed = [
        f"{names[name]}: {lark_text(expression, names.__getitem__)}\n" for name, expression in grammar.rules.items()
    ]
    return "".join([OPTIONS, f"start: {start}\n", *terminals.lines(), *lexemes, *lexed])


class _Terminals:
    """The regular rules that lexemes name, directly or not."""

    def __init__(self, regular: dict[str, Expression]) -> None:
        self._regular = regular
        self._names: dict[str, str] = {}

    def text_of(self, name: str) -> str:
        """What stands for the rule `name`: a terminal, or what the rule says where that is short."""
        while isinstance(expression := self._regular[name], RuleRef):
            name = expression.name
        if isinstance(expression, Literal) and len(expression.text) <= MAX_INLINED:
            return lark_text(expression, self.text_of)
        return self._names.setdefault(name, f"T{len(self._names)}")

    def lines(self) -> Iterator[str]:
        """The terminals that were asked for: callers are written before their callees, and so ask for them in time."""
        for name in reversed(self._regular):
            if name in self._names:
                yield f"{self._names[name]}: {lark_text(self._regular[name], self.text_of)}\n"


def _joined(parts: tuple[Expression, ...]) -> Expression:
    """`parts` in turn, characters joined to strings again."""
    joined: list[Expression] = []
    for part in parts:
        if isinstance(part, Literal) and joined and isinstance(joined[-1], Literal):
            joined[-1] = Literal(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined[0] if len(joined) == 1 else Concat(tuple(joined))
