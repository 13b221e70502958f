r"""Regular expressions in Python syntax, read into expressions; what a grammar cannot say is refused with its place.

A regex means what `re.fullmatch` makes of it. A pattern inside a JSON Schema is *searched* for, and is written by
people who may have ECMA-262 or Python in mind; there every class is read as the part both agree on (`\d` is ASCII,
`\D` is what neither calls a digit), so that whatever is generated matches under either reading.
"""

import re
from enum import Enum
from functools import cache, lru_cache

from ..errors import ConstraintTooLarge, InvalidRegex, UnsupportedRegex
from ..rules.char_set import ALL_CHARS, ASCII_DIGITS, ASCII_SPACE, ASCII_WORD, ECMA_SPACE, CharSet, python_class
from ..rules.expression import EMPTY, Chars, Concat, Either, Expression, Literal, Repeat, concat, either, repeat
from ..rules.rule_set import RuleSet

MAX_PATTERN_LEN = 100_000
MAX_NESTING = 50
MAX_REPEAT = 1_000_000
MAX_EXPANDED_LEN = 2_000_000

_CONTROL_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_HEX_LENGTHS = {"x": 2, "u": 4, "U": 8}
_NEWLINES = CharSet.from_text("\n")
_ECMA_NEWLINES = CharSet.from_text("\n\r\u2028\u2029")


class Dialect(Enum):
    """How classes are read."""

    PYTHON = "python"
    """As Python's `re` reads a text pattern."""
    SHARED = "shared"
    """The part Python and ECMA-262 agree on."""
    LOOSE = "loose"
    """Whatever either of Python and ECMA-262 allows."""


def compile_regex(pattern: str) -> RuleSet:
    """The rules of the texts that `re.fullmatch(pattern, text)` matches.

    Raises `InvalidRegex`, `UnsupportedRegex` or `ConstraintTooLarge`.
    """
    rules = RuleSet("root")
    rules.define("root", parse_regex(pattern))
    return rules


@lru_cache(maxsize=256)
def parse_regex(pattern: str, dialect: Dialect = Dialect.PYTHON, *, is_search: bool = False) -> Expression:
    """The expression of the texts that `pattern` matches as a whole; with `is_search`, somewhere.

    Raises `InvalidRegex`, `UnsupportedRegex` or `ConstraintTooLarge`. Linear in the length of the pattern.
    """
    if len(pattern) > MAX_PATTERN_LEN:
        raise ConstraintTooLarge("characters of regex", MAX_PATTERN_LEN, len(pattern))
    for position, character in enumerate(pattern):
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise InvalidRegex(pattern, position, "a lone surrogate, which no UTF-8 text holds")
    expression = _Parser(pattern, dialect, is_search).parse()
    _check_against_python(pattern)
    size = _expanded_len(expression)
    if size > MAX_EXPANDED_LEN:
        raise ConstraintTooLarge("characters of a regex with its repeats written out", MAX_EXPANDED_LEN, size)
    return expression


