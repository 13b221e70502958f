import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from palmette.runtime.errors import InvalidRequest, MissingTokenizer
from palmette.runtime.text.tokenizer import Tokenizer, byte_alphabet

TEXT = [
    "The quick brown fox jumps over the lazy dog. The dog sleeps; the fox is quick.",
    "Ein Satz mit Umlauten: äöüß, und Zeichen wie € und 日本語.",
    "one two three  four\n\nfive\tsix",
]
SPRIG = Path(__file__).parents[2] / "runtime" / "models" / "sprig"


@cache
def byte_level() -> dict[str, Any]:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<bos>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.add_tokens([tokenizers.AddedToken("<tool>", special=False, normalized=False)])
    source: dict[str, Any] = json.loads(tokenizer.to_str())
    return source


def with_bos(source: dict[str, Any]) -> dict[str, Any]:
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(source))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    changed: dict[str, Any] = json.loads(tokenizer.to_str())
    return changed


@cache
def sentence_piece(style: str) -> dict[str, Any]:
    """The three ways in which SentencePiece tokenizers write their blank."""
    pieces = ["<unk>", "<bos>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdefghilnorstuwy", "▁th", "▁the"]
    merges = [("▁", "t"), ("▁t", "h"), ("▁th", "e")]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, "▁t"]))}
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tail = [decoders.ByteFallback(), decoders.Fuse()]
    if style == "prepend":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), *tail, decoders.Strip(" ", 1, 0)])
    elif style == "no blank":
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), *tail])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=style, split=False)
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), *tail, decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<unk>", "<bos>"])
    source: dict[str, Any] = json.loads(tokenizer.to_str())
    return source


STYLES = ["first", "always", "prepend", "no blank"]


@given(st.text(), st.booleans())
def test_byte_level_text_survives(text: str, is_start: bool) -> None:
    tokenizer = Tokenizer(byte_level())
    ids = tokenizer.encode(text, has_special=False, is_start=is_start)
    assert tokenizer.decode(ids) == text
    pieces = [tokenizer.token_bytes[token_id] for token_id in ids]
    assert b"".join(piece for piece in pieces if piece is not None) == text.encode()
    assert None not in pieces


@pytest.mark.skipif(not (SPRIG / "tokenizer.json").exists(), reason="the embedded model is not built")
@given(st.text())
def test_sprig_text_survives(text: str) -> None:
    tokenizer = sprig()
    ids = tokenizer.encode(text, has_special=False)
    assert tokenizer.decode(ids) == text
    assert b"".join(tokenizer.token_bytes[token_id] or b"" for token_id in ids) == text.encode()


@cache
def sprig() -> Tokenizer:
    return Tokenizer.from_folder(SPRIG)


@pytest.mark.parametrize("style", STYLES)
@given(text=st.text(st.characters(exclude_characters="▁", codec="utf-8")))
def test_sentence_piece_text_survives(style: str, text: str) -> None:
    tokenizer = Tokenizer(sentence_piece(style))
    middle = tokenizer.encode(text, has_special=False)
    assert tokenizer.decode(middle) == text
    if not text.startswith(" "):  # some take a blank that starts the text for the one they would put there
        start = tokenizer.encode(text, has_special=False, is_start=True)
        assert tokenizer.decode(start, is_start=True) == text


@pytest.mark.parametrize("style", STYLES)
def test_a_piece_in_the_middle_gets_no_blank(style: str) -> None:
    tokenizer = Tokenizer(sentence_piece(style))
    the = tokenizer.encode(" the", has_special=False)
    assert len(the) == 1
    assert tokenizer.encode("the", has_special=False) != the
    assert (tokenizer.encode("the", has_special=False, is_start=True) == the) == (style != "no blank")
    # After a special token in the middle there is none either.
    spelt = tokenizer.encode("<bos>the", has_special=True)
    assert tokenizer.decode(spelt, skip_special_tokens=False) == "<bos>the"


def test_special_tokens_are_read_only_on_request() -> None:
    tokenizer = Tokenizer(byte_level())
    read = tokenizer.encode("a<|end|>b", has_special=True)
    plain = tokenizer.encode("a<|end|>b", has_special=False)
    assert set(read) & tokenizer.special_ids
    assert not set(plain) & tokenizer.special_ids
    assert tokenizer.decode(plain) == "a<|end|>b"
    assert tokenizer.decode(read) == "ab"
    assert tokenizer.decode(read, skip_special_tokens=False) == "a<|end|>b"
    # An added token that is not special is text like any other.
    (tool,) = tokenizer.encode("<tool>", has_special=False)
    assert tokenizer.token_bytes[tool] == b"<tool>"


