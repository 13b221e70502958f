"""Whether a pattern is found in a text, and whether a text is of a format: true, false or unknown."""

from functools import lru_cache

from ..errors import ConstraintTooLarge
from ..json_schema.formats import ENFORCED_FORMATS, format_expression
from ..notations.regex import parse_regex
from ..notations.regex_dialect import Dialect
from .lazy_automaton import LazyAutomaton
from .outcome import OpenText

_NEAR_FORMATS = {
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "time": r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[zZ]|[+-][0-9]{2}:[0-9]{2})",
    "date-time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ tT_][0-9:.]{8,60}(?:[zZ]|[+-][0-9]{2}:[0-9]{2})",
    "duration": r"P[0-9YMWDTHS.,]{2,60}",
    "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    "ipv4": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}",
}
"""Texts that match none of these are surely not of the format; other formats are of any text with some character."""


def is_found(pattern: str, text: str) -> bool | None:
    """Whether `pattern` is found in `text`; None where that is not known.

    Not known where Python and ECMA-262 disagree, where repeats are too many to follow, and of an `OpenText` where it
    hangs on what follows. Raises what reading the pattern raises. Linear in the text, from where the last `OpenText`
    that it continues ended.
    """
    automata = _pattern_automata(pattern)
    return None if automata is None else _between(*automata, text)


def is_of_format(name: str, text: str) -> bool | None:
    """Whether `text` is of the format; None in the doubtful part between the enforced form and what surely is not.

    Formats that are not known forbid nothing.
    """
    return True if name not in ENFORCED_FORMATS else _between(*_format_automata(name), text)


def _between(strict: LazyAutomaton, loose: LazyAutomaton, text: str) -> bool | None:
    """True where the strict one matches, False where not even the loose one does."""
    if type(text) is OpenText:
        is_match = strict.matches_beginning(text)
        if strict is loose or is_match is True:
            return is_match
        return False if loose.matches_beginning(text) is False else None
    if strict.matches(text):
        return True
    return None if strict is not loose and loose.matches(text) else False


@lru_cache(maxsize=256)
def _pattern_automata(pattern: str) -> tuple[LazyAutomaton, LazyAutomaton] | None:
    strict = parse_regex(pattern, Dialect.SHARED, is_search=True)
    loose = parse_regex(pattern, Dialect.LOOSE, is_search=True)
    try:
        automaton = LazyAutomaton(strict)
        return automaton, automaton if strict == loose else LazyAutomaton(loose)
    except ConstraintTooLarge:
        return None


@lru_cache(maxsize=64)
def _format_automata(name: str) -> tuple[LazyAutomaton, LazyAutomaton]:
    near = parse_regex(_NEAR_FORMATS.get(name, "(?s).+"))
    return LazyAutomaton(format_expression(name)), LazyAutomaton(near)
