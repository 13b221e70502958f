"""JsonLayout: where white space stands in a JSON document, for each of the ways to lay one out."""

import json
from decimal import Decimal

from ..errors import GrammarError, shorten
from ..rules.char_set import CharSet
from ..rules.expression import EMPTY, Chars, Expression, Literal, Repeat, concat
from ..rules.rule_set import RuleSet
from ..spec import Whitespace
from .json_value import Json
from .strings import quoted_literal

MAX_FLEXIBLE_SPACES = 20
"""Flexible white space holds at most this many characters at one place, lest a model never gets past it."""
MAX_INDENT = 8
MAX_INDENTED_DEPTH = 64


class JsonLayout:
    """The separators of arrays and objects at each depth.

    `depth` counts the containers around a place; it matters only where lines are indented. There is never white
    space before or after the document: when its last bracket is closed, it has ended.
    """

    def __init__(self, whitespace: Whitespace, rules: RuleSet) -> None:
        self.is_indented = isinstance(whitespace, int) and not isinstance(whitespace, bool)
        self._indent = whitespace if isinstance(whitespace, int) else 0
        self._space: Expression = EMPTY
        self._comma, self._colon = ",", ":"
        if self.is_indented:
            if not 0 <= self._indent <= MAX_INDENT:
                raise GrammarError(f"whitespace: expected an indent from 0 to {MAX_INDENT}, got {self._indent}")
            self._colon = ": "
        elif whitespace == "spaced":
            self._comma, self._colon = ", ", ": "
        elif whitespace == "flexible":
            spaces = Repeat(Chars(CharSet.from_text(" \t\r\n")), 0, MAX_FLEXIBLE_SPACES)
            self._space = rules.define("white-space", spaces)
        elif whitespace != "compact":
            raise GrammarError(
                "whitespace: expected 'compact', 'spaced', 'flexible' or an indent in spaces, "
                f"got {shorten(whitespace)}"
            )

    def can_nest(self, depth: int) -> bool:
        """Whether a container at `depth` may hold anything; indented ones nest 64 levels deep at most."""
        return not self.is_indented or depth < MAX_INDENTED_DEPTH

    def inner_depth(self, depth: int) -> int:
        """The depth of what a container at `depth` holds; always 0 where depth does not matter."""
        return depth + 1 if self.is_indented else 0

    def empty(self, brackets: str) -> Expression:
        """A container with nothing in it."""
        return concat(Literal(brackets[0]), self._space, Literal(brackets[1]))

    def wrapped(self, brackets: str, content: Expression, depth: int) -> Expression:
        """A container at `depth` around `content`, which is not empty."""
        if self.is_indented:
            opening, closing = brackets[0] + self._line(depth + 1), self._line(depth) + brackets[1]
            return concat(Literal(opening), content, Literal(closing))
        return concat(Literal(brackets[0]), self._space, content, self._space, Literal(brackets[1]))

    def comma(self, depth: int) -> Expression:
        """Between two members of a container at `depth`."""
        if self.is_indented:
            return Literal("," + self._line(depth + 1))
        return concat(self._space, Literal(self._comma), self._space)

    def colon(self) -> Expression:
        """Between a key and its value."""
        return concat(self._space, Literal(self._colon), self._space)

    def dump(self, value: Json, depth: int) -> str:
        """`value` written out; in the flexible layout, without white space."""
        match value:
            case dict():
                members = [
                    f"{quoted_literal(key)}{self._colon}{self._dump_inner(item, depth)}" for key, item in value.items()
                ]
                return self._dump_container("{}", members, depth)
            case list():
                return self._dump_container("[]", [self._dump_inner(item, depth) for item in value], depth)
            case str():
                return quoted_literal(value)
            case Decimal():
                return str(value)
            case _:
                return json.dumps(value)

    def _dump_inner(self, value: Json, depth: int) -> str:
        return self.dump(value, self.inner_depth(depth))

    def _dump_container(self, brackets: str, members: list[str], depth: int) -> str:
        if not members:
            return brackets
        if not self.is_indented:
            return brackets[0] + self._comma.join(members) + brackets[1]
        line = self._line(depth + 1)
        return brackets[0] + line + ("," + line).join(members) + self._line(depth) + brackets[1]

    def _line(self, depth: int) -> str:
        return "\n" + " " * (self._indent * depth)
