"""Expressions written in llguidance's dialect of Lark."""

import json
from collections.abc import Callable
from functools import lru_cache

from ..rules.char_set import CharSet
from ..rules.expression import Concat, Either, Expression, Literal, Repeat, RuleRef

NameOf = Callable[[str], str]
_quoted = json.JSONEncoder().encode  # Lark strings are read as JSON strings


_COMPOUND = (Concat, Either, Repeat)


def lark_text(expression: Expression, name_of: NameOf) -> str:
    """`expression` as the right-hand side of a terminal or a rule; names of rules become `name_of(name)`."""
    if isinstance(expression, Literal):
        return _quoted(expression.text)
    if isinstance(expression, RuleRef):
        return name_of(expression.name)
    if isinstance(expression, Concat):
        return " ".join([_atom(part, name_of) for part in expression.parts])
    if isinstance(expression, Either):
        return " | ".join([_atom(option, name_of) for option in expression.options])
    if isinstance(expression, Repeat):
        return _atom(expression.item, name_of) + _suffix(expression.min_count, expression.max_count)
    return f"/{class_text(expression.members)}/"


def _atom(expression: Expression, name_of: NameOf) -> str:
    written = lark_text(expression, name_of)
    return f"({written})" if isinstance(expression, _COMPOUND) else written


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


@lru_cache(maxsize=256)
def class_text(members: CharSet) -> str:
    """A class in the syntax of Rust's regular expressions; hexadecimal wherever a character could mean more."""
    written = []
    for first, last in members.ranges:
        written.append(_in_class(first) if first == last else f"{_in_class(first)}-{_in_class(last)}")
    return f"[{''.join(written)}]"


def _in_class(code_point: int) -> str:
    character = chr(code_point)
    return character if character.isascii() and character.isalnum() else f"\\x{{{code_point:x}}}"
