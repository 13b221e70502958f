"""Emitted: what a generation shows of itself at a time."""

from dataclasses import dataclass

from ...lang.events import TokenLogprob


@dataclass(frozen=True, slots=True)
class Emitted:
    """More text, and the tokens sampled since the last, those whose text is held back included."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] = ()
    """[num_tokens] where log-probabilities are wanted, else empty."""
    forced: tuple[int, ...] = ()
    """Indices into `token_ids` of the only ones that the constraint allowed."""
