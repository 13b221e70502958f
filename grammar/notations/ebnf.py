"""EBNF in the GBNF dialect, read into rules.

    root   ::= "{" pair ("," pair)* "}"      # a comment
    pair   ::= [a-z]+ ":" value{1,3}
    value  ::= "true" | "false" | .

Strings and classes know the escapes \\n \\r \\t \\\\ \\" \\' \\[ \\] \\- \\^ \\xhh \\uhhhh \\Uhhhhhhhh. A rule goes on
over line ends until the next `name ::=`.
"""

import re
from dataclasses import dataclass

from ..errors import ConstraintTooLarge, InvalidGrammar, shorten
from ..rules.char_set import ALL_CHARS, CharSet
from ..rules.expression import Chars, Expression, Literal, RuleRef, concat, either, repeat
from ..rules.rule_set import RuleSet

MAX_GRAMMAR_LEN = 500_000
MAX_NESTING = 100
MAX_REPEAT = 1_000_000

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n]+|\#[^\n]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_.-]*)
      | (?P<defines>::=)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<class>\[(?:[^\]\\\n]|\\.)*\])
      | (?P<count>\{[ ]*[0-9]+[ ]*(?:,[ ]*[0-9]*[ ]*)?\})
      | (?P<mark>[()|*+?.])""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|([^\\])", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"} | {mark: mark for mark in "\\\"'[]-^/"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse_ebnf(grammar: str, root: str = "root") -> RuleSet:
    """The rules of `grammar`, begun at the rule `root`; raises `InvalidGrammar` or `ConstraintTooLarge`."""
    if len(grammar) > MAX_GRAMMAR_LEN:
        raise ConstraintTooLarge("characters of EBNF grammar", MAX_GRAMMAR_LEN, len(grammar))
    return _Parser(grammar).parse(root)


class _Parser:
    def __init__(self, grammar: str) -> None:
        self.grammar = grammar
        self.tokens = self._tokens()
        self.index = 0
        self.used: dict[str, int] = {}  # rule name -> offset of its first use

    def parse(self, root: str) -> RuleSet:
        rules = RuleSet(root)
        while self._peek().kind != "end":
            name = self._expect("name", "a rule's name")
            self._expect("defines", "'::=' after the rule's name")
            if name.text in rules:
                raise self._error(f"expected each rule once, got a second {name.text!r}; rename one", name.offset)
            rules.define(name.text, self._alternatives(0))
        if root not in rules:
            raise InvalidGrammar(f"expected a rule called {root!r} to begin with, got none; add it")
        for name_text, offset in self.used.items():
            if name_text not in rules:
                raise self._error(f"expected rules that exist, got {name_text!r}; define it", offset)
        return rules

    # Structure

    def _alternatives(self, depth: int) -> Expression:
        if depth > MAX_NESTING:
            raise ConstraintTooLarge("levels of EBNF nesting", MAX_NESTING, f"more than {MAX_NESTING}")
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        return either(options)

    def _sequence(self, depth: int) -> Expression:
        parts: list[Expression] = []
        while True:
            token = self._peek()
            if token.kind in ("end", "defines") or token.text in ("|", ")"):
                return concat(*parts)
            if token.kind == "name" and self.tokens[self.index + 1].kind == "defines":
                return concat(*parts)
            parts.append(self._repeated(self._atom(depth)))

    def _atom(self, depth: int) -> Expression:
        token = self._peek()
        self.index += 1
        if token.kind == "name":
            self.used.setdefault(token.text, token.offset)
            return RuleRef(token.text)
        if token.kind == "string":
            return Literal("".join(map(chr, self._code_points(token, token.text[1:-1]))))
        if token.kind == "class":
            return Chars(self._class(token))
        if token.text == ".":
            return Chars(ALL_CHARS)
        if token.text == "(":
            inner = self._alternatives(depth + 1)
            if not self._take(")"):
                raise self._error("expected a ')' for this '(', got none", token.offset)
            return inner
        raise self._error(f"expected a string, class, name or group, got {shorten(token.text)}", token.offset)

    def _repeated(self, item: Expression) -> Expression:
        while True:
            token = self._peek()
            simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
            if token.text in simple and token.kind == "mark":
                min_count, max_count = simple[token.text]
            elif token.kind == "count":
                min_count, max_count = self._counts(token)
            else:
                return item
            self.index += 1
            item = repeat(item, min_count, max_count)

    def _counts(self, token: _Token) -> tuple[int, int | None]:
        low, comma, high = token.text[1:-1].replace(" ", "").partition(",")
        for digits in (low, high):
            if len(digits) > 9 or int(digits or "0") > MAX_REPEAT:
                raise ConstraintTooLarge("repeats in EBNF", MAX_REPEAT, digits)
        max_count = int(low) if not comma else int(high) if high else None
        if max_count is not None and max_count < int(low):
            raise self._error(f"expected repeat bounds in order, got {token.text}", token.offset)
        return int(low), max_count

    # Characters

    def _class(self, token: _Token) -> CharSet:
        content = token.text[1:-1]
        is_negated = content.startswith("^")
        content = content[1:] if is_negated else content
        is_plain_dash = [match.group(5) == "-" for match in _ESCAPED.finditer(content)]
        points = self._code_points(token, content)
        ranges: list[tuple[int, int]] = []
        index = 0
        while index < len(points):
            first = last = points[index]
            if index + 2 < len(points) and is_plain_dash[index + 1]:
                last = points[index + 2]
                index += 2
            if last < first:
                raise self._error(f"expected class ranges in order, got {token.text}", token.offset)
            ranges.append((first, last))
            index += 1
        members = CharSet.of(ranges)
        return ~members if is_negated else members

    def _code_points(self, token: _Token, content: str) -> list[int]:
        points = []
        for match in _ESCAPED.finditer(content):
            two, four, eight, simple, plain = match.groups()
            digits = two or four or eight
            if digits is not None:
                point = int(digits, 16)
            elif simple is not None:
                if simple not in _SIMPLE_ESCAPES:
                    raise self._error(f"expected a known escape, got '\\{simple}'", token.offset)
                point = ord(_SIMPLE_ESCAPES[simple])
            else:
                point = ord(plain)
            if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
                raise self._error(f"expected Unicode characters, got code point {point:#x}", token.offset)
            points.append(point)
        return points

    # Tokens

    def _tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        offset = 0
        while offset < len(self.grammar):
            match = _TOKEN.match(self.grammar, offset)
            if match is None:
                raise self._error(f"expected EBNF, got {shorten(self.grammar[offset : offset + 20])}", offset)
            if match.lastgroup != "skip":
                tokens.append(_Token(str(match.lastgroup), match.group(), offset))
            offset = match.end()
        end = _Token("end", "", len(self.grammar))
        return [*tokens, end]

    def _peek(self) -> _Token:
        return self.tokens[self.index]

    def _take(self, text: str) -> bool:
        if self._peek().kind == "mark" and self._peek().text == text:
            self.index += 1
            return True
        return False

    def _expect(self, kind: str, what: str) -> _Token:
        token = self._peek()
        if token.kind != kind:
            raise self._error(f"expected {what}, got {shorten(token.text) if token.text else 'the end'}", token.offset)
        self.index += 1
        return token

    def _error(self, reason: str, offset: int) -> InvalidGrammar:
        before = self.grammar[:offset]
        return InvalidGrammar(reason, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)
