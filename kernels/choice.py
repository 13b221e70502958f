"""Choice and Chosen: how one row's token is to be chosen, and what came of it, as plain data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor

from .draw import Draw


@dataclass(frozen=True, slots=True)
class Adjustments:
    """What happens to the logits of single tokens before anything is drawn, in this order."""

    repetition_penalty: float = 1.0  # > 0; positive logits are divided by it, others multiplied
    seen_token_ids: Collection[int] = ()  # those it applies to; one that comes twice is changed once
    frequency_penalty: float = 0.0  # taken from a logit for each time the token was counted
    presence_penalty: float = 0.0  # taken from it once
    output_counts: Mapping[int, int] = field(default_factory=dict)  # by token id
    logit_bias: Mapping[int, float] = field(default_factory=dict)  # added
    banned_token_ids: Collection[int] = ()  # -inf in the end

    def __bool__(self) -> bool:
        """Whether any logit changes."""
        return (
            bool(self.banned_token_ids)
            or bool(self.logit_bias)
            or (self.repetition_penalty != 1 and bool(self.seen_token_ids))
            or ((self.frequency_penalty != 0 or self.presence_penalty != 0) and bool(self.output_counts))
        )


NO_ADJUSTMENTS: Final = Adjustments()


@dataclass(frozen=True, slots=True)
class Choice:
    """How one row's token is chosen: adjustments, mask, filters, noise, argmax. And what is told of it."""

    draw: Draw | None  # None: the most likely token
    bitmask: Tensor | None = None  # [mask_words] int32 on the CPU; None: every token is allowed
    adjustments: Adjustments = NO_ADJUSTMENTS
    wants_logprob: bool = False
    num_top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row's token. Where `best` is not finite there is none, and all else means nothing."""

    token_id: int
    best: float
    """The largest logit that could be chosen, after adjustments and mask: -inf where nothing is allowed; NaN or +inf
    where the logits have one, be it masked."""
    logprob: float | None = None
    """log-probability of the token in the logits as they came; None unless it was wanted."""
    top: tuple[tuple[int, float], ...] = ()
    """(token_id, logprob) of the most likely tokens of the logits as they came, the lowest id first among equals."""
    log_mass: float | None = None
    """log of the probability that the logits as they came give to what the mask allows; None without a mask."""
