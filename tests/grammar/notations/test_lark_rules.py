"""Lark read into rules: the same texts as the engine that reads Lark itself, where both read it."""

import pytest

from palmette.grammar.acceptance import BYTE_VOCABULARY, accepts, accepts_compiled
from palmette.grammar.engines.xgrammar_backend import XGrammarEngine
from palmette.grammar.errors import ConstraintTooLarge, InvalidGrammar, UnsupportedGrammar
from palmette.grammar.notations.lark_rules import parse_lark
from palmette.grammar.spec import Lark

PAIRS = """
// pairs
start: "{" pair ("," pair)* "}"   # of words and values
pair: WORD ":" value{1,2}
value: "true" | "false" | /[0-9]+/
WORD: /[a-z]+/
"""


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        (PAIRS, ["{a:true}", "{ab:1true,c:22}"], ["{}", "{a:}", "{A:1}", "{a:true,}", "{a:1true2}"]),
        ('start: "a" start "b" | "c"', ["c", "acb", "aacbb"], ["ab", "acbb", ""]),
        ('start: ("x" | "y"i)+ "\\n\\"\\\\"', ['xyY\n"\\'], ["X", "x"]),
        ("start: A?\nA: /[a-c]\\/é./", ["", "a/éz"], ["a", "a/é", "a/é\n"]),
    ],
)
def test_texts(grammar: str, good: list[str], bad: list[str]) -> None:
    compiled = XGrammarEngine(BYTE_VOCABULARY).compile(parse_lark(grammar), "a test")
    for text in good:
        assert accepts_compiled(compiled, text), text
        assert accepts(Lark(grammar), text), f"llguidance: {text}"
    for text in bad:
        assert not accepts_compiled(compiled, text), text
        assert not accepts(Lark(grammar), text), f"llguidance: {text}"


def test_what_only_lark_itself_writes_so() -> None:
    grammar = '?start: "a".."c"~2 ["d"] -> word\n     | "e"~1..3'
    compiled = XGrammarEngine(BYTE_VOCABULARY).compile(parse_lark(grammar), "a test")
    for text in ("ab", "cad", "e", "eee"):
        assert accepts_compiled(compiled, text), text
    for text in ("a", "abc", "eeee", "adb"):
        assert not accepts_compiled(compiled, text), text


@pytest.mark.parametrize(
    ("grammar", "error", "message"),
    [
        ('a: "x"', InvalidGrammar, "called 'start'"),
        ("start: a", InvalidGrammar, "line 1, column 8: expected rules that exist, got 'a'"),
        ('start: "x"\nstart: "y"', InvalidGrammar, "line 2, column 1: expected each rule once"),
        ('start: ("x"', InvalidGrammar, "expected a '\\)'"),
        ('start: "x" )', InvalidGrammar, "expected a rule's name"),
        ('start: "\\q"', InvalidGrammar, "JSON's escapes"),
        ('start: "b".."a"', InvalidGrammar, "two characters in order"),
        ('start: "b"~3..2', InvalidGrammar, "bounds in order"),
        ('start: "b"{,}', InvalidGrammar, "bounds in order"),
        ("start: *", InvalidGrammar, "expected a string"),
        ("start: /a/i", UnsupportedGrammar, "the flags 'i'"),
        ('start: "a"\n%ignore " "', UnsupportedGrammar, "line 2, column 1.*%ignore"),
        ('start.1: "a"', UnsupportedGrammar, "has no place"),
        ("start: " + "(" * 200, ConstraintTooLarge, "levels of Lark nesting"),
        ('start: "a"~9999999', ConstraintTooLarge, "repeats"),
    ],
)
def test_what_is_refused(grammar: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_lark(grammar)
