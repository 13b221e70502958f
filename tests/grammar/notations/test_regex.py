"""Regexes against `re.fullmatch`, and what is refused."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import (
    ConstraintTooLarge,
    GrammarError,
    InvalidRegex,
    UnsatisfiableConstraint,
    UnsupportedRegex,
)
from palmette.grammar.notations.regex import parse_regex
from palmette.grammar.notations.regex_dialect import Dialect
from palmette.grammar.rules.expression import matches
from palmette.grammar.spec import Regex

_ATOMS = ["a", "b", "1", "é", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[ab]", "[^a]", r"[\d-]", "[a-c1]", r"\.",
          r"\n", r"[^\w]", r"\x61", r"[\]^]", "-", "漢", r"[\W1]", r"[^\D]", "{", "a{x"]  # fmt: skip
_TEXTS = st.text(alphabet="ab1é漢 .\n-^]c_{x٣\u2028", max_size=6)


def _repeated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    suffix = st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "{,2}", "*?", "+?", "{1,3}?"])
    return st.builds(lambda item, mark: f"(?:{item}){mark}", inner, suffix)


PATTERNS = st.recursive(
    st.sampled_from(_ATOMS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        _repeated(inner),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(PATTERNS, st.lists(_TEXTS, min_size=1, max_size=6))
def test_accepts_what_python_matches(pattern: str, texts: list[str]) -> None:
    for text in texts:
        expected = re.fullmatch(pattern, text) is not None
        assert matches(parse_regex(pattern), text) is expected, text
        try:
            assert accepts(Regex(pattern), text) is expected, text
        except UnsatisfiableConstraint:
            assert not expected


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.sampled_from(["{}", "^{}$", "^{}", "{}$", "^{}|b$"]), _TEXTS)
def test_a_search_finds_no_more_than_python_does(pattern: str, anchoring: str, text: str) -> None:
    pattern = anchoring.replace("{}", pattern)
    text = text.rstrip("\n")  # Python's `$` also stands before a newline at the end; ours does not
    strict = matches(parse_regex(pattern, Dialect.SHARED, is_search=True), text)
    loose = matches(parse_regex(pattern, Dialect.LOOSE, is_search=True), text)
    found = re.search(pattern, text) is not None
    assert strict <= found <= loose


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"^ab$", "ab"), (r"\Aab\Z", "ab"), (r"^a|b$", "b"), (r"(^a$)|(^b)", "b"), (r"(?:^a)?b$", "ab"), (r"^(^a)", "a"),
     (r"(a|$)(^|b)", "ab"), (r"(?s).", "\n"), (r"(?a)\w", "a"), (r"(?P<x>a)", "a"),
     (r"(?#note)a", "a"), (r"(a+)+b", "aab"), (r"[]a]", "]"), (r"\u00e9", "é")],
)  # fmt: skip
def test_accepts(pattern: str, text: str) -> None:
    assert accepts(Regex(pattern), text)
    assert not accepts(Regex(pattern), text + "~")


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [(r"\p{L}", "aé漢", "1 _"), (r"\p{Lu}", "AÉ", "aé"), (r"\pN", "1½٣", "a"), (r"\P{L}", "1 _", "aé"),
     (r"[\p{Letter}\d]", "é7", " "), (r"[^\p{gc=Lu}]", "a1", "AÉ"), (r"\p{Any}", "a \n", ""),
     (r"\p{Uppercase_Letter}|b", "Ab", "a")],
)  # fmt: skip
def test_unicode_categories(pattern: str, inside: str, outside: str) -> None:
    assert all(accepts(Regex(pattern), character) for character in inside)
    assert not any(accepts(Regex(pattern), character) for character in outside)


@settings(max_examples=60, deadline=None)
@given(st.characters(exclude_categories=["Cs"]), st.sampled_from(["L", "Lu", "M", "Nd", "P", "Zs", "C", "Cn"]))
def test_unicode_categories_are_those_of_unicodedata(character: str, name: str) -> None:
    expected = unicodedata.category(character).startswith(name)
    assert matches(parse_regex(rf"\p{{{name}}}"), character) is expected
    assert matches(parse_regex(rf"\P{{{name}}}"), character) is not expected


def test_what_is_not_assigned_yet_is_in_no_class_where_two_readers_must_agree() -> None:
    for pattern in (r"^\p{L}$", r"^\P{L}$", r"^[^\p{L}]$"):
        assert not matches(parse_regex(pattern, Dialect.SHARED, is_search=True), "\u0378")


def test_an_error_beside_a_class_of_unicode_is_at_its_place() -> None:
    with pytest.raises(InvalidRegex) as caught:
        parse_regex(r"\p{L}(?P<a>x)(?P<a>y)")
    assert caught.value.position == 17


def test_ascii_flag_narrows_classes() -> None:
    assert not accepts(Regex(r"(?a)\w"), "é")
    assert accepts(Regex(r"(?a)\W"), "é")


@pytest.mark.parametrize(
    ("pattern", "position"),
    [(r"a(?=b)", 1), (r"(?<!a)b", 0), (r"(a)\1", 3), (r"(?P<x>a)(?P=x)", 8), (r"a\b", 1), (r"(^a)*", 0),
     (r"a*+", 2), (r"(?>a)", 0), (r"(?i)a", 2), (r"(?i:a)", 0), (r"(a)?(?(1)b|c)", 4), (r"[[a]", 1), (r"[a--]", 1),
     (r"a\p{Greek}", 1), (r"^*a", 0), (r"\N{DIGIT ONE}", 0)],
)  # fmt: skip
def test_refuses_with_position(pattern: str, position: int) -> None:
    with pytest.raises(UnsupportedRegex) as caught:
        parse_regex(pattern)
    assert caught.value.position == position
    assert f"position {position}" in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "[a", "*a", "a**", "a{3,2}", "\\", r"\q", "[b-a]", r"[\d-z]", r"\xg0", "(?P<1>a)", r"\p", r"\p{}"],
)
def test_invalid(pattern: str) -> None:
    with pytest.raises((InvalidRegex, UnsupportedRegex)):
        parse_regex(pattern)
    with pytest.raises(re.error):
        re.compile(pattern)


@pytest.mark.parametrize("pattern", [r"a$b", r"a(^b)", r"[^\s\S]", r"a[^\w\W]b", r"[^\x00-\U0010ffff]", "\\ud800"])
def test_an_empty_language_is_unsatisfiable(pattern: str) -> None:
    with pytest.raises(UnsatisfiableConstraint):
        accepts(Regex(pattern), "")


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * 200_000,
        "(" * 5_000 + ")" * 5_000,
        "a{99999999999}",
        "(?:a{1000}b){10000}",
        "((((a{90}b){90}b){90}b){90}b)",
    ],
)
def test_bounds(pattern: str) -> None:
    with pytest.raises(ConstraintTooLarge):
        parse_regex(pattern)


@pytest.mark.parametrize(
    "pattern", ["((a{0,50}){0,50}){0,50}", "((a*)*)*b", "(?:a?){100}", "(.{0,50}x){50}", "((a{0,20}b?){0,20}c?){0,20}"]
)
def test_ambiguous_repeats_are_walked_quickly(pattern: str) -> None:
    try:
        assert not accepts(Regex(pattern), "a" * 60 + "~")
    except GrammarError as error:
        pytest.fail(str(error))
