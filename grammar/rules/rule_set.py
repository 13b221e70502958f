"""RuleSet: named expressions that refer to each other; pruned of what matches nothing, written as GBNF."""

from collections import defaultdict
from collections.abc import Iterator

from ..errors import ConstraintTooLarge, UnsatisfiableConstraint
from .char_set import CharSet
from .expression import (
    EMPTY,
    NOTHING,
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

MAX_RULES = 50_000


class RuleSet:
    """A context-free grammar: expressions under names, one of which is the root.

    root = "[" item "]"        item = number | root        number = [0-9]+
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._rules: dict[str, Expression] = {}
        self._surveys: dict[str, _Survey] = {}
        self._stand_ins: set[str] = set()
        self._is_pruned = False

    def __contains__(self, name: str) -> bool:
        return name in self._rules

    def __getitem__(self, name: str) -> Expression:
        return self._rules[name]

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def define(self, name: str, expression: Expression, *, is_sealed: bool = False) -> RuleRef:
        """Put `expression` under a new `name`. Raises `ConstraintTooLarge` past the bound on rules.

        `is_sealed`: it names no rules and no part of it matches nothing, so that pruning need not look at it.
        """
        assert name not in self._rules, f"rule {name!r} is defined twice"
        if len(self._rules) >= MAX_RULES:
            raise ConstraintTooLarge("grammar rules", MAX_RULES, f"more than {MAX_RULES}")
        self._rules[name] = expression
        self._is_pruned = False
        if is_sealed:
            self._surveys[name] = _SEALED
        return RuleRef(name)

    def share(self, name: str, expression: Expression, *, is_sealed: bool = False) -> RuleRef:
        """Put `expression` under `name`, where it may be already: a name stands for one expression, or two parts of a
        schema would be held to the rules of one.
        """
        if name not in self._rules:
            return self.define(name, expression, is_sealed=is_sealed)
        assert self._rules[name] == expression or name in self._stand_ins, (
            f"rule {name!r} is defined twice, differently"
        )
        return RuleRef(name)

    def stand_in(self, name: str, expression: Expression) -> RuleRef:
        """Define a rule in place of that of the same name which is shared or included later."""
        self._stand_ins.add(name)
        return self.define(name, expression)

    def include(self, other: "RuleSet") -> None:
        """Take over the rules of `other`; see `share` of names that are here already."""
        surveys = other._surveyed()
        for name, expression in other._rules.items():
            self.share(name, expression)
            if name not in self._stand_ins:
                self._surveys[name] = surveys[name]

    def names_in(self, name: str) -> tuple[str, ...]:
        """The rules that the rule `name` names, as often as it does, in no order; looked for once."""
        survey = self._surveys.get(name)
        if survey is None:
            survey = self._surveys[name] = _survey(self._rules[name])
        return survey[0]

    def _surveyed(self) -> "dict[str, _Survey]":
        for name, expression in self._rules.items():
            if name not in self._surveys:
                self._surveys[name] = _survey(expression)
        return self._surveys

    def pruned(self) -> "RuleSet":
        """The same language without rules and options that match nothing or are never reached.

        Raises `UnsatisfiableConstraint` where that leaves nothing. Linear in the size of the rules times the
        number of rules that name each.
        """
        if self._is_pruned:
            return self
        surveys = self._surveyed()
        productive = self._productive(surveys)
        if self.root not in productive:
            raise UnsatisfiableConstraint(
                "constraint: expected one that some finite text meets, got one that no text meets; "
                "check contradicting bounds, empty classes and recursion without an end"
            )
        if len(productive) == len(self._rules) == len(self._reached(surveys)) and all(
            is_whole for _, is_whole in surveys.values()
        ):
            self._is_pruned = True
            return self
        kept = RuleSet(self.root)
        pending = [self.root]
        while pending:
            name = pending.pop()
            if name in kept:
                continue
            expression = self._rules[name]
            survey = surveys[name]
            named, is_whole = survey
            if not (is_whole and productive.issuperset(named)):
                expression = _prune(expression, productive)
                survey = _survey(expression)
            kept.define(name, expression)
            kept._surveys[name] = survey
            pending.extend(survey[0])
        kept._is_pruned = True
        return kept

    def _reached(self, surveys: "dict[str, _Survey]") -> set[str]:
        reached = {self.root}
        pending = [self.root]
        while pending:
            for name in surveys[pending.pop()][0]:
                if name not in reached:
                    reached.add(name)
                    pending.append(name)
        return reached

    def _productive(self, surveys: "dict[str, _Survey]") -> set[str]:
        """Names of rules that match some finite text: the least fixed point."""
        users: defaultdict[str, list[str]] = defaultdict(list)
        for name, (named, _) in surveys.items():
            for reference in named:
                users[reference].append(name)
        productive: set[str] = set()
        pending = list(self._rules)
        while pending:  # those all of whose parts match something, which is nearly all, and quickly seen
            name = pending.pop()
            named, is_whole = surveys[name]
            if is_whole and name not in productive and productive.issuperset(named):
                productive.add(name)
                pending += users[name]
        pending = [name for name in self._rules if name not in productive]
        while pending:
            name = pending.pop()
            if name not in productive and _is_productive(self._rules[name], productive):
                productive.add(name)
                pending += users[name]
        return productive

    def to_gbnf(self) -> str:
        """The rules as GBNF text whose root rule is called `root`; names are numbered afresh."""
        names = {self.root: "root"}
        for name in self._rules:
            names.setdefault(name, f"r{len(names)}")
        return "".join(f"{names[name]} ::= {_to_gbnf(rule, names)}\n" for name, rule in self._rules.items())


def references(expression: Expression) -> Iterator[str]:
    """The names of rules in `expression`, as often as they occur."""
    pending = [expression]
    while pending:
        part = pending.pop()
        if isinstance(part, RuleRef):
            yield part.name
        elif isinstance(part, Concat):
            pending.extend(reversed(part.parts))
        elif isinstance(part, Either):
            pending.extend(reversed(part.options))
        elif isinstance(part, Repeat):
            pending.append(part.item)


_Survey = tuple[tuple[str, ...], bool]
"""The rules an expression names, and whether every other part of it matches something."""
_SEALED: _Survey = ((), True)


def _survey(expression: Expression) -> _Survey:
    named: list[str] = []
    is_whole = True
    pending = [expression]
    while pending:
        part = pending.pop()
        if isinstance(part, RuleRef):
            named.append(part.name)
        elif isinstance(part, Concat):
            pending.extend(part.parts)
        elif isinstance(part, Either):
            is_whole &= bool(part.options)
            pending.extend(part.options)
        elif isinstance(part, Repeat):
            pending.append(part.item)
        elif isinstance(part, Chars):
            is_whole &= bool(part.members.ranges)
    return tuple(named), is_whole


def _is_productive(expression: Expression, productive: set[str]) -> bool:
    match expression:
        case Literal():
            return True
        case Chars(members):
            return bool(members)
        case Concat(parts):
            return all(_is_productive(part, productive) for part in parts)
        case Either(options):
            return any(_is_productive(option, productive) for option in options)
        case Repeat(item, min_count, _):
            return min_count == 0 or _is_productive(item, productive)
        case RuleRef(name):
            return name in productive


def _prune(expression: Expression, productive: set[str]) -> Expression:
    match expression:
        case Concat(parts):
            return concat(*(_prune(part, productive) for part in parts))
        case Either(options):
            return either(_prune(option, productive) for option in options)
        case Repeat(item, min_count, max_count):
            pruned = _prune(item, productive)
            if pruned == NOTHING:
                return EMPTY if min_count == 0 else NOTHING
            return EMPTY if pruned == EMPTY else repeat(pruned, min_count, max_count)
        case RuleRef(name):
            return expression if name in productive else NOTHING
        case Chars(members):
            return expression if members else NOTHING
        case Literal():
            return expression


def _to_gbnf(expression: Expression, names: dict[str, str]) -> str:
    match expression:
        case Literal(text):
            return f'"{"".join(map(_escape, text))}"'
        case Chars(members):
            return _class_to_gbnf(members)
        case Concat(parts):
            return " ".join(_atom(part, names) for part in parts)
        case Either(options):
            return " | ".join(_atom(option, names) for option in options)
        case Repeat(item, min_count, max_count):
            return _atom(item, names) + _suffix(min_count, max_count)
        case RuleRef(name):
            return names[name]


def _atom(expression: Expression, names: dict[str, str]) -> str:
    written = _to_gbnf(expression, names)
    return f"({written})" if isinstance(expression, Concat | Either | Repeat) else written


def _suffix(min_count: int, max_count: int | None) -> str:
    match min_count, max_count:
        case 0, None:
            return "*"
        case 1, None:
            return "+"
        case 0, 1:
            return "?"
        case _, None:
            return f"{{{min_count},}}"
        case _:
            return f"{{{min_count},{max_count}}}"


def _class_to_gbnf(members: CharSet) -> str:
    written = []
    for first, last in members.ranges:
        written.append(_escape(chr(first)))
        if last > first:
            written.append(f"-{_escape(chr(last))}")
    return f"[{''.join(written)}]"


def _escape(character: str) -> str:
    code_point = ord(character)
    if character.isascii() and (character.isalnum() or character in " _,:;{}()<>=./"):
        return character
    return f"\\u{code_point:04x}" if code_point <= 0xFFFF else f"\\U{code_point:08x}"
