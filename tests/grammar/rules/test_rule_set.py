"""Expressions and rule sets: rewriting and pruning keep the language."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.acceptance import BYTE_VOCABULARY, accepts_compiled
from palmette.grammar.engines.xgrammar_backend import XGrammarEngine
from palmette.grammar.errors import UnsatisfiableConstraint
from palmette.grammar.rules.char_set import ALL_CHARS, CharSet
from palmette.grammar.rules.expression import (
    Chars,
    Concat,
    Either,
    Expression,
    Literal,
    Repeat,
    can_be_empty,
    concat,
    either,
    length_bounds,
    matches,
    repeat,
    without_empty,
)
from palmette.grammar.rules.rule_set import RuleSet

_LEAVES = st.sampled_from(
    [Literal(""), Literal("a"), Literal("ab"), Chars(CharSet.from_text("bc")), Chars(CharSet(()))]
)
_COUNTS = st.tuples(st.integers(0, 2), st.none() | st.integers(0, 3))
RAW = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: Concat(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda options: Either(tuple(options))),
        st.builds(lambda item, counts: Repeat(item, *counts), inner, _COUNTS),
    ),
    max_leaves=5,
)
_TEXTS = ["", "a", "b", "ab", "aa", "aba", "abab", "bc", "aab", "abc", "aaaa", "bbb", "cab"]


def _rebuilt(expression: Expression) -> Expression:
    match expression:
        case Concat(parts):
            return concat(*map(_rebuilt, parts))
        case Either(options):
            return either(map(_rebuilt, options))
        case Repeat(item, low, high):
            return repeat(_rebuilt(item), low, high)
        case _:
            return expression


def _brute(expression: Expression, text: str) -> bool:
    """Matching by the definitions alone."""
    match expression:
        case Literal(literal):
            return text == literal
        case Chars(members):
            return len(text) == 1 and text in members
        case Concat(()):
            return text == ""
        case Concat((first, *rest)):
            return any(
                _brute(first, text[:cut]) and _brute(Concat(tuple(rest)), text[cut:]) for cut in range(len(text) + 1)
            )
        case Either(options):
            return any(_brute(option, text) for option in options)
        case Repeat(item, low, high):
            if high is not None and high < low:
                return False
            if text == "" and (low == 0 or _brute(item, "")):
                return True
            if high == 0:
                return False
            fewer = Repeat(item, max(0, low - 1), None if high is None else high - 1)
            starts = range(1, len(text) + 1)
            has_step = any(_brute(item, text[:cut]) and _brute(fewer, text[cut:]) for cut in starts)
            return has_step or (low > 0 and _brute(item, "") and _brute(fewer, text))
        case _:
            raise AssertionError(expression)


@settings(max_examples=150, deadline=None)
@given(RAW)
def test_rewriting_and_compiling_keep_the_language(raw: Expression) -> None:
    rebuilt = _rebuilt(raw)
    expected = {text for text in _TEXTS if _brute(raw, text)}
    assert {text for text in _TEXTS if matches(rebuilt, text)} == expected
    assert {text for text in _TEXTS if matches(without_empty(rebuilt), text)} == expected - {""}
    assert can_be_empty(rebuilt) is ("" in expected)
    low, high = length_bounds(rebuilt)
    assert all(low <= len(text) and (high is None or len(text) <= high) for text in expected)
    rules = RuleSet("start")
    rules.define("start", rebuilt)
    try:
        compiled = XGrammarEngine(BYTE_VOCABULARY).compile(rules, "")
    except UnsatisfiableConstraint:
        assert not expected
        return
    assert {text for text in _TEXTS if accepts_compiled(compiled, text)} == expected


_RANGES = st.lists(
    st.tuples(st.integers(0, 0x2FF), st.integers(0, 40)).map(lambda pair: (pair[0], sum(pair))), max_size=5
)


@settings(deadline=None)
@given(_RANGES, _RANGES)
def test_char_sets_are_sets(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    one, two = CharSet.of(left), CharSet.of(right)
    for code_point in range(0x340):
        character = chr(code_point)
        in_one = any(first <= code_point <= last for first, last in left)
        in_two = any(first <= code_point <= last for first, last in right)
        assert (character in one) is in_one
        assert (character in ~one) is not in_one
        assert (character in (one | two)) is (in_one or in_two)
        assert (character in (one & two)) is (in_one and in_two)
        assert (character in (one - two)) is (in_one and not in_two)
    assert ~~one == one


def test_no_set_holds_surrogates() -> None:
    assert ALL_CHARS.ranges == ((0, 0xD7FF), (0xE000, 0x10FFFF))
    assert CharSet.of([(0xD7FE, 0xE001)]).ranges == ((0xD7FE, 0xD7FF), (0xE000, 0xE001))


def test_an_empty_root_raises() -> None:
    rules = RuleSet("start")
    rules.define("start", Either(()))
    with pytest.raises(UnsatisfiableConstraint):
        rules.pruned()
