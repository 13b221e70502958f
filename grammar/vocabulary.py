"""Vocabulary: the bytes of every token, as the matchers see them."""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Vocabulary:
    """The text of each token: `token_bytes[token_id]`, or None for a token that is no text (special, padding).

    Tokens without text, stop tokens and empty tokens never appear inside constrained text. `vocab_size`, the
    length of the tuple, is the number of columns of the logits. Immutable; equal where the contents are equal.
    """

    def __init__(self, token_bytes: tuple[bytes | None, ...], stop_token_ids: frozenset[int]) -> None:
        if not token_bytes:
            raise ValueError("token_bytes: expected at least one token, got none")
        for token_id in stop_token_ids:
            if not 0 <= token_id < len(token_bytes):
                raise ValueError(f"stop_token_ids: expected token ids from 0 to {len(token_bytes) - 1}, got {token_id}")
        self._token_bytes = tuple(token_bytes)
        self._stop_token_ids = frozenset(stop_token_ids)

    @property
    def token_bytes(self) -> tuple[bytes | None, ...]:
        """[vocab_size] the bytes of each token, None where it is no text."""
        return self._token_bytes

    @property
    def stop_token_ids(self) -> frozenset[int]:
        """The tokens that end a text."""
        return self._stop_token_ids

    @property
    def vocab_size(self) -> int:
        """Columns of the logits."""
        return len(self._token_bytes)

    @property
    def mask_words(self) -> int:
        """32-bit words of a row of the bitmask."""
        return (self.vocab_size + 31) // 32

    @cached_property
    def text_tokens(self) -> tuple[bytes, ...]:
        """[vocab_size] the bytes each token may add to a constrained text; empty where it may not appear in one."""
        return tuple(
            b"" if token is None or token_id in self._stop_token_ids else token
            for token_id, token in enumerate(self._token_bytes)
        )

    @cached_property
    def sorted_token_ids(self) -> tuple[int, ...]:
        """The ids of tokens with text, in the order of their bytes: tokens that share a prefix lie together."""
        texts = self.text_tokens
        return tuple(sorted((token_id for token_id, text in enumerate(texts) if text), key=texts.__getitem__))

    @cached_property
    def sorted_texts(self) -> tuple[bytes, ...]:
        """The texts of `sorted_token_ids`, in the same order."""
        return tuple(self.text_tokens[token_id] for token_id in self.sorted_token_ids)

    @cached_property
    def token_ids_by_text(self) -> dict[bytes, int]:
        """For each text one token that has it, the one with the smallest id; not to be changed."""
        return {self.text_tokens[token_id]: token_id for token_id in reversed(self.sorted_token_ids)}

    @cached_property
    def max_text_len(self) -> int:
        """Bytes of the longest token."""
        return max(map(len, self.text_tokens))

    def token_ids_beginning(self, prefix: bytes) -> Sequence[int]:
        """The tokens whose text begins with `prefix`, in the order of their bytes. O(log vocab_size)."""
        return self.sorted_token_ids[bisect_left(self.sorted_texts, prefix) : self._end_of(prefix)]

    def token_ids_reaching_past(self, prefix: bytes) -> "NDArray[np.int64]":
        """Those of `token_ids_beginning` that are longer; a view, not to be changed. O(log vocab_size)."""
        return self._sorted_id_array[bisect_right(self.sorted_texts, prefix) : self._end_of(prefix)]

    @cached_property
    def _sorted_id_array(self) -> "NDArray[np.int64]":
        import numpy as np  # heavy, and of no use to whoever only compiles

        return np.array(self.sorted_token_ids, dtype=np.int64)

    def _end_of(self, prefix: bytes) -> int:
        """Where in the order those texts end that begin with `prefix`."""
        stem = prefix.rstrip(b"\xff")
        if not stem:  # nothing comes after all of them
            return len(self.sorted_texts)
        return bisect_left(self.sorted_texts, stem[:-1] + bytes([stem[-1] + 1]))

    @cached_property
    def digest(self) -> str:
        """Names the contents."""
        hasher = hashlib.sha256()
        for token in self._token_bytes:
            hasher.update(b"-" if token is None else len(token).to_bytes(8, "little") + token)
        hasher.update(repr(sorted(self._stop_token_ids)).encode())
        return hasher.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Vocabulary) and self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Vocabulary(vocab_size={self.vocab_size}, stop_token_ids={sorted(self._stop_token_ids)})"
