"""EBNF: what is read, and where what is wrong stands."""

import pytest

from palmette.grammar.acceptance import accepts
from palmette.grammar.errors import ConstraintTooLarge, InvalidGrammar, UnsatisfiableConstraint
from palmette.grammar.notations.ebnf import parse_ebnf
from palmette.grammar.spec import Ebnf

ARITHMETIC = """
# sums of products
root   ::= term ("+" term)*
term   ::= factor ( "*"
                    factor )*   # over a line end
factor ::= [0-9]+ | "(" root ")"
"""


@pytest.mark.parametrize(
    ("text", "expected"), [("1+2*(3+4)", True), ("12", True), ("1+", False), ("(1", False), ("", False)]
)
def test_arithmetic(text: str, expected: bool) -> None:
    assert accepts(Ebnf(ARITHMETIC), text) is expected


@pytest.mark.parametrize(
    ("grammar", "accepted", "refused"),
    [
        ('root ::= "a"{2,3} "b"{2} "c"{1,} "d"?', ["aabbc", "aaabbccd"], ["abbc", "aabc", "aabb"]),
        ('root ::= [^a-c\\n] .', ["dé", "-a"], ["ax", "\nx", "d"]),
        ('root ::= [a\\-z\\]^]+', ["a-z]^"], ["b"]),
        ('root ::= "\\x41\\u00e9\\U0001F600\\n\\"\\\\"', ['Aé😀\n"\\'], ["A"]),
        ('root ::= root "a" | "b"', ["b", "baa"], ["a", ""]),
        ('root ::= x root "y" | "z"\nx ::= "x"?', ["z", "xzy", "zyy"], ["xz"]),
        ('root ::= (x)* "z"\nx ::= "x"?', ["z", "xxz"], ["x"]),
        ('root ::= root | "b"', ["b"], ["bb"]),
        ('root ::= "a" dead | "b"\ndead ::= "c" dead', ["b"], ["a", "ac"]),
        ('root ::= "" | "a"', ["", "a"], ["b"]),
    ],
)  # fmt: skip
def test_reads(grammar: str, accepted: list[str], refused: list[str]) -> None:
    for text in accepted:
        assert accepts(Ebnf(grammar), text), text
    for text in refused:
        assert not accepts(Ebnf(grammar), text), text


def test_another_root() -> None:
    assert accepts(Ebnf('a ::= "x"\nb ::= "y"', root="b"), "y")


@pytest.mark.parametrize(
    ("grammar", "line", "column"),
    [
        ("", None, None),
        ('a ::= "b"', None, None),
        ('root ::= "a', 1, 10),
        ('root ::= "a"\nb = "c"', 2, 3),
        ("root ::= none", 1, 10),
        ('root ::= "a"\nroot ::= "b"', 2, 1),
        ('root ::= ("a"', 1, 10),
        ('root ::= "a")', 1, 13),
        ("root ::= [z-a]", 1, 10),
        ('root ::= "\\q"', 1, 10),
        ('root ::= "\\ud800"', 1, 10),
        ('root ::= "a"{3,2}', 1, 13),
        ("root ::= * ", 1, 10),
    ],
)
def test_invalid(grammar: str, line: int | None, column: int | None) -> None:
    with pytest.raises(InvalidGrammar) as caught:
        parse_ebnf(grammar)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize("grammar", ['root ::= "a" root', "root ::= root", "root ::= []"])
def test_unsatisfiable(grammar: str) -> None:
    with pytest.raises(UnsatisfiableConstraint):
        accepts(Ebnf(grammar), "a")


@pytest.mark.parametrize("grammar", ["root ::= " + "(" * 5_000, '"a"' * 300_000, 'root ::= "a"{1,9999999}'])
def test_bounds(grammar: str) -> None:
    with pytest.raises(ConstraintTooLarge):
        parse_ebnf(grammar)
