"""How the classes of regular expressions are read: by Python, by ECMA-262, by both, by Unicode's categories."""

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum
from functools import cache

from ..rules.char_set import ASCII_DIGITS, ASCII_WORD, ECMA_SPACE, MAX_CODE_POINT, CharSet, python_class

_CATEGORY_NAMES = {
    "letter": "L", "lowercase_letter": "Ll", "uppercase_letter": "Lu", "titlecase_letter": "Lt", "cased_letter": "LC",
    "modifier_letter": "Lm", "other_letter": "Lo", "mark": "M", "nonspacing_mark": "Mn", "spacing_mark": "Mc",
    "enclosing_mark": "Me", "number": "N", "decimal_number": "Nd", "letter_number": "Nl", "other_number": "No",
    "punctuation": "P", "connector_punctuation": "Pc", "dash_punctuation": "Pd", "open_punctuation": "Ps",
    "close_punctuation": "Pe", "initial_punctuation": "Pi", "final_punctuation": "Pf", "other_punctuation": "Po",
    "symbol": "S", "math_symbol": "Sm", "currency_symbol": "Sc", "modifier_symbol": "Sk", "other_symbol": "So",
    "separator": "Z", "space_separator": "Zs", "line_separator": "Zl", "paragraph_separator": "Zp", "other": "C",
    "control": "Cc", "format": "Cf", "private_use": "Co", "unassigned": "Cn",
}  # fmt: skip
_PREFIXES = ("general_category=", "gc=")


class Dialect(Enum):
    """How classes are read."""

    PYTHON = "python"
    """As Python's `re` reads a text pattern."""
    SHARED = "shared"
    """The part Python and ECMA-262 agree on."""
    LOOSE = "loose"
    """Whatever either of Python and ECMA-262 allows."""

    @property
    def opposite(self) -> "Dialect":
        """How that must be read which is then taken away."""
        return {Dialect.SHARED: Dialect.LOOSE, Dialect.LOOSE: Dialect.SHARED}.get(self, self)


@cache
def shorthand(letter: str, dialect: Dialect) -> CharSet:
    """The members of a backslash class such as `d` or `D`."""
    if letter.isupper():
        return ~shorthand(letter.lower(), dialect.opposite)
    if dialect is Dialect.PYTHON:
        return python_class(letter)
    ecma = {"d": ASCII_DIGITS, "w": ASCII_WORD, "s": ECMA_SPACE}[letter]
    if dialect is Dialect.SHARED:  # asked of the few that ECMA-262 counts: all of Unicode takes a good part of a second
        few = "".join(chr(point) for first, last in ecma.ranges for point in range(first, last + 1))
        return CharSet.from_text("".join(re.findall(f"\\{letter}", few)))
    return python_class(letter) | ecma


def unicode_class(name: str, dialect: Dialect, *, is_negated: bool) -> CharSet | None:
    """The members of a general category, by its short or long name; None for a name that is none.

    Characters that are not assigned yet may come to belong to any category: read strictly they are in no class.
    """
    if is_negated:
        members = unicode_class(name, dialect.opposite, is_negated=False)
        return None if members is None else ~members
    members = _category(_short_name(name))
    if members is None or dialect is not Dialect.LOOSE:
        return members
    return members | _categories()["Cn"]


def _short_name(name: str) -> str:
    written = name.lower()
    for prefix in _PREFIXES:
        if written.startswith(prefix):
            name, written = name[len(prefix) :], written[len(prefix) :]
    return _CATEGORY_NAMES.get(written, name)


def _category(short: str) -> CharSet | None:
    if short in ("LC", "L&"):
        short_names = ["Lu", "Ll", "Lt"]
    elif short in ("Any", "any"):
        return CharSet.of([(0, MAX_CODE_POINT)])
    else:
        short_names = [name for name in _categories() if name == short or (len(short) == 1 and name[0] == short)]
    if not short_names:
        return None
    return CharSet.of(span for name in short_names for span in _categories()[name].ranges)


@cache
def _categories() -> dict[str, CharSet]:
    """Every general category of this Python's Unicode; about 0.2 s, once."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for name, first, last in _runs():
        spans.setdefault(name, []).append((first, last))
    return {name: CharSet.of(ranges) for name, ranges in spans.items()}


def _runs() -> Iterator[tuple[str, int, int]]:
    """Runs of characters of one category: its name, the first and the last."""
    first, name = 0, unicodedata.category("\0")
    for point in range(1, MAX_CODE_POINT + 1):
        category = unicodedata.category(chr(point))
        if category != name:
            yield name, first, point - 1
            first, name = point, category
    yield name, first, MAX_CODE_POINT
