"""The parser of regular expressions in Python syntax."""

import re

from ..errors import ConstraintTooLarge
from ..rules.char_set import ALL_CHARS, CharSet
from ..rules.expression import EMPTY, Chars, Expression, Literal, concat, repeat
from .anchored import END, START, Anchored
from .pattern_reader import PatternReader
from .regex_classes import ClassParser
from .regex_dialect import Dialect

MAX_NESTING = 50
MAX_REPEAT = 1_000_000

_NEWLINES = CharSet.from_text("\n")
_ECMA_NEWLINES = CharSet.from_text("\n\r\u2028\u2029")
_ANCHORS = {"^": START, "\\A": START, "$": END, "\\Z": END}


class RegexParser:
    """Recursive descent over

    branches = branch ("|" branch)*        branch = (atom quantifier?)*
    atom = "." | class | escape | "(" branches ")" | anchor | character
    """

    def __init__(self, pattern: str, dialect: Dialect) -> None:
        self.reader = PatternReader(pattern)
        self.classes = ClassParser(self.reader, dialect)
        self.has_dot_all = False

    def parse(self) -> Anchored:
        """What the whole pattern matches; raises `InvalidRegex`, `UnsupportedRegex` or `ConstraintTooLarge`."""
        self._skip_global_flags()
        parsed = self._branches(0)
        if not self.reader.is_at_end:
            raise self.reader.invalid("an unbalanced ')'")
        return parsed

    # Structure

    def _branches(self, depth: int) -> Anchored:
        if depth > MAX_NESTING:
            raise ConstraintTooLarge("levels of regex nesting", MAX_NESTING, f"more than {MAX_NESTING}")
        options = [self._branch(depth)]
        while self.reader.take("|"):
            options.append(self._branch(depth))
        return options[0] if len(options) == 1 else Anchored.either(options)

    def _branch(self, depth: int) -> Anchored:
        parsed: Anchored | None = None
        run: list[Expression] = []  # parts without anchors, joined at once
        while not self.reader.is_at_end and self.reader.peek() not in "|)":
            part = self._quantified(depth)
            plain = part.expression
            if plain is not None:
                run.append(plain)
                continue
            before = Anchored.plain(concat(*_join_literals(run)))
            parsed = (before if parsed is None else parsed.then(before)).then(part)
            run = []
        rest = Anchored.plain(concat(*_join_literals(run)))
        return rest if parsed is None else parsed.then(rest)

    def _quantified(self, depth: int) -> Anchored:
        start = self.reader.position
        item = self._atom(depth)
        counts = self._quantifier()
        if counts is None:
            return item
        if self.reader.take("+"):
            self.reader.position -= 1
            raise self.reader.unsupported("a possessive repeat", "drop the '+': a grammar does not backtrack")
        self.reader.take("?")  # laziness changes which match is found first, not what matches as a whole
        if self._quantifier() is not None:
            raise self.reader.invalid("a repeat of a repeat; put the inner one in (?:...)", start)
        min_count, max_count = counts
        if max_count is not None and max_count < min_count:
            raise self.reader.invalid(f"a repeat whose bounds cross, {{{min_count},{max_count}}}", start)
        plain = item.expression
        if plain is not None:
            return Anchored.plain(repeat(plain, min_count, max_count) if plain != EMPTY else EMPTY)
        if counts == (0, 1) and self.reader.pattern[start] == "(":
            return Anchored.either([item, Anchored.plain(EMPTY)])
        raise self.reader.unsupported("a repeated anchor", "leave the repeat out", start)

    def _quantifier(self) -> tuple[int, int | None] | None:
        if self.reader.is_at_end:
            return None
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        character = self.reader.peek()
        if character in simple:
            self.reader.position += 1
            return simple[character]
        counted = re.compile(r"\{(?:([0-9]+)(?:(,)([0-9]*))?|,([0-9]*))\}").match(
            self.reader.pattern, self.reader.position
        )
        if counted is None:
            return None  # Python reads such a brace as itself
        self.reader.position = counted.end()
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

    def _atom(self, depth: int) -> Anchored:
        for spelling, anchor in _ANCHORS.items():
            if self.reader.take(spelling):
                return anchor
        character = self.reader.next()
        if character == "(":
            return self._group(depth)
        if character in "*+?":
            self.reader.position -= 1
            raise self.reader.invalid(f"{character!r} with nothing to repeat")
        return Anchored.plain(self._character(character))

    def _character(self, character: str) -> Expression:
        match character:
            case "[":
                return Chars(self.classes.bracketed())
            case ".":
                return Chars(self._dot())
            case "\\":
                return self._escape()
            case _:
                return Literal(character)

    def _group(self, depth: int) -> Anchored:
        start = self.reader.position - 1
        if self.reader.take("?"):
            if self.reader.starts(("=", "!", "<=", "<!")):
                raise self.reader.unsupported("look-around", "say what the text is, not what stands around it", start)
            if self.reader.take("#"):
                end = self.reader.pattern.find(")", self.reader.position)
                self.reader.position = len(self.reader.pattern) if end < 0 else end
                return self._close(start, Anchored.plain(EMPTY))
            if not self.reader.take(":"):
                self._group_name(start)
        return self._close(start, self._branches(depth + 1))

    def _group_name(self, start: int) -> None:
        if self.reader.take(">"):
            raise self.reader.unsupported("an atomic group", "use (?:...): a grammar does not backtrack", start)
        if self.reader.take("P="):
            raise self.reader.unsupported("a back-reference", "a grammar cannot count on what came before", start)
        if self.reader.take("("):
            raise self.reader.unsupported("a conditional group", "write the two cases as alternatives", start)
        name = re.compile(r"P?<[^\W\d]\w*>").match(self.reader.pattern, self.reader.position)
        if name is None:
            raise self.reader.unsupported("a group with flags or an unknown extension", "use (?:...)", start)
        self.reader.position = name.end()

    def _close(self, start: int, parsed: Anchored) -> Anchored:
        if not self.reader.take(")"):
            raise self.reader.invalid("a '(' that is never closed", start)
        return parsed

    def _skip_global_flags(self) -> None:
        flags = re.compile(r"\(\?([A-Za-z]+)\)").match(self.reader.pattern)
        if flags is None:
            return
        for offset, flag in enumerate(flags.group(1)):
            if flag not in "asu":
                raise self.reader.unsupported(
                    f"the flag {flag!r}", "only (?a), (?s) and (?u) are understood", 2 + offset
                )
        self.has_dot_all = "s" in flags.group(1)
        self.classes.is_ascii = "a" in flags.group(1)
        self.reader.position = flags.end()

    def _dot(self) -> CharSet:
        if self.has_dot_all:
            return ALL_CHARS
        return ~(_ECMA_NEWLINES if self.classes.dialect is Dialect.SHARED else _NEWLINES)

    def _escape(self) -> Expression:
        start = self.reader.position - 1
        if self.reader.is_at_end:
            raise self.reader.invalid("a backslash at the end")
        letter = self.reader.peek()
        if letter in "bBzG":
            raise self.reader.unsupported(f"the anchor '\\{letter}'", "say what the text is, not its borders", start)
        if letter in "123456789" or letter == "k":
            raise self.reader.unsupported("a back-reference", "a grammar cannot count on what came before", start)
        return Chars(self.classes.escaped())


def _join_literals(parts: list[Expression]) -> list[Expression]:
    joined: list[Expression] = []
    for part in parts:
        if isinstance(part, Literal) and joined and isinstance(joined[-1], Literal):
            joined[-1] = Literal(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined
