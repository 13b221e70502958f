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

    def __contains__(self, name: str) -> bool:
        return name in self._rules

    def __getitem__(self, name: str) -> Expression:
        return self._rules[name]

    def __len__(self) -> int:
        return len(self._rules)

    def define(self, name: str, expression: Expression) -> RuleRef:
        """Put `expression` under a new `name`. Raises `ConstraintTooLarge` past the bound on rules."""
        assert name not in self._rules, f"rule {name!r} is defined twice"
        if len(self._rules) >= MAX_RULES:
            raise ConstraintTooLarge("grammar rules", MAX_RULES, f"more than {MAX_RULES}")
        self._rules[name] = expression
        return RuleRef(name)

    def pruned(self) -> "RuleSet":
        """The same language without rules and options that match nothing or are never reached.

        Raises `UnsatisfiableConstraint` where that leaves nothing. Linear in the size of the rules times the
        number of rules that name each.
        """
        productive = self._productive()
        if self.root not in productive:
            raise UnsatisfiableConstraint(
                "constraint: expected one that some finite text meets, got one that no text meets; "
                "check contradicting bounds, empty classes and recursion without an end"
            )
        kept = RuleSet(self.root)
        pending = [self.root]
        while pending:
            name = pending.pop()
            if name in kept:
                continue
            expression = _prune(self._rules[name], productive)
            kept.define(name, expression)
            pending.extend(_references(expression))
        return kept

    def _productive(self) -> set[str]:
        """Names of rules that match some finite text: the least fixed point."""
        users: defaultdict[str, set[str]] = defaultdict(set)
        for name, expression in self._rules.items():
            for reference in _references(expression):
                users[reference].add(name)
        productive: set[str] = set()
        pending = list(self._rules)
        while pending:
            name = pending.pop()
            if name not in productive and _is_productive(self._rules[name], productive):
                productive.add(name)
                pending.extend(users[name] - productive)
        return productive

    def to_gbnf(self) -> str:
        """The rules as GBNF text whose root rule is called `root`; names are numbered afresh."""
        names = {self.root: "root"}
        for name in self._rules:
            names.setdefault(name, f"r{len(names)}")
        return "".join(f"{names[name]} ::= {_to_gbnf(rule, names)}\n" for name, rule in self._rules.items())


def _references(expression: Expression) -> Iterator[str]:
    match expression:
        case RuleRef(name):
            yield name
        case Concat(children) | Either(children):
            for child in children:
                yield from _references(child)
        case Repeat(item, _, _):
            yield from _references(item)
        case Literal() | Chars():
            return


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
