"""The beginning of a JSON text, read as far as it is certain.

A text that grows is read anew each time. Whatever is whole goes through the standard library's scanner, so only the
containers that are still open, one inside the other, are walked here:

    {"name": "Ada", "tags": ["x", "y    ->   {name: Ada (complete), tags: [x (complete), y (so far)] (so far)} (so far)
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn, TypeAlias

PartValue: TypeAlias = "object | str | list[JsonPart] | dict[str, JsonPart]"

_SPACE = re.compile(r"[ \t\n\r]*")
_AFTER_NUMBER = frozenset(" \t\n\r,]}")
_WHOLE_CHARS = re.compile(r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_FIRST_SURROGATES = range(0xD800, 0xDC00)


@dataclass(frozen=True, slots=True)
class JsonPart:
    """A JSON value, or what came of it.

    A complete one holds the plain value. One that is not holds a string as far as it came, or a list or dict of the
    parts so far, of which only the last to come may be incomplete itself.
    """

    value: PartValue
    is_complete: bool


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


def parse_json(text: str) -> object:
    """The value of a whole JSON text; numbers with a point or an exponent are decimals. Raises `ValueError`."""
    return _DECODER.decode(text)


def parse_beginning(text: str) -> JsonPart | None:
    """What the beginning of a JSON text says for certain; None where that is nothing.

    A number counts once something follows it that cannot belong to it, a key once its value began, an escape once it
    is whole. What is not JSON ends the reading without an error: whether a text is valid is not asked here. Linear in
    the text times the depth of its open containers.
    """
    return _read(text, _skip_space(text, 0))[0]


def _read(text: str, start: int) -> tuple[JsonPart | None, int]:
    """The value that begins at `start`, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except ValueError:
        return _read_open(text, start)
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if is_number and text[end : end + 1] not in _AFTER_NUMBER:
        return None, end
    return JsonPart(value, is_complete=True), end


def _read_open(text: str, start: int) -> tuple[JsonPart | None, int]:
    match text[start : start + 1]:
        case '"':
            return JsonPart(_string_so_far(text, start + 1), is_complete=False), len(text)
        case "[":
            return JsonPart(_items_so_far(text, start + 1), is_complete=False), len(text)
        case "{":
            return JsonPart(_members_so_far(text, start + 1), is_complete=False), len(text)
        case _:
            return None, len(text)


def _string_so_far(text: str, start: int) -> str:
    whole = _WHOLE_CHARS.match(text, start)
    assert whole is not None, "a pattern that matches the empty text always matches"
    value: str = json.loads(f'"{whole[0]}"')
    if value and ord(value[-1]) in _FIRST_SURROGATES:  # the other half of the character has yet to come
        value = value[:-1]
    return value


def _items_so_far(text: str, position: int) -> list[JsonPart]:
    items: list[JsonPart] = []
    while True:
        item, position = _read(text, _skip_space(text, position))
        if item is None:
            return items
        items.append(item)
        position = _skip_space(text, position)
        if not item.is_complete or text[position : position + 1] != ",":
            return items
        position += 1


def _members_so_far(text: str, position: int) -> dict[str, JsonPart]:
    members: dict[str, JsonPart] = {}
    while True:
        key, position = _read(text, _skip_space(text, position))
        position = _skip_space(text, position)
        if key is None or not key.is_complete or not isinstance(key.value, str) or text[position : position + 1] != ":":
            return members
        member, position = _read(text, _skip_space(text, position + 1))
        if member is None:
            return members
        members[key.value] = member
        position = _skip_space(text, position)
        if not member.is_complete or text[position : position + 1] != ",":
            return members
        position += 1


def _skip_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return position if space is None else space.end()
