"""Outcome: what judging a value by a schema gives: valid with what was looked at, invalid, or not to be told."""

from collections.abc import Generator
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from ..json_schema.document import Node
from ..json_text.json_value import Json


class Failure(Enum):
    """Why a value is not known to be valid.

    `UNKNOWN` is Kleene's third truth value: readers of the specification disagree (classes of regular expressions,
    the edges of a format), or the text is not all there yet. It is never generated: neither as valid nor, under
    `not`, as invalid.
    """

    INVALID = "invalid"
    UNKNOWN = "unknown"


INVALID = Failure.INVALID
UNKNOWN = Failure.UNKNOWN

Seen: TypeAlias = frozenset[str | int]
"""The keys or the indices that were evaluated, for `unevaluatedProperties` and `unevaluatedItems`."""
Outcome: TypeAlias = Seen | Failure
Judging: TypeAlias = Generator[tuple[Node, Json], Outcome, Outcome]
"""Yields the (schema, value) whose outcome it needs next and is sent it: depth costs no Python frames."""

NOTHING_SEEN: Seen = frozenset()


class OpenText(str):
    """Stands for every string that begins with this text; with a `tail`, and goes on with one more character.

    `tail`: how that character begins in JSON text: some of its bytes, or a part of an escape.
    """

    __slots__ = ("tail",)
    tail: bytes | None

    def __new__(cls, text: str, tail: bytes | None = None) -> "OpenText":
        """Made once, as strings are."""
        made = super().__new__(cls, text)
        made.tail = tail
        return made

    def can_be(self, text: str) -> bool:
        """Whether `text` is one of them."""
        if not text.startswith(self):
            return False
        if self.tail is None:
            return True
        following = text[len(self) : len(self) + 1]
        if not following or not self.tail.startswith(b"\\"):
            return bool(following) and following.encode(errors="surrogatepass").startswith(self.tail)
        return following.encode("utf-16-be", errors="surrogatepass").hex().startswith(self.tail[2:].lower().decode())


class Anything(str):
    """Stands for every value."""

    __slots__ = ()


class SomeNumber(Decimal):
    """Stands for every number."""

    __slots__ = ()


class OpenMembers(dict[str, Json]):
    """Stands for every object with these members and perhaps more."""

    __slots__ = ()


class OpenItems(list[Json]):
    """Stands for every array that begins with these items."""

    __slots__ = ()


_OPEN = frozenset((OpenText, Anything, SomeNumber, OpenMembers, OpenItems))


def is_growing(value: Json) -> bool:
    """Whether `value` stands for every object or array that goes on from it."""
    return type(value) is OpenMembers or type(value) is OpenItems


def has_open_text(value: Json) -> bool:
    """Whether anything inside stands for several values; linear."""
    pending = [value]
    while pending:
        item = pending.pop()
        if type(item) in _OPEN:
            return True
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            pending.extend(item.values())
    return False


def of_truth(truth: bool | None) -> Outcome:
    """The outcome of an assertion; None: unknown."""
    return UNKNOWN if truth is None else NOTHING_SEEN if truth else INVALID
