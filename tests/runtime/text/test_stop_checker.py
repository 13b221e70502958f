"""StopChecker against a search of the whole text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.grammar.errors import GrammarError
from palmette.runtime.errors import InvalidRequest
from palmette.runtime.text.stop_automaton import stop_automaton
from palmette.runtime.text.stop_checker import StopChecker, StopMatch

TEXTS = st.text("ab1\n", max_size=14)


def earliest(text: str, strings: tuple[str, ...], regexes: tuple[str, ...]) -> int | None:
    starts = [text.find(each) for each in strings]
    starts += [match.start() for each in regexes if (match := re.search(each, text))]
    return min((start for start in starts if start >= 0), default=None)


@given(
    pieces=st.lists(TEXTS, max_size=6),
    strings=st.lists(st.text("ab1", min_size=1, max_size=3), max_size=3).map(tuple),
    regexes=st.lists(st.sampled_from(["a+b", "1{2}", "(ab|b1)a", r"\n[ab]"]), max_size=2).map(tuple),
)
def test_the_first_match_is_found_as_soon_as_it_is_there(
    pieces: list[str], strings: tuple[str, ...], regexes: tuple[str, ...]
) -> None:
    checker = StopChecker(strings, regexes)
    text, shown = "", 0
    for piece in pieces:
        text += piece
        match = checker.append(piece)
        expected = earliest(text, strings, regexes)
        if match is None:
            assert expected is None
            shown = max(shown, checker.num_safe())
        else:
            assert match.start == expected
            assert text[match.start :].startswith(match.matched)
            assert shown <= match.start, "text of a stop was shown before it was found"
            return


def test_what_could_begin_a_stop_is_held_back_and_nothing_else() -> None:
    checker = StopChecker(("STOP",), (r"\d+x",))
    assert checker.append("go ST") is None
    assert checker.num_safe() == 3
    assert checker.append("ART 12") is None
    assert checker.num_safe() == len("go START ")
    assert checker.append("3x!") == StopMatch(len("go START "), "123x")


@pytest.mark.parametrize("pattern", ["(", "a*", "(?=a)b", "a(?!b)", r"(a)\1", "a$"])
def test_a_stop_regex_that_cannot_be_is_refused(pattern: str) -> None:
    with pytest.raises((GrammarError, InvalidRequest)):
        stop_automaton(pattern)
