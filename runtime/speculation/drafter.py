"""Drafter and Guesser: the port of those who guess; one guesser follows one generation."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ...grammar.matcher import Matcher
from ..sampler import SampleRow
from .draft import Draft, Source


class RowsAhead(Protocol):
    """How a text will be sampled further on, if it goes on as is guessed."""

    def can_follow(self, ahead: Sequence[int], matcher: Matcher | None) -> bool:
        """Whether a token will be sampled after the tape and `ahead`; `matcher`, of the constraint, stands there."""
        ...

    def row_after(self, ahead: Sequence[int], matcher: Matcher | None) -> SampleRow:
        """How that token will be sampled: with which noise, mask, bias, penalties and filters."""
        ...


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
    rows: RowsAhead | None = None
    """How it will be sampled further on; None where nobody can say."""

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


@runtime_checkable
class JointDrafter(Drafter, Protocol):
    """A source that guesses for many texts at once, and whose guessers hold something that is to be given back."""

    def prepare(self, guessers: Sequence[Guesser], max_len: int) -> None:
        """Work out what those of `guessers` that are its own will say next, `max_len` tokens at most."""
        ...

    def end(self, guessers: Sequence[Guesser]) -> None:
        """Those of `guessers` that are its own are asked no more."""
        ...


@runtime_checkable
class RememberingDrafter(Drafter, Protocol):
    """A source that keeps something of texts that are over."""

    def forget(self) -> None:
        """Drop it, but for what texts that are being written use."""
        ...
