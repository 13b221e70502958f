"""Tokenizer: text -> token ids at the seam of a text, and token ids -> bytes."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers

from ..errors import InvalidModelConfig, InvalidRequest, MissingTokenizer
from ..generation_config import GenerationConfig
from ..json_object import JsonObject
from .detokenizer import Detokenizer

_SPACE = "▁"  # how SentencePiece writes a space

_MAX_LOCKED_CHARS = 2_000
"""A text that is read with the interpreter's lock held; this many take about a millisecond."""


class Tokenizer:
    """A tokenizer.json of the `tokenizers` library, with the rules of a text that grows piece by piece.

    Only the piece that starts a text may get a BOS token and the blank that SentencePiece tokenizers put before a
    text; pieces in its middle get neither. Special tokens spelt out in a piece are read as such only when the caller
    says so. Safe to use from several threads: no setting is changed after it is made.
    """

    def __init__(
        self,
        source: Mapping[str, Any],  # the library's own JSON, whose shape is its own business
        *,
        eos_token_ids: tuple[int, ...] = (),
        bos_token_id: int | None = None,
        adds_bos: bool | None = None,
        vocab_size: int | None = None,
    ) -> None:
        """`adds_bos` None: as the post-processor of `source` does. `vocab_size`: rows of the model's embedding."""
        source = {**source, "truncation": None, "padding": None}
        self._start_source = json.dumps(source, ensure_ascii=False)
        self._at_start = tokenizers.Tokenizer.from_str(self._start_source)
        self._middle_source, self._in_middle = self._start_source, self._at_start
        middle = _without_blank(source)
        if middle != source:
            self._middle_source = json.dumps(middle, ensure_ascii=False)
            self._in_middle = tokenizers.Tokenizer.from_str(self._middle_source)
        self._adds_blank = self._ids(self._at_start, "a") != self._ids(self._in_middle, "a")
        self._form = _BytesForm.of(source)

        num_tokens = 1 + max(self._at_start.get_vocab(with_added_tokens=True).values(), default=-1)
        self.vocab_size = num_tokens if vocab_size is None else vocab_size
        """Rows of the model's embedding: padding rows have ids too."""
        added = self._at_start.get_added_tokens_decoder()
        self.special_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        self.eos_token_ids = eos_token_ids
        self.bos_token_id = bos_token_id
        self._prefix = self._start_ids(adds_bos)

    @classmethod
    def from_folder(cls, folder: Path, vocab_size: int | None = None) -> "Tokenizer":
        """Read tokenizer.json and what tokenizer_config.json and generation_config.json say of its special tokens.

        Raises `MissingTokenizer` where there is no tokenizer.json, or none that can be used.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            others = sorted(entry.name for entry in folder.glob("*token*"))
            raise MissingTokenizer(
                f"expected {path}, which does not exist (the folder has {', '.join(others) or 'no tokenizer'}); save "
                "the tokenizer with transformers' AutoTokenizer, which writes this file"
            )
        config = JsonObject.read_if_there(folder / "tokenizer_config.json")
        generation = GenerationConfig.read(folder)
        try:
            source = json.loads(path.read_text(encoding="utf-8"))
            added = {token["content"]: token["id"] for token in source["added_tokens"]}
            named = special_tokens(folder)
            eos_token_id = added.get(named.get("eos_token", ""))
            bos_token_id = added.get(named.get("bos_token", ""), generation.bos_token_id)
            return cls(
                source,
                eos_token_ids=tuple(
                    dict.fromkeys((*generation.eos_token_ids, *(() if eos_token_id is None else (eos_token_id,))))
                ),
                bos_token_id=bos_token_id,
                adds_bos=config.boolean("add_bos_token", False) if config.has("add_bos_token") else None,
                vocab_size=vocab_size,
            )
        except MissingTokenizer as error:
            raise MissingTokenizer(f"{path}: {error}") from error
        except InvalidModelConfig:
            raise
        # The library raises bare `Exception` for a file it cannot read.
        except Exception as error:
            raise MissingTokenizer(f"{path}: expected a tokenizer of the tokenizers library, got {error!r}") from error

    # --- text -> ids

    def encode(self, text: str, *, has_special: bool, is_start: bool = False) -> list[int]:
        """The token ids of a piece of text.

        has_special: special tokens spelt out in `text` become those tokens; else they are plain text. is_start:
        nothing comes before the piece, so it gets the BOS token, where the model has it and `text` does not spell it.
        """
        if is_start:
            ids = self._encode(self._at_start if has_special else self._plain_at_start, text)
            if self._prefix and ids[: len(self._prefix)] != self._prefix:
                return self._prefix + ids
            return ids
        return self._encode(self._in_middle if has_special else self._plain_in_middle, text)

    def _encode(self, tokenizer: tokenizers.Tokenizer, text: str) -> list[int]:
        ids = self._ids(tokenizer, text)
        if ids and max(ids) >= self.vocab_size:
            token_id = max(ids)
            raise InvalidRequest(
                f"expected token ids below {self.vocab_size}, the rows of the model's embedding, got {token_id} "
                f"({self._at_start.id_to_token(token_id)!r}); leave this token out of the text"
            )
        return ids

    @staticmethod
    def _ids(tokenizer: tokenizers.Tokenizer, text: str) -> list[int]:
        try:
            if len(text) <= _MAX_LOCKED_CHARS:
                return list(tokenizer.encode(text, add_special_tokens=False).ids)
            # `encode` keeps the interpreter's lock for as long as it takes; this does not, and other threads go on.
            (encoding,) = tokenizer.encode_batch_fast([text], add_special_tokens=False)
            return list(encoding.ids)
        except TypeError:
            index = next((index for index, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)
            if index is None:
                raise
            raise InvalidRequest(
                f"expected text that UTF-8 can hold, got the lone surrogate U+{ord(text[index]):04X} at character "
                f"{index}; decode the bytes it came from as UTF-8, or with errors='replace'"
            ) from None

    # The setting that special tokens are plain text is one of the whole tokenizer, so it has its own copies.
    @cached_property
    def _plain_at_start(self) -> tokenizers.Tokenizer:
        tokenizer = tokenizers.Tokenizer.from_str(self._start_source)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @cached_property
    def _plain_in_middle(self) -> tokenizers.Tokenizer:
        if self._in_middle is self._at_start:
            return self._plain_at_start
        tokenizer = tokenizers.Tokenizer.from_str(self._middle_source)
        tokenizer.encode_special_tokens = True
        return tokenizer

    def _start_ids(self, adds_bos: bool | None) -> list[int]:
        if adds_bos is not None and self.bos_token_id is not None:
            return [self.bos_token_id] if adds_bos else []
        if adds_bos is False:
            return []
        bare = self._ids(self._at_start, "a")
        full = self._at_start.encode("a", add_special_tokens=True).ids
        for start in range(len(full) - len(bare) + 1):
            if full[start : start + len(bare)] == bare:
                return full[:start]
        return []

    # --- ids -> text

    @cached_property
    def max_token_len(self) -> int:
        """Bytes of the longest token, special ones included, so the most characters that one token stands for."""
        special = (len(self.special_text(token_id)) for token_id in self.special_ids)
        return max(1, *(len(content or b"") for content in self.token_bytes), *special)

    @cached_property
    def token_bytes(self) -> tuple[bytes | None, ...]:
        """The bytes each id adds to a text, [vocab_size]; None for special tokens and rows without a token.

        In the middle of a text: the blank that some tokenizers put before a text is not taken off here.
        """
        table: list[bytes | None] = [None] * self.vocab_size
        for token, token_id in self._at_start.get_vocab(with_added_tokens=False).items():
            if token_id < self.vocab_size:
                table[token_id] = self._form.to_bytes(token)
        for token_id, added in self._at_start.get_added_tokens_decoder().items():
            if token_id < self.vocab_size:
                # Added tokens are matched in the text as it is, so they are written in plain characters.
                table[token_id] = None if added.special else added.content.encode()
        return tuple(table)

    def special_text(self, token_id: int) -> str:
        """How a token without bytes is spelt; empty for a row without a token."""
        return self._at_start.id_to_token(token_id) or ""

    def detokenizer(self, *, skip_special_tokens: bool = True, num_hidden_bytes: int = 0) -> Detokenizer:
        """A new detokenizer of this vocabulary; `num_hidden_bytes`: at the beginning, which are no part of the text."""
        special_text = None if skip_special_tokens else self.special_text
        return Detokenizer(self.token_bytes, special_text, num_hidden_bytes=num_hidden_bytes)

    def decode(self, token_ids: Iterable[int], skip_special_tokens: bool = True, *, is_start: bool = False) -> str:
        """The text of the tokens; bytes that are no UTF-8 become U+FFFD.

        is_start: the tokens start a text, so the blank that some tokenizers put before it is taken off.
        """
        detokenizer = self.detokenizer(skip_special_tokens=skip_special_tokens)
        text = "".join([detokenizer.append(token_id) for token_id in token_ids]) + detokenizer.flush()
        return text[1:] if is_start and self._adds_blank and text.startswith(" ") else text


class _BytesForm:
    """How a vocabulary writes bytes: the GPT-2 alphabet, or SentencePiece's blank and <0xNN>."""

    def __init__(self, alphabet: Mapping[str, int] | None, blank: str, has_byte_fallback: bool) -> None:
        self._alphabet = alphabet
        self._blank = blank
        self._has_byte_fallback = has_byte_fallback

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> "_BytesForm":
        parts = list(_parts(source))
        types = {part.get("type") for part in parts}
        if "ByteLevel" in types:
            return cls(byte_alphabet(), _SPACE, False)
        blanks = [part.get("replacement", _SPACE) for part in parts if part.get("type") == "Metaspace"]
        blanks += [part["content"] for part in parts if part.get("type") == "Replace" and _pattern(part) == " "]
        if not blanks:
            raise MissingTokenizer(
                "expected a byte-level or SentencePiece tokenizer (ByteLevel or Metaspace in its pre_tokenizer or "
                f"decoder), got {sorted(str(kind) for kind in types)}"
            )
        return cls(None, blanks[0], bool(source["model"].get("byte_fallback")))

    def to_bytes(self, token: str) -> bytes:
        if self._alphabet is not None:
            if all(char in self._alphabet for char in token):
                return bytes(self._alphabet[char] for char in token)
            return token.encode()
        if self._has_byte_fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return bytes([int(token[3:5], 16)])
        return token.replace(self._blank, " ").encode()


