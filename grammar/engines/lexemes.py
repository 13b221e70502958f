"""Rules cut into lexemes: what is regular becomes lexemes, what calls itself stays a rule over them."""

from collections.abc import Iterable, Iterator
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
from ..rules.positions import TooManyPositions
from ..rules.recursion import regular_rules
from ..rules.rule_set import RuleSet, references
from .lexeme_check import Clash, LexemeAutomaton, TooManyStates

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
    cuts: set[_Parts] = set()
    opened: set[Expression] = set()
    for _ in range(MAX_ROUNDS):
        cutter = _Cutter(regular, cuts, opened)
        lexed = {name: cutter.rule(rules[name]) for name in rules if name not in regular}
        try:
            automaton = LexemeAutomaton(cutter.lexemes, regular)
            clashes = automaton.clashes(_Follow(lexed, automaton).follow)
        except TooManyPositions:
            raise NotLexable("its parts are too long to be checked") from None
        except TooManyStates:
            raise NotLexable("its parts have too many states to be checked") from None
        if not clashes:
            return Lexemes(rules.root, lexed, cutter.lexemes, regular)
        for clash in clashes:
            _resolve(clash, cutter.lexemes, cuts, opened, regular)
    raise NotLexable(f"its parts still clash after {MAX_ROUNDS} cuts")


def _resolve(
    clash: Clash,
    lexemes: dict[str, _Parts],
    cuts: set[_Parts],
    opened: set[Expression],
    regular: dict[str, Expression],
) -> None:
    parts = lexemes[clash.other]
    if clash.is_between:
        cuts.add(parts[: clash.part + 1])  # of whatever begins so, as the same clash awaits it
    elif isinstance(parts[clash.part], Either | Repeat | RuleRef):
        _open(parts[clash.part], opened, regular)
    else:
        raise NotLexable(
            "where one of its parts may end, a character that may come next could also go on with a part, and a lexer "
            "takes the longest"
        )


def _open(expression: Expression, opened: set[Expression], regular: dict[str, Expression]) -> None:
    """Open what has an inside; of names and alternatives, all layers at once, to save rounds.

    Raises `NotLexable` for runs of single characters, which a parser over lexemes would take one by one.
    """
    if isinstance(expression, Repeat) and isinstance(expression.item, Chars) and expression.max_count != 1:
        raise NotLexable("a run of characters ends only where what comes after it tells")
    if isinstance(expression, Either | Repeat | RuleRef):
        opened.add(expression)
    match expression:
        case RuleRef(name):
            _open(regular[name], opened, regular)
        case Either(options):
            for option in options:
                if isinstance(option, Either):
                    _open(option, opened, regular)
        case _:
            return


class _Cutter:
    """Replaces what is regular in rules by names of lexemes; equal lexemes have one name."""

    def __init__(self, regular: dict[str, Expression], cuts: set[_Parts], opened: set[Expression]) -> None:
        self._regular = regular
        self._cuts = cuts
        self._cut_lens: dict[Expression, set[int]] = {}
        for beginning in cuts:
            self._cut_lens.setdefault(beginning[0], set()).add(len(beginning))
        self._opened = opened
        self._names: dict[_Parts, str] = {}
        self.lexemes: dict[str, _Parts] = {}

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
        if expression in self._opened:
            return False
        if isinstance(expression, Concat):
            return all(map(self._is_lexeme, expression.parts))
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


class _Follow:
    """Which characters may begin, and which may follow, what each name means: least fixed points."""

    def __init__(self, rules: dict[str, Expression], automaton: LexemeAutomaton) -> None:
        self.rules = rules
        self.first: dict[str, int] = {**dict.fromkeys(rules, 0), **automaton.first_masks}
        self.is_nullable: dict[str, bool] = {**dict.fromkeys(rules, False), **automaton.is_nullable}
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