def test_bos_comes_once_and_only_at_the_start() -> None:
    tokenizer = Tokenizer(with_bos(byte_level()))
    bos = tokenizer.encode("<bos>", has_special=True)
    plain = tokenizer.encode("hi", has_special=False)
    assert len(bos) == 1
    assert tokenizer.encode("hi", has_special=False, is_start=True) == bos + plain
    assert tokenizer.encode("<bos>hi", has_special=True, is_start=True) == bos + plain
    assert tokenizer.encode("<bos>hi", has_special=False, is_start=True)[:2] != bos + plain[:1]
    assert tokenizer.encode("", has_special=False, is_start=True) == bos
    assert Tokenizer(byte_level()).encode("hi", has_special=False, is_start=True) == plain


def test_add_bos_token_has_the_last_word() -> None:
    bos = 0
    assert Tokenizer(byte_level(), bos_token_id=bos, adds_bos=True).encode("", has_special=False, is_start=True) == [
        bos
    ]
    assert (
        Tokenizer(with_bos(byte_level()), bos_token_id=bos, adds_bos=False).encode("", has_special=False, is_start=True)
        == []
    )


def test_padding_rows_and_special_tokens_have_no_bytes() -> None:
    tokenizer = Tokenizer(byte_level(), vocab_size=400)
    assert tokenizer.vocab_size == len(tokenizer.token_bytes) == 400
    assert tokenizer.token_bytes[399] is None
    assert [tokenizer.token_bytes[token_id] for token_id in tokenizer.special_ids] == [None, None]
    assert tokenizer.decode([399], skip_special_tokens=False) == ""


def test_byte_fallback_pieces() -> None:
    tokenizer = Tokenizer(sentence_piece("first"))
    ids = tokenizer.encode("€", has_special=False)
    assert [tokenizer.token_bytes[token_id] for token_id in ids] == [b"\xe2", b"\x82", b"\xac"]


def test_a_token_past_the_embedding_is_refused() -> None:
    tokenizer = Tokenizer(byte_level(), vocab_size=300)
    with pytest.raises(InvalidRequest, match="below 300, the rows of the model's embedding, got 3"):
        tokenizer.encode("<tool>", has_special=False)


@pytest.mark.parametrize("before", ["a", "ab " * 10_000])
def test_a_lone_surrogate_is_named(before: str) -> None:
    tokenizer = Tokenizer(byte_level())
    with pytest.raises(InvalidRequest, match=rf"got the lone surrogate U\+D800 at character {len(before)}; decode"):
        tokenizer.encode(f"{before}\ud800b", has_special=False)


def test_settings_of_a_batch_are_dropped() -> None:
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(byte_level()))
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=8)
    ours = Tokenizer(json.loads(tokenizer.to_str()))
    assert ours.decode(ours.encode("quick brown fox", has_special=False)) == "quick brown fox"


def test_the_byte_alphabet_is_that_of_the_library() -> None:
    assert set(byte_alphabet()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_alphabet().values()) == list(range(256))
    assert byte_alphabet()["Ġ"] == ord(" ")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(byte_level()))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": {"content": "<|end|>"}, "bos_token": "<bos>", "add_bos_token": True})
    )
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 1]}))
    tokenizer = Tokenizer.from_folder(tmp_path)
    end, bos = tokenizer.encode("<|end|><bos>", has_special=True)
    assert set(tokenizer.eos_token_ids) == {0, 1, end}
    assert tokenizer.bos_token_id == bos
    assert tokenizer.encode("", has_special=False, is_start=True) == [bos]


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    word_piece = tokenizers.Tokenizer(models.WordPiece({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    word_piece.decoder = decoders.WordPiece()
    (tmp_path / "tokenizer.json").write_text(word_piece.to_str())
    with pytest.raises(
        MissingTokenizer, match=r"expected a byte-level or SentencePiece tokenizer .* got \['WordPiece'\]"
    ):
        Tokenizer.from_folder(tmp_path)


def test_a_long_text_has_the_tokens_of_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer(byte_level())
    text = "the quick <|end|> brown fox\n" * 200
    for has_special in (True, False):
        read_without_the_lock = tokenizer.encode(text, has_special=has_special)
        with monkeypatch.context() as patch:
            patch.setattr("palmette.runtime.text.tokenizer._MAX_LOCKED_CHARS", len(text))
            assert tokenizer.encode(text, has_special=has_special) == read_without_the_lock
    assert tokenizer.max_token_len >= len("<|end|>")
