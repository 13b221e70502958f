"""Reads the arguments of a Python call, `city="Rome", days=[1, 2]`: names and literals, nothing that is computed."""

import json
from decimal import Decimal
from typing import NoReturn

_CONSTANTS = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
"""JSON's constants, too: models mix them up."""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_SPACES = " \t\r\n"
_NUMBER_CHARS = frozenset("+-.0123456789eE")
_MAX_NUMBER_LEN = 1_000


def parse_python_arguments(text: str) -> dict[str, object]:
    """The arguments by name. Raises `ValueError`, which says where, for anything but keyword arguments of literals.

    One pass, without looking back. `text` must have its brackets matched and nested no deeper than `ArgumentScan`
    lets them.
    """
    return _Reader(text).arguments()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def arguments(self) -> dict[str, object]:
        values: dict[str, object] = {}
        while self.peek():
            name = self.word()
            if not name.isidentifier() or name in values:
                self.fail("the name of an argument, once", name)
            self.expect("=")
            values[name] = self.value()
            if self.peek():
                self.expect(",")
        return values

    def value(self) -> object:
        character = self.peek()
        if character in ('"', "'"):
            return self.string()
        if character == "[":
            return self.items()
        if character == "{":
            return self.dictionary()
        if character and character in _NUMBER_CHARS:
            return self.number()
        word = self.word()
        if word not in _CONSTANTS:
            self.fail("a literal", word or character or "the end")
        return _CONSTANTS[word]

    def items(self) -> list[object]:
        values: list[object] = []
        self.expect("[")
        while self.peek() != "]":
            values.append(self.value())
            if self.peek() != "]":
                self.expect(",")
        self.expect("]")
        return values

    def dictionary(self) -> dict[str, object]:
        values: dict[str, object] = {}
        self.expect("{")
        while self.peek() != "}":
            if self.peek() not in ('"', "'"):
                self.fail("a key in quotes", self.peek())
            key = self.string()
            self.expect(":")
            values[key] = self.value()
            if self.peek() != "}":
                self.expect(",")
        self.expect("}")
        return values

    def string(self) -> str:
        quote = self.peek()
        self.position += 1
        parts: list[str] = []
        while True:
            character = self.take()
            if character == quote:
                return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            parts.append(self.escape() if character == "\\" else character)

    def escape(self) -> str:
        letter = self.take()
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        lengths = {"x": 2, "u": 4, "U": 8}
        if letter not in lengths:
            return "\\" + letter  # as Python reads an escape that it does not know
        digits = "".join(self.take() for _ in range(lengths[letter]))
        if not all(digit in "0123456789abcdefABCDEF" for digit in digits) or int(digits, 16) > 0x10FFFF:
            self.fail("the hexadecimal digits of a character", digits)
        return chr(int(digits, 16))

    def number(self) -> int | float | Decimal:
        start = self.position
        while self.text[self.position : self.position + 1] in _NUMBER_CHARS:
            self.position += 1
        written = self.text[start : self.position]
        try:
            if len(written) > _MAX_NUMBER_LEN:
                raise ValueError(written)
            number: int | float = json.loads(written.removeprefix("+"))
        except ValueError:
            self.fail(f"a number of at most {_MAX_NUMBER_LEN} characters", written[:40])
        return number

    def word(self) -> str:
        self.peek()
        start = self.position
        while (
            self.text[self.position : self.position + 1].isidentifier()
            or self.text[self.position : self.position + 1].isdecimal()
        ):
            self.position += 1
        return self.text[start : self.position]

    def peek(self) -> str:
        """The next character that is no space, which is not read yet; empty at the end."""
        while self.position < len(self.text) and self.text[self.position] in _SPACES:
            self.position += 1
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        if self.position >= len(self.text):
            self.fail("the end of a string", "the end of the arguments")
        self.position += 1
        return self.text[self.position - 1]

    def expect(self, mark: str) -> None:
        found = self.peek()
        if found != mark:
            self.fail(repr(mark), found or "the end")
        self.position += 1

    def fail(self, expected: str, got: str) -> NoReturn:
        raise ValueError(f"expected {expected} at character {self.position}, got {got!r}")
