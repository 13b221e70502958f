"""ForcedDrafts: what the grammar forces, in the tokens in which a model would write it."""

from collections.abc import Iterable
from typing import Final

from ...grammar.forced_tokens import Tokenize, forced_tokens
from ...grammar.vocabulary import Vocabulary
from .draft import Draft, Source
from .drafter import DraftText

_NUM_RECENT: Final = 4
"""Tokens before the place that decide how what follows is tokenised."""

_TRUST: Final = 0.97
"""How likely a model writes forced bytes in their canonical tokens."""


class ForcedDrafts:
    """Guesses from the constraint alone (jump-forward decoding, as guesses, so that the model is still asked)."""

    source: Source = "forced"

    def __init__(self, vocabulary: Vocabulary, tokenize: Tokenize) -> None:
        self._vocabulary = vocabulary
        self._tokenize = tokenize

    def begin(self, text: DraftText) -> "_ForcedText | None":
        """See `Drafter`."""
        return _ForcedText(self, text) if text.matcher is not None else None

    def tokens_of(self, text: DraftText, max_len: int) -> list[int]:
        """The forced tokens at the end of a text."""
        assert text.matcher is not None, "nothing is forced without a constraint"
        if text.matcher.is_terminated or len(text.matcher.forced_bytes()) == 0:
            return []
        recent = text.token_ids[max(text.start, len(text.token_ids) - _NUM_RECENT) :]
        return forced_tokens(text.matcher, recent, self._vocabulary, self._tokenize)[:max_len]


class _ForcedText:
    source: Source = "forced"

    def __init__(self, drafter: ForcedDrafts, text: DraftText) -> None:
        self._drafter = drafter
        self._text = text

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        way = tuple(self._drafter.tokens_of(self._text, max_len))
        if way:
            yield Draft(way, (_TRUST,) * len(way), self.source)
