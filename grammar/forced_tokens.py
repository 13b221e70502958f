"""Forced tokens: what the grammar forces, as the tokens in which any text that goes on so would be written."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .matcher import Matcher
from .vocabulary import Vocabulary

if TYPE_CHECKING:  # torch is heavy, and only a name here
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Tokenize = Callable[[str], Sequence[int]]
"""A text's canonical tokens, without any token at its beginning or end."""


def forced_tokens(
    matcher: Matcher,
    recent_token_ids: Sequence[int],
    vocabulary: Vocabulary,
    tokenize: Tokenize,
    max_bytes: int | None = None,
) -> list[int]:
    """The tokens with which every legal continuation begins, if it is tokenised canonically; to be used as drafts.

    `recent_token_ids`: a few tokens before this place, as the text at hand decides how a tokenizer splits what
    follows. `max_bytes`: of the forced bytes those that are looked at; None: all. They are tokenised from the last
    token's end, and their tail is left off as far as a longer token could begin in it. Empty, too, where the text at
    hand ends inside a character.

    Of a text that begins with forced bytes F some token covers the end of F, and begins at a place q of it; what is
    before q is tokenised as if it stood alone, since any part of a canonical byte-pair encoding is canonical (M.
    Berglund, B. van der Merwe, Formalizing BPE Tokenization, 2023). So the answer is what the encodings of all F[:q]
    have in common, over the places q where a legal token begins that reaches past F. At most one tokenisation and one
    mask for each byte of the longest token, and O(forced bytes squared) beside.
    """
    forced = matcher.forced_bytes()[:max_bytes]
    if forced and forced[0] & 0b1100_0000 == 0b1000_0000:
        return []  # the text ends inside a character, which no tokenizer goes on from
    encode = _Encoder(recent_token_ids, vocabulary, tokenize)
    tokens = encode(forced)
    for start in range(len(forced) - 1, -1, -1):
        spanning = vocabulary.token_ids_reaching_past(forced[start:])
        if not len(spanning):
            continue
        before = encode(forced[:start])
        num_shared = _num_shared(tokens, before)
        if num_shared < len(tokens) and _is_any_legal(matcher, before, forced[:start], spanning, vocabulary):
            tokens = tokens[:num_shared]
    return tokens


class _Encoder:
    """Tokenises what follows the recent tokens: as part of the whole, where that keeps them as they are."""

    def __init__(self, recent_token_ids: Sequence[int], vocabulary: Vocabulary, tokenize: Tokenize) -> None:
        self._tokenize = tokenize
        self._recent = list(recent_token_ids)
        recent_bytes = b"".join(vocabulary.text_tokens[token_id] for token_id in recent_token_ids)
        try:
            self._before = recent_bytes.decode()
        except UnicodeDecodeError:
            self._before = ""
        if list(tokenize(self._before)) != self._recent:
            self._before, self._recent = "", []

    def __call__(self, text: bytes) -> list[int]:
        """The tokens of `text`, up to its last whole character."""
        characters = text.decode(errors="ignore")
        tokens = list(self._tokenize(self._before + characters))
        num_recent = len(self._recent)
        if tokens[:num_recent] == self._recent:
            return tokens[num_recent:]
        return list(self._tokenize(characters))


def _is_any_legal(
    matcher: Matcher, before: Sequence[int], text: bytes, token_ids: "NDArray[np.int64]", vocabulary: Vocabulary
) -> bool:
    """Whether any of `token_ids` may come after `text`, whose tokens are `before`."""
    import torch

    from .bitmask import allowed_among

    there = matcher.fork()
    walked = b"".join(vocabulary.text_tokens[token_id] for token_id in before)
    if walked != text or not all(there.accept(token_id) for token_id in before):
        return True  # cut inside a character, or tokens that are not these bytes: nothing is known
    row: Tensor = torch.zeros(vocabulary.mask_words, dtype=torch.int32)  # [mask_words]
    there.fill_bitmask(row)
    return bool(allowed_among(row, token_ids).any())


def _num_shared(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = zip(one, other, strict=False)
    return next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