def byte_alphabet() -> dict[str, int]:
    """The printable character that stands for each byte in a byte-level vocabulary (Radford et al. 2019, GPT-2).

    Printable Latin-1 characters stand for themselves, the other bytes for the characters from U+0100 on, in order.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = (byte for byte in range(256) if byte not in printable)
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def special_tokens(folder: Path) -> dict[str, str]:
    """The named special tokens of a model folder (`bos_token`, `eos_token`, ...), as they are spelt."""
    names: dict[str, str] = {}
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        for name, value in JsonObject.read_if_there(folder / file).fields.items():
            content = value.get("content") if isinstance(value, dict) else value
            if name.endswith("_token") and isinstance(content, str):
                names[name] = content
    return names


def _parts(source: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The normalizers, pre-tokenizers and decoders of a tokenizer, those in sequences included."""

    def walk(part: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
        if part is None:
            return
        yield part
        inner: Sequence[Mapping[str, Any]] = (
            part.get("normalizers") or part.get("pretokenizers") or part.get("decoders") or ()
        )
        for child in inner:
            yield from walk(child)

    for name in ("normalizer", "pre_tokenizer", "decoder"):
        yield from walk(source.get(name))


def _pattern(part: Mapping[str, Any]) -> str | None:
    pattern = part.get("pattern")
    return pattern.get("String") if isinstance(pattern, dict) else None


def _without_blank(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tokenizer with nothing that puts a blank before a text."""

    def change(part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        changed = dict(part)
        if part.get("type") == "Metaspace":
            changed["prepend_scheme"] = "never"
            changed.pop("add_prefix_space", None)
        elif part.get("type") == "ByteLevel" and part.get("add_prefix_space"):
            changed["add_prefix_space"] = False
        for name in ("normalizers", "pretokenizers", "decoders"):
            if name in part:
                changed[name] = [change(child) for child in part[name] if child.get("type") != "Prepend"]
        return None if part.get("type") == "Prepend" else changed

    return {**source, **{name: change(source.get(name)) for name in ("normalizer", "pre_tokenizer", "decoder")}}
