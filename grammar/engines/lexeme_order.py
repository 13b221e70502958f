"""LexemeOrder: which lexemes a parser may look for at the same time, and which may come next."""

from collections.abc import Iterable, Mapping

from ..rules.expression import EMPTY, Concat, Either, Expression, Repeat, RuleRef


class LexemeOrder:
    """Which lexemes may begin a text, and which may follow each, as bits of one number: least fixed points.

    It says more than any parser allows at one place: what follows a lexeme somewhere counts everywhere.
    """

    def __init__(self, root: str, rules: dict[str, Expression], lexemes: Mapping[str, bool]) -> None:
        """`rules` name one another and `lexemes`, of which it is known whether the empty text is a match."""
        self.rules = rules
        self.names = tuple(lexemes)
        self.first = {**dict.fromkeys(rules, 0), **{name: 1 << index for index, name in enumerate(self.names)}}
        self.is_nullable = {**dict.fromkeys(rules, False), **lexemes}
        self.follow: dict[str, int] = dict.fromkeys(self.first, 0)
        self.is_changed = True
        while self.is_changed:
            self.is_changed = False
            for name, expression in rules.items():
                self._set_first(name, *self._first_of(expression))
        self.is_changed = True
        while self.is_changed:
            self.is_changed = False
            for name, expression in rules.items():
                self._visit(expression, self.follow[name])
        self.begin = self.first[root] | (self.follow[root] if self.is_nullable[root] else 0)

    def sought_together(self) -> list[int]:
        """Sets of lexemes that a parser may look for at one place: at the beginning, and after each."""
        return [self.begin, *(self.follow[name] for name in self.names)]

    def names_of(self, bits: int) -> list[str]:
        """The lexemes of a set."""
        return [name for index, name in enumerate(self.names) if bits >> index & 1]

    def _set_first(self, name: str, mask: int, is_nullable: bool) -> None:
        if mask != self.first[name] or is_nullable != self.is_nullable[name]:
            self.first[name], self.is_nullable[name] = mask, is_nullable
            self.is_changed = True

    def _first_of(self, expression: Expression) -> tuple[int, bool]:
        match expression:
            case RuleRef(name):
                return self.first[name], self.is_nullable[name]
            case Concat(parts):
                mask = 0
                for part in parts:
                    part_mask, is_nullable = self._first_of(part)
                    mask |= part_mask
                    if not is_nullable:
                        return mask, False
                return mask, True
            case Either(options):
                found = [self._first_of(option) for option in options]
                return _union(mask for mask, _ in found), any(is_nullable for _, is_nullable in found)
            case Repeat(item, low, _):
                mask, is_nullable = self._first_of(item)
                return mask, is_nullable or low == 0
            case _:
                assert expression == EMPTY, f"rule: expected names of lexemes and rules, got {expression!r}"
                return 0, True

    def _visit(self, expression: Expression, after: int) -> None:
        match expression:
            case RuleRef(name):
                if after & ~self.follow[name]:
                    self.follow[name] |= after
                    self.is_changed = True
            case Concat(parts):
                for part in reversed(parts):
                    self._visit(part, after)
                    mask, is_nullable = self._first_of(part)
                    after = mask | after if is_nullable else mask
            case Either(options):
                for option in options:
                    self._visit(option, after)
            case Repeat(item, _, high):
                self._visit(item, after if high == 1 else after | self._first_of(item)[0])
            case _:
                return


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
