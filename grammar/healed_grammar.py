"""HealedGrammar: a constraint on what comes after a seam, for a generation that begins before it."""

from torch import Tensor

from .bitmask import check_rollback, check_row, is_allowed
from .matcher import CompiledGrammar, EngineName, Matcher
from .open_seam import OpenSeam, tokens_of
from .vocabulary import Vocabulary


class HealedGrammar:
    """A `CompiledGrammar`: first the rest of a text, by one of the ways of `seam`, then what `inner` allows.

    The token that spans the seam is, to the inner grammar, the tokens of what it adds past the end.
    """

    def __init__(self, inner: CompiledGrammar, seam: OpenSeam, vocabulary: Vocabulary) -> None:
        """`seam`: opened for `inner`, so that all that may span it is legal there."""
        self._inner = inner
        self._seam = seam
        self._vocabulary = vocabulary

    @property
    def engine(self) -> EngineName:
        """See `CompiledGrammar`: the engine of the grammar past the seam."""
        return self._inner.engine

    @property
    def reason(self) -> str:
        """See `CompiledGrammar`."""
        return self._inner.reason

    @property
    def num_bytes(self) -> int:
        """See `CompiledGrammar`."""
        return self._inner.num_bytes + sum(4 * len(row) for row in self._seam.rows)

    def new_matcher(self) -> "HealedMatcher":
        """A matcher where the seam begins."""
        return HealedMatcher(self._inner.new_matcher(), self._seam, self._vocabulary)


class HealedMatcher:
    """A `Matcher` that begins before the seam.

    seam.token_ids[:place]  |  spanning token  |  further tokens
    the inner matcher:        num_spanning of its own, as many as further ones
    """

    def __init__(self, inner: Matcher, seam: OpenSeam, vocabulary: Vocabulary) -> None:
        self._inner = inner
        self._seam = seam
        self._vocabulary = vocabulary
        self._place = 0
        self._num_spanning = 0  # 0: there is no spanning token, or none yet
        self._num_further = 0

    @property
    def _is_inside(self) -> bool:
        """Whether text is left to be written anew."""
        return self._place < len(self._seam.token_ids) and not self._num_spanning

    def fill_bitmask(self, row: Tensor) -> bool:
        """See `Matcher`."""
        if not self._is_inside:
            return self._inner.fill_bitmask(row)
        check_row(row, self._vocabulary.mask_words)
        row.copy_(self._seam.rows[self._place])
        return True

    def accept(self, token_id: int) -> bool:
        """See `Matcher`."""
        if not self._is_inside:
            is_accepted = self._inner.accept(token_id)
            self._num_further += is_accepted
            return is_accepted
        if token_id == self._seam.token_ids[self._place]:
            self._place += 1
            return True
        if not 0 <= token_id < self._vocabulary.vocab_size or not is_allowed(self._seam.rows[self._place], token_id):
            return False
        added = self._vocabulary.text_tokens[token_id][len(self._seam.rests[self._place]) :]
        for inner_id in tokens_of(added, self._vocabulary) or ():
            is_accepted = self._inner.accept(inner_id)
            assert is_accepted, f"token {token_id} may span the seam, but what it adds is not legal at {inner_id}"
            self._num_spanning += 1
        return True

    def rollback(self, num_tokens: int) -> None:
        """See `Matcher`."""
        has_spanning = self._num_spanning > 0
        check_rollback(num_tokens, self._place + has_spanning + self._num_further)
        num_further = min(num_tokens, self._num_further)
        num_inner = num_further
        if has_spanning and num_tokens > num_further:
            num_inner += self._num_spanning
            self._num_spanning = 0
            self._place -= num_tokens - num_further - 1
        else:
            self._place -= num_tokens - num_further
        if num_inner:
            self._inner.rollback(num_inner)
        self._num_further -= num_further

    def fork(self) -> "HealedMatcher":
        """See `Matcher`."""
        twin = HealedMatcher(self._inner.fork(), self._seam, self._vocabulary)
        twin._place = self._place
        twin._num_spanning = self._num_spanning
        twin._num_further = self._num_further
        return twin

    @property
    def is_completed(self) -> bool:
        """See `Matcher`."""
        return not self._is_inside and self._inner.is_completed

    @property
    def is_terminated(self) -> bool:
        """See `Matcher`."""
        return not self._is_inside and self._inner.is_terminated

    @property
    def num_revocable_tokens(self) -> int:
        """See `Matcher`: the spanning token goes whole. What is before it need not go: what can be written with another
        token there can be written after the text's own ones.
        """
        return min(self._inner.num_revocable_tokens, self._num_further + (self._num_spanning > 0))

    def forced_bytes(self) -> bytes:
        """See `Matcher`."""
        rest = self._seam.rests[self._place] if self._is_inside else b""
        return rest + self._inner.forced_bytes()
