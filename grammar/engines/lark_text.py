"""Expressions written in llguidance's dialect of Lark."""

import json
from collections.abc import Callable

from ..rules.char_set import CharSet
from ..rules.expression import Chars, Concat, Either, Expression, Literal, Repeat, RuleRef

NameOf = Callable[[str], str]


def lark_text(expression: Expression, name_of: NameOf) -> str:
    """`expression` as the right-hand side of a terminal or a rule; names of rules become `name_of(name)`."""
    match expression:
        case Literal(text):
            return json.dumps(text)  # Lark strings are read as JSON strings
        case Chars(members):
            return f"/{class_text(members)}/"
        case Concat(parts):
            return " ".join(_atom(part, name_of) for part in parts)
        case Either(options):
            return " | ".join(_atom(option, name_of) for option in options)
        case Repeat(item, min_count, max_count):
            return _atom(item, name_of) + _suffix(min_count, max_count)
        case RuleRef(name):
            return name_of(name)


def _atom(expression: Expression, name_of: NameOf) -> str:
    written = lark_text(expression, name_of)
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


def class_text(members: CharSet) -> str:
    """A class in the syntax of Rust's regular expressions; hexadecimal wherever a character could mean more."""
    written = []
    for first, last in members.ranges:
        written.append(_in_class(first) if first == last else f"{_in_class(first)}-{_in_class(last)}")
    return f"[{''.join(written)}]"


def _in_class(code_point: int) -> str:
    character = chr(code_point)
    return character if character.isascii() and character.isalnum() else f"\\x{{{code_point:x}}}"
