"""Classes and escapes of regular expressions, read into sets of characters."""

import re

from ..rules.char_set import ASCII_DIGITS, ASCII_SPACE, ASCII_WORD, CharSet
from .pattern_reader import PatternReader
from .regex_dialect import Dialect, shorthand, unicode_class

_CONTROL_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_HEX_LENGTHS = {"x": 2, "u": 4, "U": 8}


class ClassParser:
    """Reads what stands for one character, from `reader`.

    `is_ascii`: classes hold ASCII characters only. `properties`: where classes of Unicode were read, from and to.
    """

    def __init__(self, reader: PatternReader, dialect: Dialect) -> None:
        self.reader = reader
        self.dialect = dialect
        self.is_ascii = False
        self.properties: list[tuple[int, int]] = []

    def escaped(self) -> CharSet:
        """What the escape after a backslash, which is read, stands for."""
        start = self.reader.position - 1
        letter = self.reader.next()
        if letter in "dDwWsS":
            return self._shorthand(letter)
        if letter in _CONTROL_ESCAPES:
            return CharSet.from_text(_CONTROL_ESCAPES[letter])
        if letter in _HEX_LENGTHS:
            digits = self.reader.pattern[self.reader.position : self.reader.position + _HEX_LENGTHS[letter]]
            self.reader.position += len(digits)
            is_hex = len(digits) == _HEX_LENGTHS[letter] and all(digit in "0123456789abcdefABCDEF" for digit in digits)
            if not is_hex or int(digits, 16) > 0x10FFFF:
                raise self.reader.invalid(f"'\\{letter}' without {_HEX_LENGTHS[letter]} hex digits", start)
            return CharSet.of([(int(digits, 16), int(digits, 16))])
        if letter == "0":
            if not self.reader.is_at_end and self.reader.peek().isdigit():
                raise self.reader.unsupported("an octal escape", "write it as \\xhh", start)
            return CharSet.from_text("\0")
        if letter in "pP":
            return self._property(start, is_negated=letter == "P")
        if letter == "N":
            raise self.reader.unsupported("a character by its name", "write the character itself", start)
        if letter.isascii() and letter.isalnum():
            raise self.reader.invalid(f"the unknown escape '\\{letter}'", start)
        return CharSet.from_text(letter)

    def _shorthand(self, letter: str) -> CharSet:
        if not self.is_ascii:
            return shorthand(letter, self.dialect)
        ascii_set = {"d": ASCII_DIGITS, "w": ASCII_WORD, "s": ASCII_SPACE}[letter.lower()]
        return ~ascii_set if letter.isupper() else ascii_set

    def _property(self, start: int, *, is_negated: bool) -> CharSet:
        """What `\\p{name}`, `\\pL` or their negations stand for."""
        rest = self.reader.pattern[self.reader.position :]
        written = re.compile(r"\{([A-Za-z_&=]+)\}|([A-Z])").match(rest)
        if written is None:
            raise self.reader.invalid("a class of Unicode without its name, as in \\p{L}", start)
        self.reader.position += written.end()
        name = written.group(1) or written.group(2)
        members = unicode_class(name, self.dialect, is_negated=is_negated)
        if members is None:
            raise self.reader.unsupported(
                f"the class of Unicode {name!r}",
                "general categories are known, such as L, Lu, Nd; write ranges out",
                start,
            )
        self.properties.append((start, self.reader.position))
        return members

    def bracketed(self) -> CharSet:
        """The members of a class whose opening bracket is read."""
        start = self.reader.position - 1
        is_negated = self.reader.take("^")
        outer = self.dialect
        if is_negated:  # what is left after taking away all that anyone may count as a member
            self.dialect = outer.opposite
        ranges: list[tuple[int, int]] = []
        is_first = True
        while is_first or not self.reader.take("]"):
            if self.reader.is_at_end:
                raise self.reader.invalid("a '[' that is never closed", start)
            if is_first and self.reader.peek() == "]" and outer is not Dialect.PYTHON:
                raise self.reader.unsupported(
                    "a ']' that opens a class", "write it as \\]: dialects read it differently"
                )
            ranges += self._class_range().ranges
            is_first = False
        self.dialect = outer
        members = CharSet.of(ranges)
        return ~members if is_negated else members

    def _class_range(self) -> CharSet:
        start = self.reader.position
        low = self._class_member()
        rest = self.reader.pattern[self.reader.position : self.reader.position + 2]
        if len(rest) < 2 or rest[0] != "-" or rest[1] == "]":
            return low
        self.reader.position += 1
        if self.reader.peek() == "-":
            raise self.reader.unsupported("'--' in a class", "escape it: newer dialects read set operations", start)
        high = self._class_member()
        low_point, high_point = _only(low), _only(high)
        if low_point is None or high_point is None or self.reader.pattern[start : start + 2] in ("\\d", "\\w", "\\s"):
            raise self.reader.invalid("a range whose ends are not single characters", start)
        if low_point > high_point:
            raise self.reader.invalid("a range whose ends cross", start)
        return CharSet.of([(low_point, high_point)])

    def _class_member(self) -> CharSet:
        start = self.reader.position
        character = self.reader.next()
        if character == "\\":
            if self.reader.is_at_end:
                raise self.reader.invalid("a backslash at the end")
            if self.reader.peek() == "b":
                self.reader.position += 1
                return CharSet.from_text("\b")
            if self.reader.peek() in "123456789":
                raise self.reader.unsupported("an octal escape", "write it as \\xhh", start)
            return self.escaped()
        if character == "[" or self.reader.pattern[start : start + 2] in ("--", "&&", "||", "~~"):
            raise self.reader.unsupported(
                f"{self.reader.pattern[start : start + 2]!r} in a class",
                "escape it: newer dialects read set operations",
                start,
            )
        return CharSet.from_text(character)


def _only(members: CharSet) -> int | None:
    """The member of a set of one."""
    if len(members.ranges) == 1 and members.ranges[0][0] == members.ranges[0][1]:
        return members.ranges[0][0]
    return None
