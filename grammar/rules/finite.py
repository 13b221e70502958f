"""The texts of a small finite language, listed."""

from ..errors import shorten
from .expression import Chars, Concat, Either, Expression, Literal, Repeat, RuleRef
from .rule_set import RuleSet

MAX_DEPTH = 50


class _TooMany(Exception):
    """More texts, or longer ones, than are wanted."""


def finite_texts(rules: RuleSet, max_texts: int, max_chars: int) -> tuple[str, ...] | None:
    """All texts of `rules`, each once; None where there are more than `max_texts`, or more than `max_chars` in all.

    Gives up as soon as it is clear that there are more: the work is at most in proportion to the bounds.
    """
    try:
        return tuple(dict.fromkeys(_Lister(rules, max_texts, max_chars).texts(RuleRef(rules.root), 0)))
    except _TooMany:
        return None


class _Lister:
    def __init__(self, rules: RuleSet, max_texts: int, max_chars: int) -> None:
        self._rules = rules
        self._max_texts = max_texts
        self._max_chars = max_chars

    def texts(self, expression: Expression, depth: int) -> list[str]:
        if depth > MAX_DEPTH:  # rules that call themselves come here as well
            raise _TooMany
        match expression:
            case Literal(text):
                return [text]
            case Chars(members):
                if sum(last - first + 1 for first, last in members.ranges) > self._max_texts:
                    raise _TooMany
                return [chr(point) for first, last in members.ranges for point in range(first, last + 1)]
            case Either(options):
                return self._bounded([text for option in options for text in self.texts(option, depth + 1)])
            case Concat(parts):
                found = [""]
                for part in parts:
                    found = self._product(found, self.texts(part, depth + 1))
                return found
            case Repeat(item, low, high):
                return self._repeat(item, low, high, depth)
            case RuleRef(name):
                return self.texts(self._rules[name], depth + 1)
            case _:
                raise AssertionError(f"finite_texts: expected an expression, got {shorten(expression)}")

    def _repeat(self, item: Expression, low: int, high: int | None, depth: int) -> list[str]:
        if high is None or high > self._max_chars:
            raise _TooMany
        once = self.texts(item, depth + 1)
        found: list[str] = []
        so_far = [""]
        for count in range(high + 1):
            if count >= low:
                found = self._bounded(found + so_far)
            if count < high:
                so_far = self._product(so_far, once)
        return found

    def _product(self, starts: list[str], ends: list[str]) -> list[str]:
        if len(starts) * len(ends) > 4 * self._max_texts:
            raise _TooMany
        return self._bounded([start + end for start in starts for end in ends])

    def _bounded(self, texts: list[str]) -> list[str]:
        unique = list(dict.fromkeys(texts))
        if len(unique) > self._max_texts or sum(map(len, unique)) > self._max_chars:
            raise _TooMany
        return unique
