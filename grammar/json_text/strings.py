"""Strings as JSON text: quoting, escapes, and the string forms of patterns and of all keys but some."""

import json
from collections.abc import Iterable
from functools import lru_cache

from ..errors import ConstraintTooLarge
from ..rules.char_set import ALL_CHARS, CharSet
from ..rules.expression import (
    EMPTY,
    NOTHING,
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
from ..rules.rule_set import RuleSet

MAX_EXCLUDED_LEN = 2_000
BLOCK_LEN = 32
MAX_ESCAPES_BESIDE = 4

_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN = ALL_CHARS - CharSet.of([(0, 0x1F)]) - CharSet.from_text('"\\')
_QUOTE = Literal('"')


def _hex(members: str) -> Expression:
    return Chars(CharSet.from_text(members))


def any_escape() -> Expression:
    r"""What may stand after a backslash: one of `"\\/bfnrt`, `u` with four hex digits, or a pair of surrogates."""
    digit = _hex("0123456789abcdefABCDEF")
    two, three = Repeat(digit, 2, 2), Repeat(digit, 3, 3)
    outside = concat(_hex("0123456789abcefABCEF"), three)
    below = concat(_hex("dD"), _hex("01234567"), two)
    pair = concat(_hex("dD"), _hex("89abAB"), two, Literal("\\u"), _hex("dD"), _hex("cdefCDEF"), two)
    return either([_hex('"\\/bfnrt'), concat(Literal("u"), either([outside, below, pair]))])


def any_string(rules: RuleSet, min_len: int = 0, max_len: int | None = None) -> Expression:
    r"""A quoted string of `min_len` to `max_len` characters, each in any of its spellings; shares rules by name.

    The text and its closing quote are one rule that ends by calling itself,

        text  ::=  "\"" | plain text | "\\" escape text

    so that an engine which precomputes masks rule by rule knows at once of nearly every token whether it fits. A
    repeat of a rule for one character makes it try thousands of tokens at each step (57 ms against 0.03 ms a mask
    at 32 k tokens). Bounded strings are such rules too, one for each number of characters left.
    """
    expression, shared = _string_rules(min_len, max_len)
    rules.include(shared)
    return expression


@lru_cache(maxsize=256)
def _string_rules(min_len: int, max_len: int | None) -> tuple[Expression, RuleSet]:
    """The expression of a string, and the rules it names; made once, since many schemas need the same."""
    rules = RuleSet("")
    if min_len < BLOCK_LEN:
        return concat(_QUOTE, _text(rules, min_len, max_len)), rules
    character = either([Chars(_PLAIN), concat(Literal("\\"), _escape_rule(rules))])
    return quoted(repeat(character, min_len, max_len)), rules


def _text(rules: RuleSet, min_len: int, max_len: int | None) -> Expression:
    """What follows the opening quote: `min_len` < 32 to `max_len` characters and the quote.

    More than 32 are counted in blocks: fewer than one block, or some blocks and fewer than one more, or all the
    blocks and what is left over.
    """
    if max_len is None or max_len < BLOCK_LEN:
        return _short_text(rules, min_len, max_len)
    num_blocks, rest_len = divmod(max_len, BLOCK_LEN)
    block = _block(rules, BLOCK_LEN)
    some = concat(repeat(block, 1, num_blocks - 1), _short_text(rules, 0, BLOCK_LEN - 1))
    full = concat(repeat(block, num_blocks, num_blocks), _short_text(rules, 0, rest_len))
    return either([_short_text(rules, min_len, BLOCK_LEN - 1), some, full])


def _short_text(rules: RuleSet, min_len: int, max_len: int | None) -> RuleRef:
    """The rule of up to 31 characters (None: any number) and the quote: one rule for each number left."""
    name = f"text-{min_len}-{'any' if max_len is None else max_len}"
    if name not in rules:
        options: list[Expression] = [_QUOTE] if min_len == 0 else []
        if max_len is None and min_len == 0:
            options.append(_then(rules, RuleRef(name)))
        elif max_len != 0:
            fewer = None if max_len is None else max_len - 1
            options.append(_then(rules, _short_text(rules, max(0, min_len - 1), fewer)))
        rules.define(name, either(options))
    return RuleRef(name)


def _block(rules: RuleSet, num_chars: int) -> Expression:
    """The rule of exactly that many characters."""
    if num_chars == 0:
        return EMPTY
    name = f"block-{num_chars}"
    if name not in rules:
        rules.define(name, _then(rules, _block(rules, num_chars - 1)))
    return RuleRef(name)


def _then(rules: RuleSet, rest: Expression) -> Expression:
    """One character, then `rest`."""
    return either([concat(Chars(_PLAIN), rest), concat(Literal("\\"), _escape_rule(rules), rest)])


def _escape_rule(rules: RuleSet) -> RuleRef:
    return RuleRef("escape") if "escape" in rules else rules.define("escape", any_escape())


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
            return spelled_class(members)
        case Concat(parts):
            return concat(*map(spelled, parts))
        case Either(options):
            return either(map(spelled, options))
        case Repeat(item, min_count, max_count):
            return repeat(spelled(item), min_count, max_count)
        case RuleRef(name):
            raise AssertionError(f"spelled: expected an expression over characters, got the rule {name!r}")


@lru_cache(maxsize=1024)
def spelled_class(members: CharSet) -> Expression:
    """One character of `members` as it is written inside a JSON string."""
    plain = members & _PLAIN
    options: list[Expression] = [Chars(plain)] if plain else []
    for code_point in (*range(0x20), ord('"'), ord("\\")):
        character = chr(code_point)
        if character in members:
            options.append(Literal(_SHORT_ESCAPES.get(character, f"\\u{code_point:04x}")))
    return either(options)


def spelled_rule(rules: RuleSet, members: CharSet) -> Expression:
    """The same as `spelled_class`, with many escapes as one rule that other places share."""
    plain, special = _parted(members)
    if sum(last - first + 1 for first, last in special.ranges) <= MAX_ESCAPES_BESIDE:
        return spelled_class(members)
    name = f"escapes {special.ranges}"
    if name not in rules:
        rules.define(name, spelled_class(special), is_sealed=True)
    return either([Chars(plain) if plain else NOTHING, RuleRef(name)])


@lru_cache(maxsize=1024)
def _parted(members: CharSet) -> tuple[CharSet, CharSet]:
    return members & _PLAIN, members - _PLAIN


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
    escape = rules.define(f"{name}-escape", spelled_class(ALL_CHARS - _PLAIN))
    free = RuleRef(f"{name}-free")
    rules.define(free.name, either([_QUOTE, concat(Chars(_PLAIN), free), concat(escape, free)]))
    for prefix, followers in children.items():
        taken = CharSet.from_text("".join(followers))
        others = either([Chars(_PLAIN - taken), escape]) if taken & _PLAIN == taken else spelled_class(~taken)
        options: list[Expression] = [] if prefix in keys else [_QUOTE]
        options.append(concat(others, free))
        options += [
            concat(Literal(quoted_literal(character)[1:-1]), RuleRef(prefixes[prefix + character]))
            for character in sorted(followers)
        ]
        rules.define(prefixes[prefix], either(options))
    return rules.define(name, concat(_QUOTE, RuleRef(prefixes[""])))
