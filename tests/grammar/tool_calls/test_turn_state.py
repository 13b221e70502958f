"""The automaton of free text against a search for its marks, and rules that are made one."""

from hypothesis import given
from hypothesis import strategies as st

from palmette.grammar.errors import InvalidConstraint
from palmette.grammar.rules.expression import Literal, RuleRef, concat, either
from palmette.grammar.rules.rule_set import RuleSet
from palmette.grammar.tool_calls.merging import merged
from palmette.grammar.tool_calls.turn_state import Role, TurnState, free_text
from palmette.grammar.tool_calls.turn_table import from_rows, to_rows

_MARKS = st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=4, unique=True)


@given(_MARKS, st.text("abc", max_size=30))
def test_free_text_ends_with_the_first_mark(marks: list[str], text: str) -> None:
    target = TurnState(Role.MARKUP)
    try:
        state: TurnState | None = free_text(dict.fromkeys(marks, target), TurnState(Role.TEXT))
    except InvalidConstraint:
        assert any(one in other for one in marks for other in marks if one != other)
        return
    assert state is not None
    state = from_rows(to_rows(state)) if len(text) % 2 else state
    read = ""
    for character in text:
        state = state.step(character)
        read += character
        assert state is not None
        found = [mark for mark in marks if mark in read]
        assert (state.role is Role.MARKUP) is bool(found)
        if found:
            assert read.endswith(found[0])
            return
        longest = max(size for mark in marks for size in range(len(mark)) if read.endswith(mark[:size]))
        assert state.held_len == longest


def test_rules_that_say_the_same_are_merged() -> None:
    rules = RuleSet("root")
    for name, other in (("a", "b"), ("b", "a")):
        rules.define(name, either([Literal("."), concat(Literal("x"), RuleRef(other))]))
    rules.define("c", concat(Literal("c"), RuleRef("a")))
    rules.define("d", concat(Literal("c"), RuleRef("b")))
    rules.define("root", concat(RuleRef("c"), RuleRef("d")))
    kept = merged(rules)
    assert set(kept) == {"root", "c", "a"}
    assert kept["root"] == concat(RuleRef("c"), RuleRef("c"))
    assert kept["a"] == either([Literal("."), concat(Literal("x"), RuleRef("a"))])


def test_rules_that_differ_stay_apart() -> None:
    rules = RuleSet("root")
    for name, text in (("a", "a"), ("b", "b"), ("c", "c")):
        rules.define(name, Literal(text))
    one = either([RuleRef("a"), RuleRef("b"), concat(Literal("x"), RuleRef("c"))])
    other = either([RuleRef("a"), concat(Literal("x"), RuleRef("b")), concat(Literal("x"), RuleRef("c"))])
    rules.define("one", one)
    rules.define("other", other)
    rules.define("root", concat(RuleRef("one"), RuleRef("other")))
    kept = merged(rules)
    assert len(kept) == len(rules)
    assert kept["one"] == one
    assert kept["other"] == other
