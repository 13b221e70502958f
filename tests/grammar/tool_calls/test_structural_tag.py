"""Tagged parts in free text, and an answer behind reasoning."""

import pytest
from call_walks import allows

from palmette.grammar.errors import ConstraintTooLarge, InvalidConstraint, UnsupportedConstraint
from palmette.grammar.spec import (
    Any,
    Choice,
    Ebnf,
    JsonSchema,
    Lark,
    Reasoned,
    Reasoning,
    Regex,
    StructuralTag,
    Tag,
    ToolCalls,
    ToolSpec,
)

INTEGER = Tag("<int>", JsonSchema('{"type": "integer"}'), "</int>")
WORD = Tag("<word>", Regex("[a-z]+"), "</word>")
NOTE = Tag("<note>", Any(), "</note>")


def test_text_and_tags() -> None:
    constraint = StructuralTag((INTEGER, WORD, NOTE))
    for text in ("", "a <in b", "<int>12</int>", "x<int>1</int><word>ab</word>y <", "<note>any <int> </not</note>."):
        assert allows(constraint, text), text
    for text in ("<int>", "<int>a</int>", "<int>1", "a <int>1</int> <word></word>", "<note>", "<note></note"):
        assert not allows(constraint, text), text


def test_at_least_one() -> None:
    constraint = StructuralTag((INTEGER,), at_least_one=True)
    assert allows(constraint, "first <int>1</int> then")
    assert allows(constraint, "<int>1</int><int>2</int>")
    assert not allows(constraint, "first")
    assert not allows(constraint, "")


def test_stop_after_first() -> None:
    constraint = StructuralTag((INTEGER,), stop_after_first=True)
    assert allows(constraint, "a <int>1</int>")
    assert allows(constraint, "a")
    assert not allows(constraint, "a <int>1</int> ")
    both = StructuralTag((INTEGER,), stop_after_first=True, at_least_one=True)
    assert allows(both, "a <int>1</int>")
    assert not allows(both, "a")


def test_triggers() -> None:
    tags = (Tag("<f=one>", Choice(("1", "2")), "</f>"), Tag("<f=two>", Ebnf('root ::= "x" root?'), "</f>"))
    constraint = StructuralTag(tags, triggers=("<f=",))
    assert allows(constraint, "<f <f=one>2</f> <f=two>xx</f>")
    assert not allows(constraint, "<f=three>")
    assert not allows(constraint, "<f=")
    assert not allows(constraint, "<f=two>1</f>")


def test_tags_within_tags() -> None:
    inner = ToolCalls((ToolSpec("f", "{}"),), choice="required", parallel=False)
    constraint = StructuralTag((Tag("<a>", inner, "</a>"), Tag("<b>", StructuralTag((INTEGER,)), "</b>")))
    assert allows(constraint, '<a><tool_call>\n{"name": "f", "arguments": {}}\n</tool_call></a>')
    assert allows(constraint, "<b>x <int>1</int></b>")
    assert not allows(constraint, "<b>x <int></b>")


def test_overlapping_beginnings_of_triggers() -> None:
    constraint = StructuralTag((Tag("abab!", Any(), "e"), Tag("abc", Any(), "e")))
    assert allows(constraint, "ababab")
    assert allows(constraint, "ababab!xe")
    assert allows(constraint, "ababce")
    assert not allows(constraint, "ababc")
    assert not allows(constraint, "ababab!")


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (StructuralTag(()), "at least one"),
        (StructuralTag((Tag("", Any(), "x"),)), "at least one character"),
        (StructuralTag((Tag("<a>", Any(), ""),)), "expected an end"),
        (StructuralTag((INTEGER, INTEGER)), "none begins another"),
        (StructuralTag((Tag("<a", Any(), "x"), Tag("<a>", Any(), "x"))), "none begins another"),
        (StructuralTag((Tag("<a><b>", Any(), "x"), Tag("<b>", Any(), "x"))), "none holds another"),
        (StructuralTag((INTEGER,), triggers=("<word",)), "one trigger to begin it"),
        (StructuralTag((INTEGER,), triggers=("<int", "<word")), "each to begin a tag"),
        (Reasoned(Regex("a"), Reasoning("<t>", "")), "a mark that ends it"),
    ],
)
def test_what_is_refused(constraint: StructuralTag | Reasoned, message: str) -> None:
    with pytest.raises(InvalidConstraint, match=message):
        allows(constraint, "")


def test_marks_are_bounded() -> None:
    for tags in (
        (Tag("<" * 10**6, Any(), "x"),),
        (Tag("<", Regex("a"), "x" * 10**6),),
        tuple(Tag(f"<{index:03}{'x' * 1500}", Any(), "x") for index in range(200)),
    ):
        with pytest.raises(ConstraintTooLarge):
            allows(StructuralTag(tags), "")


def test_lark_inside() -> None:
    constraint = StructuralTag((Tag("<a>", Lark('start: "x" start? "y"'), "</a>"),))
    assert allows(constraint, "<a>xxyy</a>")
    assert not allows(constraint, "<a>xxy</a>")
    with pytest.raises(UnsupportedConstraint, match="a lexer has no place"):
        allows(StructuralTag((Tag("<a>", Lark('start: "a"\n%ignore " "'), "x"),)), "")


def test_reasoned() -> None:
    constraint = Reasoned(JsonSchema('{"type": "array", "items": {"type": "integer"}}'))
    assert allows(constraint, "<think>[ </thin</think>[1, 2]")
    assert allows(constraint, "<think></think>\n\n[]")
    for text in ("[]", "<think>[]", "<think></think>", "<think></think>\n\n\n[]", "<think></think>[] "):
        assert not allows(constraint, text), text
    opened = Reasoned(Regex("a+"), Reasoning(""))
    assert allows(opened, "hm</think>aa")
    assert not allows(opened, "aa")


def test_any() -> None:
    assert allows(Any(), "")
    assert allows(Any(), "\x00 any <tool_call> é 漢 \U0001f600")
    assert not allows(Any(), "\udcff")
