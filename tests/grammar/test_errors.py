"""The error tree as it is drawn, and what messages say."""

import inspect
import re

import palmette.grammar.errors as errors
from palmette.grammar.errors import (
    ConstraintTooLarge,
    GrammarError,
    InvalidGrammar,
    InvalidRegex,
    InvalidSchema,
    UnsupportedSchema,
)


def test_the_tree_is_drawn_at_the_head() -> None:
    tree = (errors.__doc__ or "").partition("\n\n")[2]
    drawn = set(re.findall(r"^[├└│─ ]*([A-Z]\w+)", tree, flags=re.MULTILINE))
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert drawn == defined
    assert all(issubclass(getattr(errors, name), GrammarError) for name in defined)
    assert issubclass(GrammarError, ValueError)


def test_messages_say_where_and_what() -> None:
    assert "position 2" in str(InvalidRegex("ab(", 2, "a '('"))
    assert "#/a" in str(InvalidSchema("/a", "a string", 1))
    assert "the root" in str(UnsupportedSchema("", "not", "because"))
    assert "because" in str(UnsupportedSchema("", "not", "because"))
    assert "line 2, column 3" in str(InvalidGrammar("wrong", 2, 3))
    assert "at most 5 things" in str(ConstraintTooLarge("things", 5, 6))
    assert len(str(InvalidSchema("", "a string", "x" * 10_000))) < 300
