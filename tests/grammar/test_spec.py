"""Constraints are plain data: hashable, and the same after a trip through JSON."""

import msgspec
import pytest

from palmette.grammar.spec import (
    Any,
    Choice,
    Constraint,
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


@pytest.mark.parametrize(
    "constraint",
    [
        Regex("a"),
        JsonSchema("{}", whitespace=2, property_order="any", on_unsupported="warn"),
        Choice(("a", "b")),
        Ebnf('root ::= "a"'),
        Lark('start: "a"'),
        Any(),
        StructuralTag((Tag("<a>", StructuralTag((Tag("<b>", Regex("x"), "</b>"),)), "</a>"),), ("<a",), True, True),
        Reasoned(Choice(("a",)), Reasoning("", "</t>")),
        ToolCalls(
            (ToolSpec("f", "{}"), ToolSpec("g", custom_input=Lark('start: "a"'))),
            "pythonic",
            "required",
            ("f",),
            False,
            Reasoning(),
        ),
    ],
)
def test_every_kind_of_constraint_is_data(constraint: Constraint) -> None:
    again = msgspec.json.decode(msgspec.json.encode(constraint), type=Constraint)
    assert again == constraint
    assert hash(again) == hash(constraint)
    assert type(again) is type(constraint)


def test_defaults() -> None:
    assert JsonSchema("{}") == JsonSchema("{}", "spaced", "tight", "declared", "refuse")
    assert ToolCalls(()) == ToolCalls((), "hermes", "auto", None, True, None)
