r"""Regular expressions in Python syntax, read into expressions; what a grammar cannot say is refused with its place.

A regex means what `re.fullmatch` makes of it, so that `^` and `$` at its edges say nothing new. Classes of Unicode's
general categories (`\p{L}`, `\P{Nd}`) are understood as well. A pattern inside a JSON Schema is *searched* for, and is
written by people who may have ECMA-262 or Python in mind; there every class is read as the part both agree on (`\d`
is ASCII, `\D` is what neither calls a digit), so that whatever is generated matches under either reading.
"""

import re
from functools import lru_cache

from ..errors import ConstraintTooLarge, InvalidRegex
from ..rules.expression import Concat, Either, Expression, Literal, Repeat
from ..rules.rule_set import RuleSet
from .regex_dialect import Dialect
from .regex_parser import MAX_NESTING, RegexParser

MAX_PATTERN_LEN = 100_000
MAX_EXPANDED_LEN = 2_000_000


def compile_regex(pattern: str) -> RuleSet:
    """The rules of the texts that `re.fullmatch(pattern, text)` matches.

    Raises `InvalidRegex`, `UnsupportedRegex` or `ConstraintTooLarge`.
    """
    rules = RuleSet("root")
    rules.define("root", parse_regex(pattern))
    return rules


@lru_cache(maxsize=256)
def parse_regex(pattern: str, dialect: Dialect = Dialect.PYTHON, *, is_search: bool = False) -> Expression:
    """The expression of the texts that `pattern` matches as a whole; with `is_search`, somewhere.

    Raises `InvalidRegex`, `UnsupportedRegex` or `ConstraintTooLarge`. Linear in the length of the pattern.
    """
    if len(pattern) > MAX_PATTERN_LEN:
        raise ConstraintTooLarge("characters of regex", MAX_PATTERN_LEN, len(pattern))
    for position, character in enumerate(pattern):
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise InvalidRegex(pattern, position, "a lone surrogate, which no UTF-8 text holds")
    parser = RegexParser(pattern, dialect)
    parsed = parser.parse()
    _check_against_python(pattern, parser.classes.properties)
    expression = parsed.found_in() if is_search else parsed.whole_texts()
    size = _expanded_len(expression)
    if size > MAX_EXPANDED_LEN:
        raise ConstraintTooLarge("characters of a regex with its repeats written out", MAX_EXPANDED_LEN, size)
    return expression


def _check_against_python(pattern: str, properties: list[tuple[int, int]]) -> None:
    """Python has the last word on what is a regular expression, but for classes of Unicode, which it does not know."""
    checked = pattern
    for start, end in reversed(properties):
        checked = f"{checked[:start]}\\w{checked[end:]}"
    try:
        re.compile(checked)
    except re.error as error:
        position = error.pos
        for start, end in properties:
            if position is not None and position > start:
                position += end - start - len(r"\w")
        raise InvalidRegex(pattern, position, error.msg) from error
    except (RecursionError, OverflowError) as error:
        raise ConstraintTooLarge("levels of regex nesting", MAX_NESTING, "more") from error


def _expanded_len(expression: Expression) -> int:
    match expression:
        case Concat(children) | Either(children):
            return sum(map(_expanded_len, children)) + 1
        case Repeat(item, min_count, max_count):
            return _expanded_len(item) * max(max_count or 1, min_count, 1)
        case Literal(text):
            return len(text)
        case _:
            return 1
