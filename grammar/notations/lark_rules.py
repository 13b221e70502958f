"""Lark grammars read into rules, for where they stand inside a larger text and an engine cannot read them itself.

    start: "{" pair ("," pair)* "}"      // a comment
    pair: WORD ":" value~1..3
    value: "true" | "false" | /[0-9]+/ | "a".."f"
    WORD: /[a-z]+/

Read so is the grammar's language over characters, as Lark's own Earley parser has it: a terminal may end wherever its
pattern lets it. What needs a lexer (`%ignore`, priorities, laziness) is refused, as are templates and imports.
"""

import json
import re
from dataclasses import dataclass

from ..errors import ConstraintTooLarge, InvalidGrammar, UnsupportedGrammar, shorten
from ..rules.char_set import CharSet
from ..rules.expression import Chars, Expression, Literal, RuleRef, concat, either, optional, repeat
from ..rules.rule_set import RuleSet
from .regex import parse_regex
from .regex_dialect import Dialect

MAX_LARK_LEN = 500_000
MAX_NESTING = 100
MAX_REPEAT = 1_000_000

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n]+|//[^\n]*|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"i?)
      | (?P<regex>/(?!/)(?:[^/\\\n]|\\.)+/[a-z]*)
      | (?P<defines>[?!]?[A-Za-z_][A-Za-z0-9_]*[ \t]*:)
      | (?P<alias>->[ \t]*[A-Za-z_][A-Za-z0-9_]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<count>~[ ]*[0-9]+(?:[ ]*\.\.[ ]*[0-9]+)?|\{[ ]*[0-9]*[ ]*(?:,[ ]*[0-9]*[ ]*)?\})
      | (?P<range>\.\.)
      | (?P<mark>[()\[\]|*+?])""",
    re.VERBOSE,
)
_NUMBERS = re.compile("[0-9]+")
_SIMPLE: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse_lark(grammar: str) -> RuleSet:
    """The rules of `grammar`, begun at `start`; raises `InvalidGrammar`, `UnsupportedGrammar`, `ConstraintTooLarge`
    and what its regular expressions raise."""
    if len(grammar) > MAX_LARK_LEN:
        raise ConstraintTooLarge("characters of Lark grammar", MAX_LARK_LEN, len(grammar))
    return _Parser(grammar).parse()


class _Parser:
    def __init__(self, grammar: str) -> None:
        self.grammar = grammar
        self.tokens = self._tokens()
        self.index = 0
        self.used: dict[str, int] = {}  # rule name -> offset of its first use

    def parse(self) -> RuleSet:
        rules = RuleSet("start")
        while self._peek().kind != "end":
            token = self._next()
            if token.kind != "defines":
                raise self._error(f"expected a rule's name and ':', got {shorten(token.text)}", token.offset)
            name = token.text.rstrip(" \t:").lstrip("?!")
            if name in rules:
                raise self._error(f"expected each rule once, got a second {name!r}; rename one", token.offset)
            rules.define(name, self._alternatives(0))
        if "start" not in rules:
            raise InvalidGrammar("expected a rule called 'start' to begin with, got none; add it", notation="Lark")
        for name, offset in self.used.items():
            if name not in rules:
                raise self._error(f"expected rules that exist, got {name!r}; define it", offset)
        return rules

    def _alternatives(self, depth: int) -> Expression:
        if depth > MAX_NESTING:
            raise ConstraintTooLarge("levels of Lark nesting", MAX_NESTING, f"more than {MAX_NESTING}")
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        return either(options)

    def _sequence(self, depth: int) -> Expression:
        parts: list[Expression] = []
        while self._peek().kind not in ("end", "defines") and self._peek().text not in ("|", ")", "]"):
            if self._peek().kind == "alias":  # the name of a branch of the tree, which nobody builds
                self._next()
                continue
            parts.append(self._repeated(self._atom(depth)))
        return concat(*parts)

    def _atom(self, depth: int) -> Expression:
        token = self._next()
        match token.kind, token.text:
            case "name", name:
                self.used.setdefault(name, token.offset)
                return RuleRef(name)
            case "string", _ if self._peek().kind == "range":
                return self._range(token)
            case "string", text:
                return self._string(token) if text.endswith('"') else _in_any_case(self._text(token))
            case "regex", text:
                pattern, _, flags = text[1:].rpartition("/")
                if flags:
                    raise UnsupportedGrammar(
                        *self._place(token.offset), f"the flags {flags!r}", "write the expression out"
                    )
                return parse_regex(pattern.replace("\\/", "/"), Dialect.SHARED)
            case "mark", "(" | "[":
                inner = self._alternatives(depth + 1)
                closing = ")" if token.text == "(" else "]"
                if not self._take(closing):
                    raise self._error(f"expected a {closing!r} for this {token.text!r}, got none", token.offset)
                return inner if closing == ")" else optional(inner)
            case _:
                raise self._error(f"expected a string, regex, name or group, got {shorten(token.text)}", token.offset)

    def _string(self, token: _Token) -> Expression:
        return Literal(self._text(token))

    def _text(self, token: _Token) -> str:
        written = token.text.removesuffix("i")
        try:
            text: str = json.loads(written)
        except ValueError as error:
            raise InvalidGrammar(
                f"expected a string in JSON's escapes, got {shorten(written)}", notation="Lark"
            ) from error
        if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
            raise self._error("expected text, got a lone surrogate", token.offset)
        return text

    def _range(self, token: _Token) -> Expression:
        self._next()
        other = self._next()
        ends = [self._text(end) for end in (token, other) if end.kind == "string"]
        if len(ends) < 2 or any(len(end) != 1 for end in ends) or ends[0] > ends[1]:
            raise self._error('expected a range of two characters in order, such as "a".."z"', token.offset)
        return Chars(CharSet.of([(ord(ends[0]), ord(ends[1]))]))

    def _repeated(self, item: Expression) -> Expression:
        while True:
            token = self._peek()
            if token.kind == "mark" and token.text in _SIMPLE:
                min_count, max_count = _SIMPLE[token.text]
            elif token.kind == "count":
                min_count, max_count = self._counts(token)
            else:
                return item
            self._next()
            item = repeat(item, min_count, max_count)

    def _counts(self, token: _Token) -> tuple[int, int | None]:
        """`~2`, `~2..3`, `{2}`, `{2,}`, `{,3}` and `{2,3}`."""
        numbers = _NUMBERS.findall(token.text)
        if any(len(number) > 9 or int(number) > MAX_REPEAT for number in numbers):
            raise ConstraintTooLarge("repeats in Lark", MAX_REPEAT, token.text)
        low, comma, high = token.text.strip("~{} ").replace("..", ",").partition(",")
        min_count = int(low.strip() or "0")
        max_count = min_count if not comma else int(high) if high.strip() else None
        if not numbers or (max_count is not None and max_count < min_count):
            raise self._error(f"expected repeat bounds in order, got {token.text}", token.offset)
        return min_count, max_count

    # Tokens

    def _tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        offset = 0
        while offset < len(self.grammar):
            match = _TOKEN.match(self.grammar, offset)
            if match is None:
                rest = self.grammar[offset:].partition("\n")[0]
                hint = "inside a larger text a lexer has no place"
                raise UnsupportedGrammar(*self._place(offset), shorten(rest, 40), hint)
            if match.lastgroup != "skip":
                tokens.append(_Token(str(match.lastgroup), match.group(), offset))
            offset = match.end()
        return [*tokens, _Token("end", "", len(self.grammar))]

    def _peek(self) -> _Token:
        return self.tokens[self.index]

    def _next(self) -> _Token:
        token = self.tokens[self.index]
        self.index += token.kind != "end"
        return token

    def _take(self, text: str) -> bool:
        is_there = self._peek().kind == "mark" and self._peek().text == text
        self.index += is_there
        return is_there

    def _error(self, reason: str, offset: int) -> InvalidGrammar:
        return InvalidGrammar(reason, *self._place(offset), notation="Lark")

    def _place(self, offset: int) -> tuple[int, int]:
        before = self.grammar[:offset]
        return before.count("\n") + 1, offset - before.rfind("\n")


def _in_any_case(text: str) -> Expression:
    return concat(*(Chars(CharSet.from_text(character.lower() + character.upper())) for character in text))
