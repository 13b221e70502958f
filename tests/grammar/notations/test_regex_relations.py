"""Relations between regular expressions against texts, and their bounds."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.notations.regex import parse_regex
from palmette.grammar.notations.regex_relations import UndecidedRelation, are_disjoint, are_equal, includes, is_empty
from palmette.grammar.rules.expression import NOTHING, matches

_PATTERNS = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "ab", ""]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{3,}", "{2,6}"])),
    ),
    max_leaves=5,
)
_TEXTS = ["".join(letters) for length in range(6) for letters in product("abc", repeat=length)]


@settings(max_examples=150, deadline=None)
@given(_PATTERNS, _PATTERNS)
def test_relations_hold_of_texts(one: str, other: str) -> None:
    left, right = parse_regex(one), parse_regex(other)
    of_left = {text for text in _TEXTS if matches(left, text)}
    of_right = {text for text in _TEXTS if matches(right, text)}
    assert includes(left, left)
    assert not is_empty(left)
    if includes(left, right):
        assert of_right <= of_left
    if are_disjoint(left, right):
        assert not of_left & of_right
    assert are_equal(left, right) is (includes(left, right) and includes(right, left))
    if are_equal(left, right):
        assert of_left == of_right


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [("a*", "a{3}", True), ("a{2,}", "a{2}", True), ("a{2,}", "a", False), (r"\d+", "[0-9]{1,9}", True),
     (r"[0-9]+", r"\d+", False), (".*", r"\w+@\w+", True), ("a|b", "", False), ("", "", True),
     ("(ab|a)*", "(a|ab)*", True), (r"\p{L}", "[a-z]", True), ("^a", "a$", True)],
)  # fmt: skip
def test_inclusion(outer: str, inner: str, expected: bool) -> None:
    assert includes(parse_regex(outer), parse_regex(inner)) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a+", "b+", True),
        ("a*", "b*", False),
        ("[a-f]+", "[0-9]+", True),
        ("a{3}", "a{2}|a{4}", True),
        (".", "é", False),
    ],
)
def test_disjointness(one: str, other: str, expected: bool) -> None:
    assert are_disjoint(parse_regex(one), parse_regex(other)) is expected


def test_emptiness() -> None:
    assert is_empty(parse_regex(r"a[^\s\S]"))
    assert is_empty(NOTHING)
    assert not is_empty(parse_regex(r"(a|b)*"))  # without end: counting its matches would overflow


@pytest.mark.parametrize("pattern", ["(a|b)*a(a|b){20}", "a{3000}", "(?:a{0,50}b){50}"])
def test_what_is_past_the_bounds_is_undecided(pattern: str) -> None:
    with pytest.raises(UndecidedRelation):
        includes(parse_regex(pattern), parse_regex("a"))
