"""Drafter and Guesser: the port of those who guess; one guesser follows one generation."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...grammar.matcher import Matcher
from .draft import Draft, Source


@dataclass(frozen=True, slots=True)
class DraftText:
    """A generation, as those who guess see it."""

    namespace: str
    """Guesses come from texts of the same namespace alone."""
    token_ids: Sequence[int]
    """The tape, which grows, and may be cut: prompt and what was generated."""
    start: int
    """Where the generation began."""
    matcher: Matcher | None = None
    """Of its constraint, at the tape's end. It may be forked, and is left as it is."""
    constraint_key: object = None
    """Equal for equal constraints; hashable."""
    end_token_ids: Collection[int] = ()
    """Tokens that end the text: to have guessed one saves nothing."""
    max_len: int | None = None
    """How long the tape may get; None: nobody says."""
    prediction: str | None = None
    """What the caller expects the text to be."""

    def num_useful(self, max_len: int) -> int:
        """How many tokens to guess, `max_len` at most: the last one of a text is drawn, whoever has guessed it."""
        return max_len if self.max_len is None else min(max_len, self.max_len - len(self.token_ids) - 1)

    def useful_len(self, token_ids: Sequence[int]) -> int:
        """How many of the guessed tokens come before an end."""
        if not self.end_token_ids:
            return len(token_ids)
        return next((i for i, token_id in enumerate(token_ids) if token_id in self.end_token_ids), len(token_ids))


class Guesser(Protocol):
    """Follows one text and guesses how it goes on."""

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """Guesses at what comes after the text as it is now, each of `max_len` tokens at most."""
        ...


class Drafter(Protocol):
    """One source of guesses."""

    source: Source

    def begin(self, text: DraftText) -> Guesser | None:
        """Who guesses for a text; None if there is nothing to guess from."""
        ...
