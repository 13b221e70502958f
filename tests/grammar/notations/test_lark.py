"""Lark grammars: what they allow, what is refused, and where."""

import pytest

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import ConstraintTooLarge, InvalidGrammar, UnsatisfiableConstraint, UnsupportedGrammar
from palmette.grammar.notations.lark import MAX_LARK_LEN, check_lark
from palmette.grammar.spec import Lark


@pytest.mark.parametrize(
    ("grammar", "texts", "others"),
    [
        ('start: "a" "b"? | /[0-9]+/ ("," /[0-9]+/)*', ["a", "ab", "1,23"], ["", "b", "1,"]),
        ('start: x\n%ignore /[ ]+/\nx: "a" "b"', ["ab", "a  b"], ["ba"]),
        ('start: "(" start ")" | WORD\nWORD: /[a-z]+/', ["a", "((ab))"], ["((ab)", "()"]),
        ('start: "<b>" /[^<@%]*/ "</b>" // a <comment> %json\n', ["<b>x</b>"], ["<b>"]),
        ('start: "%json" "a"i # @other\n', ["%jsona", "%jsonA"], ["a"]),
        ('start: head "x"\nhead[lazy]: /[a-z]*x/', ["aaxx"], ["axax"]),
        ("%import common.INT\nstart: INT", ["12"], ["a"]),
        ('start[capture]: "a"{2,3}', ["aa", "aaa"], ["a", "aaaa"]),
    ],
)
def test_what_it_allows(grammar: str, texts: list[str], others: list[str]) -> None:
    assert all(accepts(Lark(grammar), text) for text in texts)
    assert not any(accepts(Lark(grammar), text) for text in others)


@pytest.mark.parametrize(
    ("grammar", "line", "column", "construct"),
    [
        ('start: "a"\nb: %json {}', 2, 4, "JSON Schema"),
        ('%llguidance {"no_forcing": false}\nstart: "a"', 1, 1, "options"),
        ("start: a\na: <think>", 2, 4, "special token <think>"),
        ('start: "a" @other', 1, 12, "grammar @other"),
        ('start: a\na[lazy, stop="x"]: /[a-z]*/', 2, 2, "'stop'"),
        ("start: a\na[max_tokens=3]: /[a-z]*/", 2, 2, "'max_tokens'"),
        ("start: %lark {\n}", 1, 8, "nested grammar"),
    ],
)
def test_refuses_what_would_weaken_it(grammar: str, line: int, column: int, construct: str) -> None:
    with pytest.raises(UnsupportedGrammar, match=construct) as caught:
        check_lark(grammar)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("grammar", "line", "says"),
    [
        ('start: c\nc: "a" b', 2, "unknown name"),
        ('start: "a"{2\n', 1, "Expected token"),
        ("start: b\n\nb: /(?=x)y/\n", 3, "look-around"),
        ("start: /a^b/", 1, "lookarounds"),
        ('first: "a"', None, "'start'"),
        ('// start: "a"', None, "'start'"),
        ('start: "\ud800"', 1, "surrogate"),
    ],
)
def test_errors_name_the_line(grammar: str, line: int | None, says: str) -> None:
    with pytest.raises(InvalidGrammar, match=says) as caught:
        accepts(Lark(grammar), "a")
    assert caught.value.line == line
    assert str(caught.value).startswith("Lark grammar")


def test_bounds() -> None:
    with pytest.raises(ConstraintTooLarge, match="Lark"):
        check_lark('start: "a"' + " " * MAX_LARK_LEN)


def test_a_grammar_of_nothing_is_unsatisfiable() -> None:
    with pytest.raises(UnsatisfiableConstraint):
        accepts(Lark("start: start"), "")
