"""Text automata: intersections, differences and lengths agree with `re`."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.json_text.text_automaton import MAX_COUNTED_STATES, TextAutomaton
from palmette.grammar.notations.regex import parse_regex
from palmette.grammar.rules.expression import NOTHING, Chars, Concat, Either, Expression, Literal, RuleRef
from palmette.grammar.rules.rule_set import RuleSet

_PATTERNS = st.sampled_from(["a*b?", "(ab)+", "[ab]{1,3}", ".*b", "a.*", "(a|bb)*", "é|a+", '"?a', ".", "", "[^a]*"])
_TEXTS = st.text(alphabet='ab"é\n', max_size=5)


def _derives(rules: RuleSet, expression: Expression, text: str) -> bool:
    """Whether right-linear rules derive `text`."""
    return "" in _rests(rules, expression, text)


def _rests(rules: RuleSet, expression: Expression, text: str) -> set[str]:
    match expression:
        case Literal(literal):
            return {text[len(literal) :]} if text.startswith(literal) else set()
        case Chars(members):
            return {text[1:]} if text and text[0] in members else set()
        case Either(options):
            return set().union(*(_rests(rules, option, text) for option in options))
        case Concat(parts):
            rests = {text}
            for part in parts:
                rests = set().union(*(_rests(rules, part, rest) for rest in rests))
            return rests
        case RuleRef(name):
            return _rests(rules, rules[name], text)
    raise AssertionError(f"expected a part of a right-linear rule, got {expression}")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_PATTERNS, min_size=1, max_size=2),
    st.lists(_PATTERNS, max_size=2),
    st.integers(0, 2),
    st.one_of(st.none(), st.integers(2, 4)),
    st.lists(_TEXTS, min_size=5, max_size=8),
)
def test_agrees_with_re(wanted: list[str], excluded: list[str], low: int, high: int | None, texts: list[str]) -> None:
    automaton = TextAutomaton.build(list(map(parse_regex, wanted)), low, high, list(map(parse_regex, excluded)))
    assert automaton is not None
    rules = RuleSet("root")
    start = automaton.define(rules)
    for text in texts:
        expected = all(re.fullmatch(pattern, text) for pattern in wanted)
        expected &= not any(re.fullmatch(pattern, text) for pattern in excluded)
        expected &= low <= len(text) and (high is None or len(text) <= high)
        assert _derives(rules, start, json.dumps(text, ensure_ascii=False)) is expected, text


def test_what_matches_nothing_defines_nothing() -> None:
    automaton = TextAutomaton.build([parse_regex("a+"), parse_regex("b+")])
    assert automaton is not None
    rules = RuleSet("root")
    assert automaton.define(rules) == NOTHING
    assert len(rules) == 0


@pytest.mark.parametrize("pattern", ["(.{0,50}x){50}", "a{3000}", ".*a.{12}"])
def test_gives_up_on_what_is_too_large(pattern: str) -> None:
    assert TextAutomaton.build([parse_regex(pattern)]) is None


def test_lengths_are_bounded() -> None:
    assert TextAutomaton.build([parse_regex("(ab)*")], 0, MAX_COUNTED_STATES + 1) is None
