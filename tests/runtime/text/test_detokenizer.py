import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.text.detokenizer import Detokenizer

# Every byte is a token; 256 is "hello €", 257 the first two bytes of "€", 258 its last and "x", 259 is special.
VOCABULARY: tuple[bytes | None, ...] = (
    *(bytes([byte]) for byte in range(256)),
    "hello €".encode(),
    "€".encode()[:2],
    "€".encode()[2:] + b"x",
    None,
)
SPECIAL = 259
TOKENS = st.lists(st.one_of(st.integers(0, SPECIAL), st.sampled_from([256, 257, 258, SPECIAL, 0xE2, 0x82, 0xAC])))


def special_text(token_id: int) -> str:
    return f"<{token_id}>"


def whole_text(token_ids: list[int], is_shown: bool) -> str:
    """The text by its definition: bytes between special tokens are decoded together."""
    text, run = "", b""
    for token_id in token_ids:
        data = VOCABULARY[token_id]
        if data is not None:
            run += data
        elif is_shown:
            text += run.decode(errors="replace") + special_text(token_id)
            run = b""
    return text + run.decode(errors="replace")


def holds_back(token_ids: list[int]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(b"".join(VOCABULARY[token_id] or b"" for token_id in token_ids))
    return decoder.getstate()[0] != b""


@given(TOKENS, st.booleans())
def test_pieces_sum_to_the_text(token_ids: list[int], is_shown: bool) -> None:
    detokenizer = Detokenizer(VOCABULARY, special_text if is_shown else None)
    text = "".join([detokenizer.append(token_id) for token_id in token_ids])
    assert detokenizer.text == text
    assert detokenizer.text_len == len(text)
    text += detokenizer.flush()
    assert text == whole_text(token_ids, is_shown) == detokenizer.text
    assert detokenizer.num_tokens == len(token_ids)


@given(st.text())
def test_no_half_character_is_shown(text: str) -> None:
    detokenizer = Detokenizer(VOCABULARY)
    shown = ""
    for byte in text.encode():
        shown += detokenizer.append(byte)
        assert text.startswith(shown)
    assert shown == text
    assert detokenizer.flush() == ""


@given(TOKENS, st.data())
def test_cut_keeps_whole_tokens_and_the_exact_text(token_ids: list[int], data: st.DataObject) -> None:
    detokenizer = Detokenizer(VOCABULARY)
    text = "".join([detokenizer.append(token_id) for token_id in token_ids])
    if data.draw(st.booleans()):
        text += detokenizer.flush()
    text_len = data.draw(st.integers(0, len(text)))
    num_tokens, rest = detokenizer.cut(text_len)
    assert whole_text(token_ids[:num_tokens], False) + rest == text[:text_len]
    # No more tokens could be kept: each longer prefix shows too much, or ends inside a character.
    for longer in range(num_tokens + 1, len(token_ids)):
        assert holds_back(token_ids[:longer]) or whole_text(token_ids[:longer], False) != text[:text_len]


def test_cut_inside_a_token_and_inside_a_character() -> None:
    detokenizer = Detokenizer(VOCABULARY)
    assert detokenizer.append(256) == "hello €"
    assert detokenizer.append(257) == ""
    assert detokenizer.append(258) == "€x"
    assert detokenizer.cut(3) == (0, "hel")
    assert detokenizer.cut(7) == (1, "")
    assert detokenizer.cut(8) == (1, "€")
    assert detokenizer.cut(9) == (3, "")
    assert [detokenizer.start_of(index) for index in range(3)] == [0, 7, 7]
    with pytest.raises(AssertionError, match="within 9 characters, got 10"):
        detokenizer.cut(10)


def test_an_unfinished_character_is_replaced() -> None:
    detokenizer = Detokenizer(VOCABULARY)
    assert detokenizer.append(257) == ""
    assert detokenizer.flush() == "\ufffd"
    assert detokenizer.flush() == ""
    assert detokenizer.text == "\ufffd"


def test_special_tokens_end_a_character() -> None:
    shown = Detokenizer(VOCABULARY, special_text)
    assert [shown.append(token_id) for token_id in (257, SPECIAL, 258)] == ["", "\ufffd<259>", "\ufffdx"]


@given(TOKENS, TOKENS, TOKENS)
def test_a_copy_goes_its_own_way(common: list[int], left: list[int], right: list[int]) -> None:
    detokenizer = Detokenizer(VOCABULARY)
    for token_id in common:
        detokenizer.append(token_id)
    copy = detokenizer.copy()
    for token_id in left:
        detokenizer.append(token_id)
    for token_id in right:
        copy.append(token_id)
    detokenizer.flush()
    copy.flush()
    assert detokenizer.text == whole_text(common + left, False)
    assert copy.text == whole_text(common + right, False)
