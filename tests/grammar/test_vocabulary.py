"""Vocabulary: equality, order, and what is text."""

import pytest

from palmette.grammar.vocabulary import Vocabulary


def test_equal_contents_are_equal() -> None:
    one = Vocabulary((b"a", None, b"stop"), frozenset({2}))
    assert one == Vocabulary((b"a", None, b"stop"), frozenset({2}))
    assert hash(one) == hash(Vocabulary((b"a", None, b"stop"), frozenset({2})))
    for other in [((b"a", b"", b"stop"), {2}), ((b"a", None, b"stop"), {1}), ((b"a-", b"stop"), {1})]:
        assert one != Vocabulary(other[0], frozenset(other[1]))
    with pytest.raises(AttributeError):
        one.token_bytes = ()  # type: ignore[misc]


def test_special_and_stop_tokens_are_no_text() -> None:
    vocabulary = Vocabulary((b"b", None, b"a", b"", b"<stop>", b"ab"), frozenset({4}))
    assert vocabulary.text_tokens == (b"b", b"", b"a", b"", b"", b"ab")
    assert vocabulary.sorted_token_ids == (2, 5, 0)
    assert (vocabulary.vocab_size, vocabulary.mask_words) == (6, 1)


def test_tokens_are_found_by_what_they_begin_with() -> None:
    texts = (b"a", b"ab", b"abc", b"b", b"\xff", b"\xff\xff", b"a\xff", b"a\xffa", b"", None)
    vocabulary = Vocabulary(texts, frozenset())
    for prefix in (b"", b"a", b"ab", b"abc", b"abcd", b"c", b"\xff", b"\xff\xff", b"a\xff", b"a\xffa"):
        beginning = {token_id for token_id, text in enumerate(texts) if text and text.startswith(prefix)}
        assert set(vocabulary.token_ids_beginning(prefix)) == beginning
        longer = {token_id for token_id in beginning if vocabulary.text_tokens[token_id] != prefix}
        assert set(vocabulary.token_ids_reaching_past(prefix).tolist()) == longer


def test_wrong_vocabularies_raise() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Vocabulary((), frozenset())
    with pytest.raises(ValueError, match="stop_token_ids"):
        Vocabulary((b"a",), frozenset({1}))
