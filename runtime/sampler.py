"""Sampler: logits, masks, penalties and noise in, one token a row out, with the log-probabilities asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..kernels.choice import NO_ADJUSTMENTS, Adjustments, Choice, Chosen
from ..kernels.draw import Draw
from ..kernels.token_bitmask import mask_words
from ..kernels.token_sampler import LaunchedChoices, TokenSampler
from ..lang.sampling_params import SamplingParams


class SamplingError(Exception):
    """A row from which no token can be sampled; the rows beside it have theirs."""


class NoTokenAllowed(SamplingError):
    """The grammar, the bans and the bias together forbid every token of a row."""

    def __init__(self) -> None:
        super().__init__("expected at least one allowed token, got none after mask, bans and bias")


class InvalidLogits(SamplingError):
    """A row's logits have a NaN or +inf, from the model or from a bias too large."""

    def __init__(self) -> None:
        super().__init__("expected finite logits (or -inf), got NaN or +inf; look at the weights and the bias")


@dataclass(frozen=True, slots=True)
class SampleRow:
    """What the token of one row depends on, besides its logits; made fresh for each step."""

    params: SamplingParams
    seed: int  # 64-bit key of the noise
    path: int  # 64-bit hash of the branch's path
    position: int  # index, in the text, of the token being sampled
    bitmask: Tensor | None = None  # [mask_words] int32, the tokens the grammar allows
    banned_token_ids: Collection[int] = ()  # not allowed now, as end-of-text before min_new_tokens
    output_counts: Mapping[int, int] = field(default_factory=dict)  # tokens generated so far, by id
    seen_token_ids: Collection[int] = ()  # prompt and output; read when there is a repetition penalty
    wants_logprob: bool = False
    num_top_logprobs: int = 0

    def choice(self) -> Choice:
        """The same, as the port wants it."""
        params = self.params
        draw = None
        if params.temperature > 0:
            shape = (params.temperature, params.top_k, params.top_p, params.min_p)
            draw = Draw(*shape, self.seed, self.path, self.position)
        adjustments = Adjustments(
            params.repetition_penalty,
            self.seen_token_ids,
            params.frequency_penalty,
            params.presence_penalty,
            self.output_counts,
            params.logit_bias,
            self.banned_token_ids,
        )
        return Choice(draw, self.bitmask, adjustments or NO_ADJUSTMENTS, self.wants_logprob, self.num_top_logprobs)


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A token, and what the raw model thought of it and of its rivals."""

    token_id: int
    logprob: float | None  # None when not asked for
    top: tuple[tuple[int, float], ...]  # (token_id, logprob), most likely first, lowest id first among equals
    masked_log_mass: float | None = None
    """log of the probability that the raw model, at temperature 1 and before penalties, bias and bans, gives to what
    the row's bitmask allows: 0 where that is everything; None where the row has no bitmask."""


class Sampling:
    """Tokens that are being sampled."""

    def __init__(self, launched: LaunchedChoices) -> None:
        self._launched = launched

    @property
    def token_ids(self) -> Tensor:
        """[num_rows] int64 where the logits are; of a row that yields none, any token of the vocabulary."""
        return self._launched.token_ids

    def read(self) -> list[SampledToken | SamplingError]:
        """What came of each row: a token, or `InvalidLogits` where there was a NaN or +inf, or `NoTokenAllowed` where
        everything was forbidden. Waits for the device, if any, and for nothing that was launched later; once.
        """
        return [_outcome(each) for each in self._launched.read()]


class Sampler:
    """Picks the token of each row; a pure function of the row's own logits and its `SampleRow`, to the last bit.

    Order: repetition penalty, frequency and presence penalties, logit_bias, grammar mask and bans, temperature, top-k,
    top-p, min-p, then argmax(logits / temperature + gumbel(seed, path, position)); at temperature 0 the argmax, the
    lowest id among equals. So a row gives the same token in any batch, at any step, drafted or not. Log-probabilities
    and the mass that a mask leaves are those of the raw model, before all of this; the mass is a report only, and may
    differ in its last bits from batch to batch.
    """

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self._port = TokenSampler(vocab_size)

    def launch(self, logits: Tensor, rows: Sequence[SampleRow]) -> Sampling:
        """Sample a token for each row; on CUDA nobody waits until it is read.

        logits: [num_rows, vocab_size] float32, left as they are. Raises ValueError for a token id outside the
        vocabulary.
        """
        expected = (len(rows), self.vocab_size)
        assert tuple(logits.shape) == expected, (
            f"sample: expected logits of shape {expected}, got {tuple(logits.shape)}"
        )
        assert logits.dtype == torch.float32, f"sample: expected float32 logits, got {logits.dtype}"
        for i, row in enumerate(rows):
            assert row.bitmask is None or tuple(row.bitmask.shape) == (mask_words(self.vocab_size),), (
                f"row {i}: expected a bitmask of {mask_words(self.vocab_size)} words, got {tuple(row.bitmask.shape)}"
            )
        return Sampling(self._port.launch(logits, [row.choice() for row in rows]))

    def sample(self, logits: Tensor, rows: Sequence[SampleRow]) -> list[SampledToken | SamplingError]:
        """Launch, and read."""
        return self.launch(logits, rows).read()


def _outcome(chosen: Chosen) -> SampledToken | SamplingError:
    if chosen.best == -torch.inf:
        return NoTokenAllowed()
    if not chosen.best < torch.inf:
        return InvalidLogits()
    return SampledToken(chosen.token_id, chosen.logprob, chosen.top, chosen.log_mass)
