"""The beginnings of JSON texts: certain about what came, silent about the rest."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.grammar.types.partial_json import JsonPart, parse_beginning, parse_json

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**6), 10**6),
        st.sampled_from([0.5, -1.25e-7, 1e20]),
        st.text(st.sampled_from('ab"\\/\n\té😀\u2028'), max_size=6),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", 'k"']), inner)),
    max_leaves=8,
)


def shown(part: JsonPart | None) -> object:
    """A part as plain data, what is incomplete in a tuple of one."""
    if part is None:
        return None
    if part.is_complete:
        return part.value
    match part.value:
        case list():
            return ([shown(item) for item in part.value],)
        case dict():
            return ({key: shown(item) for key, item in part.value.items()},)
        case value:
            return (value,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None), (" ", None), ("-", None), ("1", None), ("1.", None), ("1.5e", None), ("1.5e+", None),
        ("1.5 ", Decimal("1.5")),
        ("tru", None), ("true", True), ("nul", None), ('"', ("",)), ('"a', ("a",)), ('"a"', "a"),
        ('"a\\', ("a",)), ('"a\\u00e', ("a",)), ('"a\\u00e9', ("aé",)), ('"\\ud83d', ("",)), ('"\\ud83d\\ude0', ("",)),
        ('"\\ud83d\\ude00', ("😀",)), ("[", ([],)), ("[1", ([],)), ("[1,", ([1],)), ("[1, 2.", ([1],)), ("[1]", [1]),
        ("[1.", ([],)), ("[1e", ([],)), ('[1 , "b', ([1, ("b",)],)), ("[[1, 2], [3,", ([[1, 2], ([3],)],)),
        ("{", ({},)), ('{"a', ({},)), ('{"a"', ({},)), ('{"a":', ({},)), ('{"a": 1', ({},)), ('{"a": 1}', {"a": 1}),
        ('{"a": 1,', ({"a": 1},)), ('{"a": 1, "b": {"c": "d', ({"a": 1, "b": ({"c": ("d",)},)},)),
        ('{"a": "x", "a": "y', ({"a": ("y",)},)), ("[1 x", ([1],)), ("NaN", None), ("[Infinity", ([],)),
    ],
)  # fmt: skip
def test_what_came_for_certain(text: str, expected: object) -> None:
    assert shown(parse_beginning(text)) == expected


def is_beginning(early: object, late: object) -> bool:
    """Whether a part, as `shown` has it, may have grown into another."""
    if not isinstance(early, tuple):
        return early == late
    before, after = early[0], late[0] if isinstance(late, tuple) else late
    match before, after:
        case str(), str():
            return after.startswith(before)
        case list(), list():
            return len(before) <= len(after) and all(map(is_beginning, before, after))
        case dict(), dict():
            return before.keys() <= after.keys() and all(is_beginning(before[key], after[key]) for key in before)
    return False


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_a_part_only_grows(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent) + " "
    seen = None
    for end in range(len(text) + 1):
        part = shown(parse_beginning(text[:end]))
        assert seen is None or is_beginning(seen, part)
        seen = part
    assert seen == parse_json(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "01", "[1,]", "", "{'a': 1}", "1 2"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the standard library's
        parse_json(text)