def _check_against_python(pattern: str) -> None:
    """Python has the last word on what is a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise InvalidRegex(pattern, error.pos, error.msg) from error
    except (RecursionError, OverflowError) as error:
        raise ConstraintTooLarge("levels of regex nesting", MAX_NESTING, "more") from error


def _expanded_len(expression: Expression) -> int:
    match expression:
        case Concat(children) | Either(children):
            return sum(map(_expanded_len, children)) + 1
        case Repeat(item, min_count, max_count):
            return _expanded_len(item) * max(max_count or 1, min_count, 1)
        case Literal(text):
            return len(text)
        case _:
            return 1


@cache
def _shorthand(letter: str, dialect: Dialect) -> CharSet:
    """The members of a backslash class such as `d` or `D`."""
    if letter.isupper():
        opposite = {Dialect.SHARED: Dialect.LOOSE, Dialect.LOOSE: Dialect.SHARED}.get(dialect, dialect)
        return ~_shorthand(letter.lower(), opposite)
    python = python_class(letter)
    if dialect is Dialect.PYTHON:
        return python
    ecma = {"d": ASCII_DIGITS, "w": ASCII_WORD, "s": ECMA_SPACE}[letter]
    return python & ecma if dialect is Dialect.SHARED else python | ecma


class _Parser:
    """Recursive descent over

        branches = branch ("|" branch)*        branch = (atom quantifier?)*
        atom = "." | class | escape | "(" branches ")" | character

    Only the outermost branches may hold anchors, at their edges: there they say what full match says anyway.
    """

    def __init__(self, pattern: str, dialect: Dialect, is_search: bool) -> None:
        self.pattern = pattern
        self.dialect = dialect
        self.is_search = is_search
        self.position = 0
        self.has_dot_all = False
        self.is_ascii = False

    def parse(self) -> Expression:
        self._skip_global_flags()
        expression = self._branches(0)
        if self.position < len(self.pattern):
            raise self._invalid("an unbalanced ')'")
        return expression

    # Structure

    def _branches(self, depth: int) -> Expression:
        if depth > MAX_NESTING:
            raise ConstraintTooLarge("levels of regex nesting", MAX_NESTING, f"more than {MAX_NESTING}")
        options = [self._branch(depth)]
        while self._take("|"):
            options.append(self._branch(depth))
        return either(options)

    def _branch(self, depth: int) -> Expression:
        is_outermost = depth == 0
        has_start = is_outermost and self._take_anchor(("^", "\\A"))
        parts: list[Expression] = []
        has_end = False
        while self.position < len(self.pattern) and self._peek() not in "|)":
            if is_outermost and self._take_anchor(("$", "\\Z")):
                has_end = True
                if self.position < len(self.pattern) and self._peek() not in "|)":
                    raise self._unsupported("text after an anchor", "anchors may stand only at the edges")
                break
            parts.append(self._quantified(depth))
        if self.is_search and is_outermost:
            anything = Repeat(Chars(ALL_CHARS), 0, None)
            parts = [*([] if has_start else [anything]), *parts, *([] if has_end else [anything])]
        return concat(*_join_literals(parts))

    def _take_anchor(self, spellings: tuple[str, ...]) -> bool:
        for spelling in spellings:
            if self.pattern.startswith(spelling, self.position):
                self.position += len(spelling)
                if self.position < len(self.pattern) and self._peek() in "*+?":
                    raise self._unsupported("a repeated anchor", "leave the repeat out")
                return True
        return False

    def _quantified(self, depth: int) -> Expression:
        start = self.position
        item = self._atom(depth)
        counts = self._quantifier()
        if counts is None:
            return item
        if self._take("+"):
            self.position -= 1
            raise self._unsupported("a possessive repeat", "drop the '+': a grammar does not backtrack")
        self._take("?")  # laziness changes which match is found first, not what matches as a whole
        if self._quantifier() is not None:
            raise InvalidRegex(self.pattern, start, "a repeat of a repeat; put the inner one in (?:...)")
        min_count, max_count = counts
        if max_count is not None and max_count < min_count:
            raise InvalidRegex(self.pattern, start, f"a repeat whose bounds cross, {{{min_count},{max_count}}}")
        return repeat(item, min_count, max_count) if item != EMPTY else EMPTY

    def _quantifier(self) -> tuple[int, int | None] | None:
        if self.position >= len(self.pattern):
            return None
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        character = self._peek()
        if character in simple:
            self.position += 1
            return simple[character]
        counted = re.compile(r"\{(?:([0-9]+)(?:(,)([0-9]*))?|,([0-9]*))\}").match(self.pattern, self.position)
        if counted is None:
            return None  # Python reads such a brace as itself
        self.position = counted.end()
        low, comma, high, high_alone = counted.groups()
        min_count = self._count(low or "0")
        if low is not None and comma is None:
            return min_count, min_count
        bound = high if low is not None else high_alone
        return min_count, self._count(bound) if bound else None

    def _count(self, digits: str) -> int:
        if len(digits) > 9 or int(digits) > MAX_REPEAT:
            raise ConstraintTooLarge("repeats in a regex", MAX_REPEAT, digits)
        return int(digits)

    # Atoms

    def _atom(self, depth: int) -> Expression:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return Chars(self._class())
        if character == ".":
            return Chars(self._dot())
        if character == "\\":
            return self._escape()
        if character in "^$":
            self.position -= 1
            raise self._unsupported(f"the anchor {character!r} inside", "anchors may stand only at the edges")
        if character in "*+?":
            self.position -= 1
            raise self._invalid(f"{character!r} with nothing to repeat")
        return Literal(character)

    def _group(self, depth: int) -> Expression:
        start = self.position - 1
        if self._take("?"):
            for opening in ("=", "!", "<=", "<!"):
                if self.pattern.startswith(opening, self.position):
                    raise self._unsupported("look-around", "say what the text is, not what stands around it", start)
            if self._take("#"):
                end = self.pattern.find(")", self.position)
                self.position = len(self.pattern) if end < 0 else end
                return self._close(start, EMPTY)
            if not self._take(":"):
                self._group_name(start)
        return self._close(start, self._branches(depth + 1))

    def _group_name(self, start: int) -> None:
        if self._take(">"):
            raise self._unsupported("an atomic group", "use (?:...): a grammar does not backtrack", start)
        if self._take("P="):
            raise self._unsupported("a back-reference", "a grammar cannot count on what came before", start)
        if self._take("("):
            raise self._unsupported("a conditional group", "write the two cases as alternatives", start)
        name = re.compile(r"P?<[^\W\d]\w*>").match(self.pattern, self.position)
        if name is None:
            raise self._unsupported("a group with flags or an unknown extension", "use (?:...)", start)
        self.position = name.end()

    def _close(self, start: int, expression: Expression) -> Expression:
        if not self._take(")"):
            raise InvalidRegex(self.pattern, start, "a '(' that is never closed")
        return expression

    def _skip_global_flags(self) -> None:
        flags = re.compile(r"\(\?([A-Za-z]+)\)").match(self.pattern)
        if flags is None:
            return
        for offset, flag in enumerate(flags.group(1)):
            if flag not in "asu":
                raise self._unsupported(f"the flag {flag!r}", "only (?a), (?s) and (?u) are understood", 2 + offset)
        self.has_dot_all = "s" in flags.group(1)
        self.is_ascii = "a" in flags.group(1)
        self.position = flags.end()

    def _dot(self) -> CharSet:
        if self.has_dot_all:
            return ALL_CHARS
        return ~(_ECMA_NEWLINES if self.dialect is Dialect.SHARED else _NEWLINES)

    def _escape(self) -> Expression:
        start = self.position - 1
        if self.position >= len(self.pattern):
            raise self._invalid("a backslash at the end")
        letter = self._peek()
        if letter in "bBAZzG":
            raise self._unsupported(f"the anchor '\\{letter}'", "anchors may stand only at the edges", start)
        if letter in "123456789" or letter == "k":
            raise self._unsupported("a back-reference", "a grammar cannot count on what came before", start)
        return Chars(self._escaped_set())

    def _escaped_set(self) -> CharSet:
        """What the escape after a backslash stands for."""
        start = self.position - 1
        letter = self._next()
        if letter in "dDwWsS":
            return self._shorthand(letter)
        if letter in _CONTROL_ESCAPES:
            return CharSet.from_text(_CONTROL_ESCAPES[letter])
        if letter in _HEX_LENGTHS:
            digits = self.pattern[self.position : self.position + _HEX_LENGTHS[letter]]
            self.position += len(digits)
            is_hex = len(digits) == _HEX_LENGTHS[letter] and all(digit in "0123456789abcdefABCDEF" for digit in digits)
            if not is_hex or int(digits, 16) > 0x10FFFF:
                raise InvalidRegex(self.pattern, start, f"'\\{letter}' without {_HEX_LENGTHS[letter]} hex digits")
            return CharSet.of([(int(digits, 16), int(digits, 16))])
        if letter == "0":
            if self.position < len(self.pattern) and self._peek().isdigit():
                raise self._unsupported("an octal escape", "write it as \\xhh", start)
            return CharSet.from_text("\0")
        if letter in "pPN":
            raise self._unsupported(f"the class '\\{letter}'", "write its ranges out", start)
        if letter.isascii() and letter.isalnum():
            raise InvalidRegex(self.pattern, start, f"the unknown escape '\\{letter}'")
        return CharSet.from_text(letter)

    def _shorthand(self, letter: str) -> CharSet:
        if not self.is_ascii:
            return _shorthand(letter, self.dialect)
        ascii_set = {"d": ASCII_DIGITS, "w": ASCII_WORD, "s": ASCII_SPACE}[letter.lower()]
        return ~ascii_set if letter.isupper() else ascii_set

    # Classes

    def _class(self) -> CharSet:
        start = self.position - 1
        is_negated = self._take("^")
        outer = self.dialect
        if is_negated:  # what is left after taking away all that anyone may count as a member
            self.dialect = {Dialect.SHARED: Dialect.LOOSE, Dialect.LOOSE: Dialect.SHARED}.get(outer, outer)
        ranges: list[tuple[int, int]] = []
        is_first = True
        while is_first or not self._take("]"):
            if self.position >= len(self.pattern):
                raise InvalidRegex(self.pattern, start, "a '[' that is never closed")
            if is_first and self._peek() == "]" and outer is not Dialect.PYTHON:
                raise self._unsupported("a ']' that opens a class", "write it as \\]: dialects read it differently")
            ranges += self._class_range().ranges
            is_first = False
        self.dialect = outer
        members = CharSet.of(ranges)
        return ~members if is_negated else members

    def _class_range(self) -> CharSet:
        start = self.position
        low = self._class_member()
        rest = self.pattern[self.position : self.position + 2]
        if len(rest) < 2 or rest[0] != "-" or rest[1] == "]":
            return low
        self.position += 1
        if self._peek() == "-":
            raise self._unsupported("'--' in a class", "escape it: newer dialects read set operations", start)
        high = self._class_member()
        low_point, high_point = _only(low), _only(high)
        if low_point is None or high_point is None or self.pattern[start : start + 2] in ("\\d", "\\w", "\\s"):
            raise InvalidRegex(self.pattern, start, "a range whose ends are not single characters")
        if low_point > high_point:
            raise InvalidRegex(self.pattern, start, "a range whose ends cross")
        return CharSet.of([(low_point, high_point)])

    def _class_member(self) -> CharSet:
        start = self.position
        character = self._next()
        if character == "\\":
            if self.position >= len(self.pattern):
                raise self._invalid("a backslash at the end")
            if self._peek() == "b":
                self.position += 1
                return CharSet.from_text("\b")
            if self._peek() in "123456789":
                raise self._unsupported("an octal escape", "write it as \\xhh", start)
            return self._escaped_set()
        if character == "[" or self.pattern[start : start + 2] in ("--", "&&", "||", "~~"):
            raise self._unsupported(
                f"{self.pattern[start : start + 2]!r} in a class",
                "escape it: newer dialects read set operations",
                start,
            )
        return CharSet.from_text(character)

    # Reading

    def _peek(self) -> str:
        return self.pattern[self.position]

    def _next(self) -> str:
        if self.position >= len(self.pattern):
            raise self._invalid("an end in the middle")
        self.position += 1
        return self.pattern[self.position - 1]

    def _take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.position):
            self.position += len(text)
            return True
        return False

    def _invalid(self, reason: str) -> InvalidRegex:
        return InvalidRegex(self.pattern, self.position, reason)

    def _unsupported(self, construct: str, hint: str, position: int | None = None) -> UnsupportedRegex:
        return UnsupportedRegex(self.pattern, self.position if position is None else position, construct, hint)


def _only(members: CharSet) -> int | None:
    """The member of a set of one."""
    if len(members.ranges) == 1 and members.ranges[0][0] == members.ranges[0][1]:
        return members.ranges[0][0]
    return None


def _join_literals(parts: list[Expression]) -> list[Expression]:
    joined: list[Expression] = []
    for part in parts:
        if isinstance(part, Literal) and joined and isinstance(joined[-1], Literal):
            joined[-1] = Literal(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined
