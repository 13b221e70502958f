"""Rules cut into lexemes: what is regular becomes lexemes, what calls itself stays a rule over them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..rules.counting import with_counts
from ..rules.expression import (
    EMPTY,
    Chars,
    Concat,
    Either,
    Expression,
    Literal,
    Repeat,
    RuleRef,
    concat,
    either,
    repeat,
)
from ..rules.loops import with_loops_solved
from ..rules.positions import TooManyPositions
from ..rules.recursion import regular_rules
from ..rules.rule_set import RuleSet, references
from .lexeme_check import Clash, LexemeAutomaton, TooManyStates
from .lexeme_order import LexemeOrder

MAX_ROUNDS = 48

_Parts = tuple[Expression, ...]


class NotLexable(Exception):
    """No cut was found for which the longest match is always right; the message says why."""


@dataclass(frozen=True, slots=True)
class Lexemes:
    """A grammar in two levels: `rules` over lexemes, `lexemes` over characters.

    Names in `rules` are names of rules or of lexemes; names in `lexemes` are names in `regular`, whose expressions
    name only what comes before them.
    """

    root: str
    rules: dict[str, Expression]
    lexemes: dict[str, _Parts]
    regular: dict[str, Expression]


def cut_into_lexemes(rules: RuleSet) -> Lexemes:
    """Cut pruned `rules` so that a lexer which takes the longest match finds every parse.

    A grammar that is regular as a whole is one lexeme. Otherwise each run of regular parts is one, and is cut again
    where it clashes with another (after `, ` either a new item or `"key": ` may come: `, ` must be a lexeme of its
    own); alternatives and repeats that clash inside are opened, and become rules over smaller lexemes. Raises
    `NotLexable` where that does not end, or ends at single characters.
    """
    regular = with_counts(regular_rules(rules))
    if rules.root in regular:
        return Lexemes("", {}, {"whole": (RuleRef(rules.root),)}, regular)
    others = with_loops_solved(rules, regular)
    cutter = _Cutter(regular)
    automaton = LexemeAutomaton(regular, others.values())
    for _ in range(MAX_ROUNDS):
        lexed = cutter.cut(others)
        try:
            automaton.take(cutter.lexemes)
            clashes = automaton.clashes(LexemeOrder(rules.root, lexed, automaton.nullable(cutter.lexemes)))
        except TooManyPositions:
            raise NotLexable("its parts are too long to be checked") from None
        except TooManyStates:
            raise NotLexable("its parts have too many states to be checked") from None
        if not clashes:
            return Lexemes(rules.root, lexed, cutter.lexemes, regular)
        for clash in clashes:
            cutter.resolve(clash)
    raise NotLexable(f"its parts still clash after {MAX_ROUNDS} cuts")


class _Cutter:
    """Replaces what is regular in rules by names of lexemes; equal lexemes have one name, for good."""

    def __init__(self, regular: dict[str, Expression]) -> None:
        self._regular = regular
        self._cuts: set[_Parts] = set()
        self._cut_lens: dict[Expression, set[int]] = {}
        self._opened: set[Expression] = set()
        self._names: dict[_Parts, str] = {}
        self._is_lexeme_memo: dict[int, tuple[Expression, bool]] = {}  # by identity: hashing looks at every part
        self.lexemes: dict[str, _Parts] = {}

    def cut(self, rules: Mapping[str, Expression]) -> dict[str, Expression]:
        """`rules` over the lexemes, by what has been resolved so far."""
        self.lexemes = {}
        self._is_lexeme_memo = {}
        return {name: self.rule(expression) for name, expression in rules.items()}

    def resolve(self, clash: Clash) -> None:
        """Have the next cut do without the clash; raises `NotLexable`."""
        parts = self.lexemes[clash.other]
        if clash.is_between:
            beginning = parts[: clash.part + 1]  # of whatever begins so, as the same clash awaits it
            self._cuts.add(beginning)
            self._cut_lens.setdefault(parts[0], set()).add(len(beginning))
        elif isinstance(parts[clash.part], Either | Repeat | RuleRef):
            self._open(parts[clash.part])
        else:
            raise NotLexable(
                "where one of its parts may end, a character that may come next could also go on with a part, and a "
                "lexer takes the longest"
            )

    def _open(self, expression: Expression) -> None:
        """Open what has an inside; of names and alternatives, all layers at once, to save rounds.

        Raises `NotLexable` for runs of single characters, which a parser over lexemes would take one by one.
        """
        if isinstance(expression, Repeat) and isinstance(expression.item, Chars) and expression.max_count != 1:
            raise NotLexable("a run of characters ends only where what comes after it tells")
        if isinstance(expression, Either | Repeat | RuleRef):
            self._opened.add(expression)
        match expression:
            case RuleRef(name):
                self._open(self._regular[name])
            case Either(options):
                for option in options:
                    if isinstance(option, Either):
                        self._open(option)
            case _:
                return

    def rule(self, expression: Expression) -> Expression:
        """`expression` over lexemes."""
        if self._is_lexeme(expression):
            return self._lexeme(tuple(self._flat(expression)))
        match expression:
            case Concat():
                return concat(*self._runs(list(self._flat(expression))))
            case Either(options):
                whole = [option for option in options if self._is_lexeme(option)]
                others = [self.rule(option) for option in options if not self._is_lexeme(option)]
                if expression in self._opened:
                    return either([*map(self.rule, whole), *others])
                return either([*([self.rule(either(whole))] if whole else []), *others])
            case Repeat(item, low, high):
                return repeat(self.rule(item), low, high)
            case RuleRef(name) if name in self._regular:
                return self.rule(self._regular[name])
            case _:
                return expression

    def _runs(self, parts: list[Expression]) -> Iterator[Expression]:
        run: list[Expression] = []
        for part in parts:
            if self._is_lexeme(part):
                run.append(part)
                continue
            if run:
                yield self._lexeme(tuple(run))
                run = []
            yield self.rule(part)
        if run:
            yield self._lexeme(tuple(run))

    def _is_lexeme(self, expression: Expression) -> bool:
        """Whether it is regular and need not be opened, nor any part of a concatenation."""
        known = self._is_lexeme_memo.get(id(expression))
        if known is None:
            known = self._is_lexeme_memo[id(expression)] = (expression, self._decide(expression))
        return known[1]

    def _decide(self, expression: Expression) -> bool:
        if isinstance(expression, Literal | Chars):
            return True
        if isinstance(expression, Concat):
            return all(map(self._is_lexeme, expression.parts))
        if expression in self._opened:
            return False
        if isinstance(expression, RuleRef) and expression.name in self._regular:
            inlined = self._regular[expression.name]
            return not isinstance(inlined, Concat) or self._is_lexeme(inlined)
        return all(name in self._regular for name in references(expression))

    def _lexeme(self, parts: _Parts) -> Expression:
        if not parts:
            return EMPTY
        for num_parts in sorted(self._cut_lens.get(parts[0], ())):
            if num_parts < len(parts) and parts[:num_parts] in self._cuts:
                return concat(self._lexeme(parts[:num_parts]), self._lexeme(parts[num_parts:]))
        name = self._names.setdefault(parts, f"lexeme-{len(self._names)}")
        self.lexemes[name] = parts
        return RuleRef(name)

    def _flat(self, expression: Expression) -> Iterator[Expression]:
        """The parts of nested concatenations, of literals each character."""
        match expression:
            case Concat(parts):
                for part in parts:
                    yield from self._flat(part)
            case Literal(text):
                yield from map(Literal, text)
            case RuleRef(name) if name in self._regular and isinstance(self._regular[name], Concat | Literal):
                yield from self._flat(self._regular[name])
            case _:
                yield expression
