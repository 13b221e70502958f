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

_MAX_BYTES: Final = 512
"""Forced bytes that are looked at: those of a pass's guesses, and a few more. A schema may force a whole book."""

_MAX_KNOWN: Final = 4096
"""Places whose forced tokens are remembered."""


class ForcedDrafts:
    """Guesses from the constraint alone (jump-forward decoding, as guesses, so that the model is still asked)."""

    source: Source = "forced"

    def __init__(self, vocabulary: Vocabulary, tokenize: Tokenize) -> None:
        self._vocabulary = vocabulary
        self._tokenize = tokenize
        self._known: dict[tuple[str, object, bytes, int | None], tuple[int, ...]] = {}

    def begin(self, text: DraftText) -> "_ForcedText | None":
        """See `Drafter`."""
        return _ForcedText(self, text) if text.matcher is not None else None

    def forget(self) -> None:
        """See `RememberingDrafter`."""
        self._known.clear()

    def tokens_of(self, text: DraftText, max_len: int) -> tuple[int, ...]:
        """The forced tokens at the end of a text.

        They are remembered by namespace, constraint, forced bytes and last token, which nearly always say all; where
        they do not the guess is wrong, and no more.
        """
        assert text.matcher is not None, "nothing is forced without a constraint"
        forced = b"" if text.matcher.is_terminated else text.matcher.forced_bytes()[:_MAX_BYTES]
        if not forced:
            return ()
        recent = text.token_ids[max(text.start, len(text.token_ids) - _NUM_RECENT) :]
        key = (text.namespace, text.constraint_key, forced, recent[-1] if recent else None)
        tokens = self._known.get(key)
        if tokens is None:
            tokens = tuple(forced_tokens(text.matcher, recent, self._vocabulary, self._tokenize, _MAX_BYTES))
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = tokens
        return tokens[:max_len]


class _ForcedText:
    source: Source = "forced"

    def __init__(self, drafter: ForcedDrafts, text: DraftText) -> None:
        self._drafter = drafter
        self._text = text

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        way = self._drafter.tokens_of(self._text, max_len)
        if way:
            yield Draft(way, (_TRUST,) * len(way), self.source)
