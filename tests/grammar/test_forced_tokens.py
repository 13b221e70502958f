"""Forced tokens: every legal continuation, tokenised canonically, begins with them."""

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.bitmask import allowed_token_ids
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.forced_tokens import forced_tokens
from palmette.grammar.spec import Choice, Constraint, Ebnf, JsonSchema, Regex
from palmette.grammar.vocabulary import Vocabulary

_MERGES = [
    ("b", "c"), ("a", "b"), ("x", "a"), ('"', ":"), (" ", '"'), ("n", "a"), ("na", "m"), ("nam", "e"), ('"', "name"),
    ("{", '"'), ("c", "c"), ("bc", "a"), ('":', ' "'), (",", " "), ("a", "a"), ("aa", "aa"), ("ab", "ab"),
]  # fmt: skip
_TOKENS = [*(bytes([byte]) for byte in range(256)), *((left + right).encode() for left, right in _MERGES), None]
_VOCABULARY = Vocabulary(tuple(_TOKENS), frozenset({len(_TOKENS) - 1}))
_RANKS = {(left.encode(), right.encode()): rank for rank, (left, right) in enumerate(_MERGES)}
_IDS = {token: token_id for token_id, token in enumerate(_TOKENS) if token is not None}
_COMPILER = GrammarCompiler(_VOCABULARY)


def tokenize(text: str) -> list[int]:
    """Byte-pair encoding by its definition: the pair of the lowest rank is joined, the leftmost first."""
    parts = [bytes([byte]) for byte in text.encode()]
    while True:
        pairs = [(_RANKS[pair], index) for index, pair in enumerate(pairwise(parts)) if pair in _RANKS]
        if not pairs:
            return [_IDS[part] for part in parts]
        _, index = min(pairs)
        parts[index : index + 2] = [parts[index] + parts[index + 1]]


_PIECES = ["ab", "abc", "xabc", "xab", "x", "c", "aaaa", "name", '{"name": "', '": "', ", ", "é", "(", "bca"]
_OBJECT = '{"type":"object","properties":{"name":{"type":"string"},"cc":{"type":"integer"}},"required":["name"]}'
_SOME_PIECES = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=4)
_CONSTRAINTS: st.SearchStrategy[Constraint] = st.one_of(
    st.lists(_SOME_PIECES.map("".join), min_size=1, max_size=3, unique=True).map(lambda texts: Choice(tuple(texts))),
    _SOME_PIECES.map(lambda parts: Ebnf(f"root ::= {' '.join(map(json.dumps, parts))} ([abcx]* | root)")),
    st.sampled_from([Regex("xab(c|y)*"), Regex("(aaaa)+b"), Regex("ab{3,9}c"), JsonSchema(_OBJECT)]),
)


@settings(max_examples=150, deadline=None)
@given(_CONSTRAINTS, st.integers(0, 6), st.integers(0, 3), st.randoms(use_true_random=False))
def test_every_continuation_begins_with_them(
    constraint: Constraint, num_before: int, num_recent: int, rng: random.Random
) -> None:
    matcher = _COMPILER.compile(constraint).new_matcher()
    before: list[int] = []
    for _ in range(num_before):
        if not _step(matcher, before, rng):
            break
    canonical = tokenize(_text(before).decode(errors="ignore"))
    if canonical != before:  # what follows a text that is not written canonically has no canonical form
        return
    forced = forced_tokens(matcher, before[-num_recent:] if num_recent else [], _VOCABULARY, tokenize)
    assert matcher.forced_bytes().startswith(_text(forced))
    for _ in range(10):
        walker, path = matcher.fork(), list(before)
        while len(_text(path)) < 60 and _step(walker, path, rng):
            pass
        whole = tokenize(_text(path).decode(errors="ignore"))
        if whole[: len(before)] == before:  # otherwise the seam itself would have been written in another way
            assert whole[len(before) : len(before) + len(forced)] == forced[: len(whole) - len(before)]


def _step(matcher: object, path: list[int], rng: random.Random) -> bool:
    import torch

    row = torch.zeros(_VOCABULARY.mask_words, dtype=torch.int32)
    matcher.fill_bitmask(row)  # type: ignore[attr-defined]
    allowed = [token_id for token_id in allowed_token_ids(row) if token_id not in _VOCABULARY.stop_token_ids]
    if not allowed or (matcher.is_completed and rng.random() < 0.2):  # type: ignore[attr-defined]
        return False
    path.append(rng.choice(allowed))
    assert matcher.accept(path[-1])  # type: ignore[attr-defined]
    return True


def _text(token_ids: list[int]) -> bytes:
    return b"".join(_VOCABULARY.text_tokens[token_id] for token_id in token_ids)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (Choice(("ab", "xabc")), []),
        (Regex("ab[xy]+"), ["ab"]),
        (Regex("ab[cy]+"), []),  # `abc` is a, bc
        (Regex("xab[cy]+"), []),  # `xabc` is xa, bc, though `xab` is x, ab
        (Regex("aaaa[a-b]+"), []),  # `aaaab` is aa, a, ab
        (Regex("aaaa[x-y]+"), ["aaaa"]),
        (Regex("aaa[a-b]+"), []),
        (JsonSchema('{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}'), ["{", '"name']),
        (Regex("[éè]x+"), []),
    ],
)
def test_the_tail_is_left_off(constraint: Constraint, expected: list[str]) -> None:
    matcher = _COMPILER.compile(constraint).new_matcher()
    forced = forced_tokens(matcher, [], _VOCABULARY, tokenize)
    assert [_VOCABULARY.text_tokens[token_id].decode() for token_id in forced] == expected


def test_nothing_is_forced_at_an_end() -> None:
    matcher = _COMPILER.compile(Choice(("ab", "abc"))).new_matcher()
    assert matcher.accept(_IDS[b"ab"])
    assert forced_tokens(matcher, [_IDS[b"ab"]], _VOCABULARY, tokenize) == []


def test_the_text_before_decides_how_it_is_written() -> None:
    """After `{` alone a tokenizer may write `"` in another way than at the beginning of a text."""

    def contextual(text: str) -> list[int]:
        return (
            [token_id for word in text.split("|") for token_id in tokenize(word)] if text[:1] == "|" else tokenize(text)
        )

    matcher = _COMPILER.compile(Regex("cab[xy]+")).new_matcher()
    assert matcher.accept(_IDS[b"c"])
    assert forced_tokens(matcher, [_IDS[b"c"]], _VOCABULARY, contextual) == [_IDS[b"ab"]]


def test_nothing_is_forced_in_the_middle_of_a_character() -> None:
    """The bytes that finish it are no text; what follows them must not be taken for what comes next."""
    matcher = _COMPILER.compile(Choice(("xµname", "xéab"))).new_matcher()
    half = [_IDS[b"x"], _IDS["µ".encode()[:1]]]
    assert all(map(matcher.accept, half))
    assert matcher.forced_bytes() == "µ".encode()[1:] + b"name"
    assert forced_tokens(matcher, half, _VOCABULARY, tokenize) == []
