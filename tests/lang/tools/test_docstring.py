"""Docstrings of three styles: the summary, and what is said of each parameter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.lang.tools.docstring import parse_docstring

GOOGLE = """Book a table
    in a restaurant.

    It is held for a quarter of an hour.

    Args:
        place: The name of the place,
            in full: no short forms.
        guests (int, optional): How many come.
            Note: children count.

        *names (list(str)): Who they are.

    Returns:
        place: not this one

    Keyword Args:
        late: Whether they
          come late.
    """

NUMPY = """
    Book a table
    in a restaurant.

    Parameters
    ----------
    place : str
        The name of the place,
        in full: no short forms.
    guests : {1, 2}, optional
        How many come.
        Note: children count.
    *names
        Who they are.

    Returns
    -------
    place : str
        not this one

    Other Parameters
    ----------------
    late : bool
        Whether they

        come late.
    """

REST = """Book a table
    in a restaurant.

    :param place: The name of the place,
        in full: no short forms.
    :param int | None guests: How many come.
        Note: children count.
    :type place: str
    :arg list[str] *names: Who they are.
    :keyword late:
        Whether they

        come late.
    :returns: place
    :raises ValueError: not this one
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_the_three_styles_say_the_same(text: str) -> None:
    parsed = parse_docstring(text)
    assert parsed.summary == "Book a table in a restaurant."
    assert parsed.arguments == {
        "place": "The name of the place, in full: no short forms.",
        "guests": "How many come. Note: children count.",
        "names": "Who they are.",
        "late": "Whether they come late.",
    }


def test_what_is_missing_stays_empty() -> None:
    assert parse_docstring(None).summary == ""
    assert parse_docstring("").arguments == {}
    assert parse_docstring("Args:\n    a: x").summary == ""
    assert parse_docstring("Parameters\n----------\na : int\n").arguments == {"a": ""}
    assert parse_docstring(":param a:\n:param b: x").arguments == {"a": "", "b": "x"}


def test_the_summary_ends_where_sections_begin() -> None:
    assert parse_docstring("One.\nArgs:\n  a: x\n    y: z\n  *b (int): w\nReturns:\n  c: no\n").summary == "One."
    assert parse_docstring("One.\n:param a: x").summary == "One."
    assert parse_docstring("One.\nParameters\n----------\na : int").summary == "One."
    assert parse_docstring(":class:`Path` is read.\n\n:param a: x").summary == ":class:`Path` is read."


def test_names_that_share_a_text() -> None:
    assert parse_docstring("Parameters\n----------\na, b : int\n    Sides.").arguments == {"a": "Sides.", "b": "Sides."}


def test_where_a_name_is_described_twice_the_first_counts() -> None:
    assert parse_docstring("Args:\n  a: first\n\nArgs:\n  a: second").arguments == {"a": "first"}


_PIECES = st.sampled_from([*"ab:*-() ,\n`", ":param ", "Args:\n", "Parameters\n---\n", "    "])


@given(st.lists(_PIECES, max_size=30))
def test_any_text_is_read(pieces: list[str]) -> None:
    parsed = parse_docstring("".join(pieces))
    assert "\n" not in parsed.summary
    assert all(name and "\n" not in text for name, text in parsed.arguments.items())


@given(st.dictionaries(st.text("a_1", min_size=1).map("x{}".format), st.text("ab:", min_size=1).map("a {} b".format)))
def test_what_is_written_is_read_back(described: dict[str, str]) -> None:
    google = "Args:\n" + "".join(f"    {name} (int): {text}\n" for name, text in described.items())
    numpy = "Parameters\n----------\n" + "".join(f"{name} : int\n    {text}\n" for name, text in described.items())
    rest = "".join(f":param int {name}: {text}\n" for name, text in described.items())
    for section in (google, numpy, rest):
        assert parse_docstring(f"Read.\n\n{section}").arguments == described
