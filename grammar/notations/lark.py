"""Lark grammars in llguidance's dialect, checked before they are handed on as they are.

    start: "{" pair ("," pair)* "}"      // a comment
    pair: WORD ":" value{1,3}
    value: "true" | "false" | /[0-9]+/
    WORD: /[a-z]+/
    %ignore /[ ]+/

The engine reads the grammar itself; what it reads so is a lexer's language: a terminal always takes the longest match.
Refused here is what would be enforced less than written, or not by us.
"""

import re

from ..errors import ConstraintTooLarge, InvalidGrammar, UnsupportedGrammar

MAX_LARK_LEN = 500_000

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"i?)
      | (?P<regex>/(?!/)(?:[^/\\\n]|\\.)+/[imslux]*)
      | (?P<directive>%[A-Za-z_]+)
      | (?P<special><[^>\n]*>)
      | (?P<nested>@[A-Za-z0-9_]+)
      | (?P<options>\[[^\]\n]*\][ \t]*:)
      | (?P<start>^start\b(?=[ \t]*[:\[]))
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_DIRECTIVES = {
    "%json": ("a nested JSON Schema", "use JsonSchema, whose keywords are audited one by one"),
    "%lark": ("a nested grammar", "write its rules into this one"),
    "%llguidance": ("options of the engine", "leave them out: they are set here"),
}
_OPTIONS = {
    "stop": "leave it out: it takes back tokens; use suffix or lazy",
    "max_tokens": "leave it out and bound the text itself, as in /.{0,80}/, or the generation",
    "temperature": "leave it out and set the temperature of the generation",
}
_OPTION_NAMES = re.compile(r"[\[,][ \t]*([a-z_]+)")
_MESSAGE = re.compile(r"(?:at )?(\d+)\((\d+)\): ([^\n]*)")


def check_lark(grammar: str) -> str:
    """`grammar`, if it is one to hand on; raises `InvalidGrammar`, `UnsupportedGrammar` or `ConstraintTooLarge`."""
    if len(grammar) > MAX_LARK_LEN:
        raise ConstraintTooLarge("characters of Lark grammar", MAX_LARK_LEN, len(grammar))
    has_start = False
    for token in _TOKEN.finditer(grammar):
        assert token.lastgroup is not None, "every alternative has a name"
        has_start |= token.lastgroup == "start"
        _check_token(grammar, token.lastgroup, token.group(), token.start())
    if not has_start:
        raise InvalidGrammar("expected a rule called 'start' to begin with, got none; add it", notation="Lark")
    return grammar


def lark_error(message: str) -> InvalidGrammar:
    """The error that llguidance's `message` about a grammar comes to."""
    found = _MESSAGE.match(message)
    if found is None:
        return InvalidGrammar(message.partition("\n")[0], notation="Lark")
    line, column, reason = found.groups()
    if reason.endswith("regex parse error:"):
        reason += " " + message.partition("error: ")[2].partition("\n")[0]
    return InvalidGrammar(reason, int(line), int(column), notation="Lark")


def _check_token(grammar: str, kind: str, text: str, offset: int) -> None:
    if kind == "other" and 0xD800 <= ord(text) <= 0xDFFF:
        raise InvalidGrammar("expected text, got a lone surrogate", *_place(grammar, offset), notation="Lark")
    if kind == "directive" and text in _DIRECTIVES:
        raise UnsupportedGrammar(*_place(grammar, offset), *_DIRECTIVES[text])
    if kind == "special":
        raise UnsupportedGrammar(
            *_place(grammar, offset), f"the special token {text}", "constrained text has none; write the text itself"
        )
    if kind == "nested":
        raise UnsupportedGrammar(*_place(grammar, offset), f"the grammar {text}", "write its rules into this one")
    if kind == "options":
        for name in _OPTION_NAMES.findall(text):
            if name in _OPTIONS:
                raise UnsupportedGrammar(*_place(grammar, offset), f"the option {name!r}", _OPTIONS[name])
    if kind in ("string", "regex", "comment") and any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise InvalidGrammar("expected text, got a lone surrogate", *_place(grammar, offset), notation="Lark")


def _place(grammar: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    return grammar.count("\n", 0, offset) + 1, offset - grammar.rfind("\n", 0, offset)
