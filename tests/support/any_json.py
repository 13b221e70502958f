"""AnyJson: a slow, obvious compiled grammar of all JSON (compact, or with white space), to stand below guards."""

import json
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from palmette.grammar.bitmask import pack_row
from palmette.grammar.vocabulary import Vocabulary

_DIGITS = frozenset("0123456789")
_NUMBER_MOVES = {  # by the kind of what was read last: what may follow, and the kind it then is
    "-": {"0": "0", "1-9": "i"},
    "0": {".": ".", "e": "e"},
    "i": {"0": "i", "1-9": "i", ".": ".", "e": "e"},
    ".": {"0": "f", "1-9": "f"},
    "f": {"0": "f", "1-9": "f", "e": "e"},
    "e": {"0": "x", "1-9": "x", "+-": "s"},
    "s": {"0": "x", "1-9": "x"},
    "x": {"0": "x", "1-9": "x"},
}
_WHOLE_NUMBERS = frozenset("0ifx")


def is_json_prefix(text: bytes, *, has_space: bool = False) -> str | None:
    """`whole` or `open` for what some JSON document begins with, None for other bytes."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        if error.end < len(text) or error.reason != "unexpected end of data":
            return None
        decoded = text[: error.start].decode()
        if not decoded or _Prefix(decoded + "é", has_space).outcome() is None:
            return None
        return "open"
    return _Prefix(decoded, has_space).outcome()


class _Cut(Exception):
    """The text ends inside a value."""


class _Wrong(Exception):
    """The text is not JSON."""


class _Prefix:
    def __init__(self, text: str, has_space: bool) -> None:
        self.text = text
        self.at = 0
        self.has_space = has_space

    def outcome(self) -> str | None:
        try:
            self.value()
        except _Cut:
            return "open"
        except _Wrong:
            return None
        return "whole" if self.at == len(self.text) else None

    def peek(self) -> str:
        if self.at >= len(self.text):
            raise _Cut
        return self.text[self.at]

    def space(self) -> None:
        while self.has_space and self.peek() in " \n":
            self.at += 1

    def expect(self, literal: str) -> None:
        for character in literal:
            if self.peek() != character:
                raise _Wrong
            self.at += 1

    def value(self) -> None:
        first = self.peek()
        if first == '"':
            self.string()
        elif first == "{":
            self.container("}", self.member)
        elif first == "[":
            self.container("]", self.value)
        elif first in "tfn":
            self.expect({"t": "true", "f": "false", "n": "null"}[first])
        else:
            self.number()

    def container(self, closer: str, part: "object") -> None:
        assert callable(part)
        self.at += 1
        self.space()
        if self.peek() == closer:
            self.at += 1
            return
        while True:
            part()
            self.space()
            if self.peek() == closer:
                self.at += 1
                return
            self.expect(",")
            self.space()

    def member(self) -> None:
        self.string()
        self.space()
        self.expect(":")
        self.space()
        self.value()

    def string(self) -> None:
        self.expect('"')
        while (character := self.peek()) != '"':
            self.at += 1
            if ord(character) < 0x20:
                raise _Wrong
            if character == "\\":
                escape = self.peek()
                self.at += 1
                if escape == "u":
                    for _ in range(4):
                        if self.peek() not in "0123456789abcdefABCDEF":
                            raise _Wrong
                        self.at += 1
                elif escape not in '"\\/bfnrt':
                    raise _Wrong
        self.at += 1

    def number(self) -> None:
        character = self.peek()
        kind = "-" if character == "-" else "0" if character == "0" else "i"
        if kind == "i" and character not in _DIGITS:
            raise _Wrong
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            name = "0" if character == "0" else "1-9" if character in _DIGITS else character
            name = {"E": "e", "+": "+-", "-": "+-"}.get(name, name)
            if name not in _NUMBER_MOVES[kind]:
                break
            kind = _NUMBER_MOVES[kind][name]
            self.at += 1
        if kind == "x" and len(re.split("[eE]", self.text[: self.at])[-1]) > 3:
            raise _Wrong
        if kind not in _WHOLE_NUMBERS:
            raise _Cut if self.at == len(self.text) else _Wrong


@dataclass(frozen=True)
class AnyJson:
    """A compiled grammar: documents of at most `max_len` bytes, exponents of a few digits."""

    vocabulary: Vocabulary
    max_len: int = 200
    has_space: bool = False

    def new_matcher(self) -> "AnyJsonMatcher":
        """At the beginning."""
        return AnyJsonMatcher(self, [b""])


class AnyJsonMatcher:
    """A `Matcher` that asks `is_json_prefix` of every token."""

    def __init__(self, grammar: AnyJson, texts: list[bytes]) -> None:
        self.grammar = grammar
        self.texts = texts

    def outcome(self, text: bytes) -> str | None:
        """Of the whole text."""
        return is_json_prefix(text, has_space=self.grammar.has_space) if len(text) <= self.grammar.max_len else None

    def fill_bitmask(self, row: Tensor) -> bool:
        """See `Matcher`."""
        vocabulary, text = self.grammar.vocabulary, self.texts[-1]
        allowed = [i for i, token in enumerate(vocabulary.text_tokens) if token and self.outcome(text + token)]
        if self.is_completed:
            allowed += vocabulary.stop_token_ids
        row.copy_(pack_row(allowed, vocabulary.mask_words))
        return len(allowed) < vocabulary.vocab_size

    def accept(self, token_id: int) -> bool:
        """See `Matcher`."""
        token = self.grammar.vocabulary.text_tokens[token_id]
        if not token or not self.outcome(self.texts[-1] + token):
            return False
        self.texts.append(self.texts[-1] + token)
        return True

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        if num_tokens:
            del self.texts[-num_tokens:]

    def fork(self) -> "AnyJsonMatcher":
        """See `Matcher`."""
        return AnyJsonMatcher(self.grammar, list(self.texts))

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return self.outcome(self.texts[-1]) == "whole"

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`."""
        row = torch.zeros(self.grammar.vocabulary.mask_words, dtype=torch.int32)
        if not self.is_completed:
            return False
        self.fill_bitmask(row)
        return bool((row == pack_row(self.grammar.vocabulary.stop_token_ids, len(row))).all())

    def forced_bytes(self) -> bytes:
        """See `Matcher`; nothing is forced."""
        return b""

    @property
    def num_revocable_tokens(self) -> int:
        """See `Matcher`."""
        return 0


def dump(value: object) -> bytes:
    """Compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
