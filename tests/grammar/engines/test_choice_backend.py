"""Choices against brute force."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.acceptance import accepts
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.engines import choice_backend
from palmette.grammar.engines.choice_backend import CompiledChoice
from palmette.grammar.errors import InvalidChoice
from palmette.grammar.spec import Choice
from palmette.grammar.vocabulary import Vocabulary

_WORDS = st.text(alphabet="abé", max_size=5)
_TOKENS = ("a", "b", "ab", "ba", "aa", "é", "bé", "aba", "abab", "a")
_VOCABULARY = Vocabulary(
    (*(token.encode() for token in _TOKENS), b"\xc3", b"\xa9", None, b"", b"<stop>"), frozenset({14})
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_WORDS, min_size=1, max_size=8, unique=True), st.randoms(use_true_random=False))
def test_masks_are_what_brute_force_allows(walker, choices: list[str], rng: random.Random) -> None:
    matcher = CompiledChoice(tuple(choices), _VOCABULARY, "").new_matcher()
    walk = type(walker)(_VOCABULARY, walker.compiler)
    left = [choice.encode() for choice in choices]
    text = b""
    while True:
        rests = [choice[len(text) :] for choice in left if choice.startswith(text)]
        expected = {
            index
            for index, token in enumerate(_VOCABULARY.token_bytes)
            if token and index != 14 and any(rest.startswith(token) for rest in rests)
        }
        assert matcher.is_completed is (b"" in rests)
        assert matcher.is_terminated is (rests == [b""])
        if matcher.is_completed:
            assert matcher.forced_bytes() == b""
        else:
            assert all(rest.startswith(matcher.forced_bytes()) for rest in rests)
            assert len({rest[len(matcher.forced_bytes()) :][:1] for rest in rests}) > 1 or b"" in {
                rest[len(matcher.forced_bytes()) :] for rest in rests
            }
        assert set(walk.mask(matcher)) == expected | ({14} if matcher.is_completed else set())
        for token_id in range(-1, _VOCABULARY.vocab_size + 1):
            twin = matcher.fork()
            assert twin.accept(token_id) is (token_id in expected)
        if not expected:
            return
        token_id = rng.choice(sorted(expected))
        assert matcher.accept(token_id)
        text += _VOCABULARY.token_bytes[token_id] or b""


def test_a_choice_may_be_a_prefix_of_another() -> None:
    constraint = Choice(("cat", "cattle", "dog"))
    assert accepts(constraint, "cat")
    assert accepts(constraint, "cattle")
    assert not accepts(constraint, "catt")


def test_ten_thousand_choices(walker) -> None:
    rng = random.Random(0)
    choices = {"".join(rng.choices("abcdefghij ", k=rng.randint(1, 30))) for _ in range(10_000)}
    constraint = Choice(tuple(sorted(choices)))
    for seed in range(5):
        assert walker.walk(constraint, seed, max_tokens=100) in choices


def test_memory_is_counted_and_bounded(walker, monkeypatch: pytest.MonkeyPatch) -> None:
    row_bytes = 4 * _VOCABULARY.mask_words
    monkeypatch.setattr(choice_backend, "MAX_ROW_BYTES", 3 * row_bytes)
    compiled = CompiledChoice(("ab" * 20, "ba" * 20), _VOCABULARY, "")
    empty = compiled.num_bytes
    matcher = compiled.new_matcher()
    walk = type(walker)(_VOCABULARY, walker.compiler)
    sizes = []
    for _ in range(20):
        walk.mask(matcher)
        sizes.append(compiled.num_bytes)
        assert matcher.accept(0) or matcher.accept(1)
    assert empty < sizes[0] < sizes[1] < sizes[2] == sizes[-1]


@pytest.mark.parametrize(
    ("choices", "says"),
    [((), "at least one"), (("a", "a"), "twice"), (("",), "empty"), (("\ud800",), "surrogate"), ((1,), "string")],
)
def test_wrong_choices_raise(choices: tuple[str, ...], says: str) -> None:
    with pytest.raises(InvalidChoice, match=says):
        GrammarCompiler(_VOCABULARY).compile(Choice(choices))
