"""Every engine behind the `Matcher` port: what its masks, rollback, forks and ends really do."""

import dataclasses
import random
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.engines.engine_set import EngineSet
from palmette.grammar.errors import UnsatisfiableConstraint
from palmette.grammar.front import prepare
from palmette.grammar.matcher import CompiledGrammar, EngineName, Matcher
from palmette.grammar.spec import Choice, Constraint, Ebnf, JsonSchema, Regex
from palmette.grammar.vocabulary import Vocabulary

CONSTRAINTS: list[Constraint] = [
    Regex(r"\d+"),
    Regex(r"(ab|a)*c?é"),
    Ebnf('root ::= "(" root ")" | "ab" | [a-c]{2,4}'),
    JsonSchema('{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}', "compact"),
    JsonSchema("{}"),
    Choice(("cat", "cattle", "dog")),
]
ENGINES: list[EngineName] = ["llguidance", "xgrammar"]


@cache
def _engines(vocabulary: Vocabulary) -> EngineSet:
    return EngineSet(vocabulary)


@cache
def _compiled(vocabulary: Vocabulary, constraint: Constraint, engine: EngineName) -> CompiledGrammar:
    """Compiled by `engine`; choices always by our own."""
    choice = prepare(constraint).choice
    if choice.engine != "automaton":
        choice = dataclasses.replace(choice, engine=engine)
    return _engines(vocabulary).compile(choice)


def _advance(walker, matcher: Matcher, rng: random.Random, num_tokens: int) -> list[int]:
    path: list[int] = []
    for _ in range(num_tokens):
        allowed = [i for i in walker.mask(matcher) if i not in walker.vocabulary.stop_token_ids]
        if not allowed:
            break
        path.append(rng.choice(allowed))
        assert matcher.accept(path[-1])
    return path


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CONSTRAINTS),
    st.sampled_from(ENGINES),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 2**32),
)
def test_rollback_and_fork_equal_replay(
    walker, constraint: Constraint, engine: EngineName, ahead: int, more: int, seed: int
) -> None:
    rng = random.Random(seed)
    compiled = _compiled(walker.vocabulary, constraint, engine)
    matcher = compiled.new_matcher()
    path = _advance(walker, matcher, rng, ahead)
    twin = matcher.fork()
    extra = _advance(walker, matcher, rng, more)
    replayed = compiled.new_matcher()
    assert all(replayed.accept(token_id) for token_id in path)
    assert walker.mask(twin) == walker.mask(replayed)  # the fork stays where it was made
    matcher.rollback(len(extra))
    for other in (matcher, twin):
        assert walker.mask(other) == walker.mask(replayed)
        assert other.is_completed is replayed.is_completed
        assert other.is_terminated is replayed.is_terminated
        assert other.forced_bytes() == replayed.forced_bytes()
    with pytest.raises(ValueError, match="num_tokens"):
        matcher.rollback(len(path) + 1)
    with pytest.raises(ValueError, match="num_tokens"):
        matcher.rollback(-1)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CONSTRAINTS), st.sampled_from(ENGINES), st.integers(0, 15), st.integers(0, 2**32))
def test_masks_equal_brute_force(walker, constraint: Constraint, engine: EngineName, ahead: int, seed: int) -> None:
    matcher = _compiled(walker.vocabulary, constraint, engine).new_matcher()
    _advance(walker, matcher, random.Random(seed), ahead)
    allowed = set(walker.mask(matcher)) - walker.vocabulary.stop_token_ids
    for token_id in range(-1, walker.vocabulary.vocab_size + 40):
        is_accepted = matcher.accept(token_id)
        assert is_accepted is (token_id in allowed), token_id
        if is_accepted:
            matcher.rollback(1)
    assert set(walker.mask(matcher)) - walker.vocabulary.stop_token_ids == allowed


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CONSTRAINTS), st.sampled_from(ENGINES), st.integers(0, 15), st.integers(0, 2**32))
def test_forced_bytes_is_accepted(walker, constraint: Constraint, engine: EngineName, ahead: int, seed: int) -> None:
    matcher = _compiled(walker.vocabulary, constraint, engine).new_matcher()
    _advance(walker, matcher, random.Random(seed), ahead)
    for byte in matcher.forced_bytes():
        assert [i for i in walker.mask(matcher) if i < 256] == [byte]
        assert matcher.accept(byte)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_digit_is_completed_but_not_terminated(walker, engine: EngineName) -> None:
    matcher = _compiled(walker.vocabulary, Regex(r"\d+"), engine).new_matcher()
    assert matcher.accept(ord("7"))
    assert (matcher.is_completed, matcher.is_terminated) == (True, False)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_closed_object_is_terminated(walker, engine: EngineName) -> None:
    matcher = _compiled(
        walker.vocabulary, JsonSchema('{"type": "object", "properties": {}}', "compact"), engine
    ).new_matcher()
    assert matcher.forced_bytes() == b"{}"
    for byte in b"{}":
        assert not matcher.is_completed
        assert matcher.accept(byte)
    assert (matcher.is_completed, matcher.is_terminated) == (True, True)
    assert not matcher.accept(ord(" "))
    assert matcher.is_terminated


@pytest.mark.parametrize("engine", ENGINES)
def test_forced_bytes_may_end_inside_a_character(walker, engine: EngineName) -> None:
    matcher = _compiled(walker.vocabulary, Regex("[éè]x+"), engine).new_matcher()
    assert matcher.forced_bytes() == b"\xc3"
    matcher = _compiled(walker.vocabulary, Regex("éa+"), engine).new_matcher()
    assert matcher.accept(0xC3)
    assert matcher.forced_bytes() == b"\xa9a"


@pytest.mark.parametrize("engine", ENGINES)
def test_tokens_without_text_are_never_accepted(walker, engine: EngineName, capfd: pytest.CaptureFixture[str]) -> None:
    matcher = _compiled(walker.vocabulary, Regex("[^x]*"), engine).new_matcher()
    allowed = walker.mask(matcher)
    for token_id, token in enumerate(walker.vocabulary.token_bytes):
        if token is None or token_id in walker.vocabulary.stop_token_ids:
            assert not matcher.accept(token_id)
            assert (token_id in allowed) is (token_id in walker.vocabulary.stop_token_ids)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_forbidden_and_no_stray_bits(engine: EngineName) -> None:
    vocabulary = Vocabulary((b"a", b"b", b"", b"stop"), frozenset({3}))
    matcher = _compiled(vocabulary, Regex("[ab]*"), engine).new_matcher()
    row = torch.zeros(1, dtype=torch.int32)
    matcher.fill_bitmask(row)
    assert row.tolist() == [0b1011]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_vocabulary_that_cannot_begin(engine: EngineName) -> None:
    with pytest.raises(UnsatisfiableConstraint):
        _compiled(Vocabulary((b"a", None), frozenset({1})), Regex("b+"), engine)


@pytest.mark.parametrize(
    "row",
    [torch.zeros(3, dtype=torch.int32), torch.zeros(10, dtype=torch.int64), torch.zeros(1, 10, dtype=torch.int32)],
)
@pytest.mark.parametrize("constraint", [Regex("a+"), Choice(("a", "b"))])
@pytest.mark.parametrize("engine", ENGINES)
def test_wrong_rows_raise(walker, constraint: Constraint, engine: EngineName, row: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="row"):
        _compiled(walker.vocabulary, constraint, engine).new_matcher().fill_bitmask(row)
