"""Open seams: what may be written over the end of a text, against a look at every token; and the matcher on them."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar import open_seam as open_seam_module
from palmette.grammar.bitmask import allowed_token_ids
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.healed_grammar import HealedGrammar
from palmette.grammar.matcher import Matcher
from palmette.grammar.open_seam import OpenSeam, open_seam, tokens_of
from palmette.grammar.spec import Choice, Constraint, Regex
from palmette.grammar.vocabulary import Vocabulary

LETTERS = "abc "
WORDS = ("ab", "abc", "bca", " a", " ab", "caa", "bb", "  ", "c a", "abc a", "ca b", "bcabc")
VOCABULARY = Vocabulary((*(each.encode() for each in (*LETTERS, *WORDS)), b"ab", None, b""), frozenset({1 + 16}))
TEXTS = VOCABULARY.text_tokens
COMPILER = GrammarCompiler(VOCABULARY)
CONSTRAINTS: tuple[Constraint, ...] = (
    Regex("[abc ]{0,6}"),
    Regex("(bc|ca|a b){1,3}"),
    Regex("a+"),
    Choice(("c", "ca", "b", " a")),
)
tails = st.lists(st.sampled_from([i for i, text in enumerate(TEXTS) if text]), max_size=4)
constraints = st.sampled_from(CONSTRAINTS)


def legal_start(constraint: Constraint, text: bytes) -> bool:
    """Whether a text may begin so, byte by byte."""
    matcher = COMPILER.compile(constraint).new_matcher()
    return all(matcher.accept(TEXTS.index(bytes([byte]))) for byte in text)


def spanning(rest: bytes, constraint: Constraint | None, banned: set[int]) -> set[int]:
    return {
        token_id
        for token_id, text in enumerate(TEXTS)
        if text.startswith(rest) and text != rest and token_id not in banned
        if constraint is None or legal_start(constraint, text[len(rest) :])
    }


@settings(max_examples=200, deadline=None)
@given(tails, constraints | st.none(), st.sets(st.integers(0, 15), max_size=3))
def test_it_opens_as_far_back_as_a_token_spans(
    tail: list[int], constraint: Constraint | None, banned: set[int]
) -> None:
    seam = open_seam(tail, VOCABULARY, None if constraint is None else COMPILER.compile(constraint), banned)
    rests = [b"".join(TEXTS[each] for each in tail[place:]) for place in range(len(tail))]
    found = [spanning(rest, constraint, banned) for rest in rests]
    first = next((place for place, token_ids in enumerate(found) if token_ids), None)
    if first is None:
        assert seam is None
        return
    assert seam is not None
    assert list(seam.token_ids) == tail[first:]
    assert list(seam.rests) == rests[first:]
    for row, own, others in zip(seam.rows, tail[first:], found[first:], strict=True):
        assert set(allowed_token_ids(row)) == {own, *others}


def test_a_text_that_only_other_texts_go_on_from_stays_closed() -> None:
    assert open_seam(tokens_of(b"cb", VOCABULARY) or [], VOCABULARY, None, ()) is not None  # b -> bb
    assert open_seam(tokens_of(b"caa", VOCABULARY) or [], VOCABULARY, None, ()) is None
    assert open_seam([], VOCABULARY, None, ()) is None
    assert open_seam([TEXTS.index(b"a")], VOCABULARY, COMPILER.compile(Regex("c")), ()) is None


def test_how_many_tokens_are_walked_bounds_the_ways_and_not_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    grammar, tail = COMPILER.compile(Regex("bc( a)?")), [TEXTS.index(b"a")]

    def ways() -> set[bytes]:
        seam = open_seam(tail, VOCABULARY, grammar, ())
        assert seam is not None
        return {TEXTS[each] for each in allowed_token_ids(seam.rows[0])}

    assert ways() == {b"a", b"ab", b"abc", b"abc a"}
    monkeypatch.setattr(open_seam_module, "MAX_WALKED_TOKENS", 1)
    assert ways() == {b"a", b"ab", b"abc"}


@settings(deadline=None)
@given(st.text(LETTERS, max_size=12))
def test_tokens_of_a_text_are_that_text(text: str) -> None:
    token_ids = tokens_of(text.encode(), VOCABULARY)
    assert token_ids is not None
    assert b"".join(TEXTS[each] for each in token_ids).decode() == text
    assert tokens_of(text.encode() + b"?", VOCABULARY) is None


# --- the matcher


def matchers(tail: list[int], constraint: Constraint) -> tuple[OpenSeam, HealedGrammar] | None:
    inner = COMPILER.compile(constraint)
    seam = open_seam(tail, VOCABULARY, inner, ())
    return None if seam is None else (seam, HealedGrammar(inner, seam, VOCABULARY))


def mask(matcher: Matcher) -> list[int]:
    row = torch.zeros(VOCABULARY.mask_words, dtype=torch.int32)
    matcher.fill_bitmask(row)
    return allowed_token_ids(row)


def state(matcher: Matcher) -> tuple[object, ...]:
    return (
        mask(matcher),
        matcher.is_completed,
        matcher.is_terminated,
        matcher.forced_bytes(),
        matcher.num_revocable_tokens,
    )


@settings(max_examples=200, deadline=None)
@given(tails, constraints, st.data())
def test_a_walk_writes_the_text_and_then_what_the_grammar_allows(
    tail: list[int], constraint: Constraint, data: st.DataObject
) -> None:
    made = matchers(tail, constraint)
    if made is None:
        return
    seam, grammar = made
    pattern = constraint.pattern if isinstance(constraint, Regex) else "|".join(getattr(constraint, "choices"))  # noqa: B009
    matcher: Matcher = grammar.new_matcher()
    walked: list[int] = []
    for _ in range(data.draw(st.integers(0, 14))):
        move = data.draw(st.sampled_from(["accept", "accept", "accept", "back", "fork", "wrong"]))
        if move == "fork":
            twin = matcher.fork()
            for token_id in mask(matcher)[:1]:
                matcher.accept(token_id)
            matcher = twin
        elif move == "back":
            num_tokens = data.draw(st.integers(0, len(walked)))
            matcher.rollback(num_tokens)
            del walked[len(walked) - num_tokens :]
        else:
            allowed = [each for each in mask(matcher) if each not in VOCABULARY.stop_token_ids]
            token_id = data.draw(
                st.integers(0, VOCABULARY.vocab_size + 3) if move == "wrong" else st.sampled_from([*allowed, -1])
            )
            assert matcher.accept(token_id) == (token_id in allowed)
            walked += [token_id] if token_id in allowed else []
        fresh = grammar.new_matcher()
        assert all(fresh.accept(token_id) for token_id in walked)
        assert state(matcher) == state(fresh)
        text, rest = b"".join(TEXTS[each] for each in walked), seam.rests[0]
        if len(text) < len(rest):
            assert rest.startswith(text)
            assert matcher.forced_bytes().startswith(rest[len(text) :])
            assert not matcher.is_completed
            assert VOCABULARY.stop_token_ids.isdisjoint(mask(matcher))
        else:
            assert text.startswith(rest)
            assert legal_start(constraint, text[len(rest) :])
            assert matcher.is_completed == bool(re.fullmatch(pattern, text[len(rest) :].decode()))
    with pytest.raises(ValueError, match="num_tokens"):
        matcher.rollback(len(walked) + 1)


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=str)
def test_every_first_token_can_be_taken_back(constraint: Constraint) -> None:
    num_walked = 0
    for tail in [TEXTS.index(b"a")], [TEXTS.index(b"c"), TEXTS.index(b"a")], [TEXTS.index(b"c")]:
        made = matchers(tail, constraint)
        for first in mask(made[1].new_matcher()) if made else ():
            assert made is not None
            matcher = made[1].new_matcher()
            assert matcher.accept(first)
            num_walked += len(TEXTS[first]) > len(made[0].rests[0]) + 1
            matcher.rollback(1)
            for token_id in made[0].token_ids:
                assert matcher.accept(token_id)
            assert state(matcher) == state(COMPILER.compile(constraint).new_matcher())
    assert num_walked or constraint == Regex("a+")


@pytest.mark.parametrize(("way", "inner_way"), [((b"abc",), (b"b", b"c")), ((b"a", b"b"), (b"b",)), ((b"a",), ())])
def test_past_the_seam_it_is_the_grammar(way: tuple[bytes, ...], inner_way: tuple[bytes, ...]) -> None:
    constraint = Regex("bc( a)?")
    made = matchers([TEXTS.index(b"a")], constraint)
    assert made is not None
    matcher, inner = made[1].new_matcher(), COMPILER.compile(constraint).new_matcher()
    assert all(matcher.accept(TEXTS.index(text)) for text in way)
    assert all(inner.accept(TEXTS.index(text)) for text in inner_way)
    assert state(matcher) == state(inner)
    assert (made[1].engine, made[1].reason) == (
        COMPILER.compile(constraint).engine,
        COMPILER.compile(constraint).reason,
    )
    assert made[1].num_bytes > COMPILER.compile(constraint).num_bytes
