"""Strings as JSON text: quoting, escapes, and the string forms of patterns and of all keys but some."""

import json
from collections.abc import Iterable

from .char_set import ALL_CHARS, CharSet
from .errors import ConstraintTooLarge
from .expression import (
    Chars,
    Concat,
    Either,
    Expression,
    Literal,
    Repeat,
    RuleRef,
    concat,
    either,
    repeat,
)
from .rules import RuleSet

MAX_EXCLUDED_LEN = 2_000

_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN = ALL_CHARS - CharSet.of([(0, 0x1F)]) - CharSet.from_text('"\\')
_QUOTE = Literal('"')


def _hex(members: str) -> Expression:
    return Chars(CharSet.from_text(members))


def any_character() -> Expression:
    r"""One character of a string in any of its spellings: itself, `\n`, `\u00e9`, or a pair of surrogates."""
    digit = _hex("0123456789abcdefABCDEF")
    two, three = Repeat(digit, 2, 2), Repeat(digit, 3, 3)
    single = either(
        [
            concat(_hex("0123456789abcefABCEF"), three),
            concat(_hex("dD"), _hex("01234567"), two),
        ]
    )
    pair = concat(_hex("dD"), _hex("89abAB"), two, Literal("\\u"), _hex("dD"), _hex("cdefCDEF"), two)
    escape = either([_hex('"\\/bfnrt'), concat(Literal("u"), either([single, pair]))])
    return either([Chars(_PLAIN), concat(Literal("\\"), escape)])


def quoted(content: Expression) -> Expression:
    """`content` between quotes."""
    return concat(_QUOTE, content, _QUOTE)


def quoted_literal(text: str) -> str:
    """`text` as one JSON string, other alphabets as themselves."""
    return json.dumps(text, ensure_ascii=False)


def spelled(expression: Expression) -> Expression:
    """What `expression`, an expression over characters, looks like inside a JSON string.

    Characters are written as themselves; those JSON does not allow so, by their escape.
    """
    match expression:
        case Literal(text):
            return Literal(quoted_literal(text)[1:-1])
        case Chars(members):
            return _spelled_class(members)
        case Concat(parts):
            return concat(*map(spelled, parts))
        case Either(options):
            return either(map(spelled, options))
        case Repeat(item, min_count, max_count):
            return repeat(spelled(item), min_count, max_count)
        case RuleRef(name):
            raise AssertionError(f"spelled: expected an expression over characters, got the rule {name!r}")


def _spelled_class(members: CharSet) -> Expression:
    plain = members & _PLAIN
    options: list[Expression] = [Chars(plain)] if plain else []
    for code_point in (*range(0x20), ord('"'), ord("\\")):
        character = chr(code_point)
        if character in members:
            options.append(Literal(_SHORT_ESCAPES.get(character, f"\\u{code_point:04x}")))
    return either(options)


def define_other_key(rules: RuleSet, name: str, excluded: Iterable[str]) -> RuleRef:
    """Define the rule `name`: a quoted string, characters as themselves, that is none of `excluded`.

    One rule for each beginning of an excluded key:

        start --c in children--> node --c in children--> node ...     a node that is no key may end here
          |                        |
          +-- any other c ---------+----> anything                    a text that left the trie is free
    """
    keys = set(excluded)
    total_len = sum(map(len, keys))
    if total_len > MAX_EXCLUDED_LEN:
        raise ConstraintTooLarge("characters of property names beside additional ones", MAX_EXCLUDED_LEN, total_len)
    children: dict[str, set[str]] = {"": set()}
    for key in keys:
        for index, character in enumerate(key):
            children.setdefault(key[:index], set()).add(character)
            children.setdefault(key[: index + 1], set())
    prefixes = {prefix: f"{name}-{number}" for number, prefix in enumerate(children)}
    escape = rules.define(f"{name}-escape", _spelled_class(ALL_CHARS - _PLAIN))
    any_char = either([Chars(_PLAIN), escape])
    free = rules.define(f"{name}-free", concat(Repeat(any_char, 0, None), _QUOTE))
    for prefix, followers in children.items():
        taken = CharSet.from_text("".join(followers))
        others = either([Chars(_PLAIN - taken), escape]) if taken & _PLAIN == taken else _spelled_class(~taken)
        options: list[Expression] = [] if prefix in keys else [_QUOTE]
        options.append(concat(others, free))
        options += [
            concat(Literal(quoted_literal(character)[1:-1]), RuleRef(prefixes[prefix + character]))
            for character in sorted(followers)
        ]
        rules.define(prefixes[prefix], either(options))
    return rules.define(name, concat(_QUOTE, RuleRef(prefixes[""])))
