"""CoupledSampling: tokens of a draft model, drawn with the very noise with which the target will draw at that place."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ...kernels.philox import gumbel_of_token
from ..sampler import SampledToken, Sampler, SampleRow


@dataclass(frozen=True, slots=True)
class Pick:
    """What a draft model would write at a place, and what else."""

    token_id: int
    margin: float
    """By how much it was ahead of the next best, noise included, in units of logits; infinity where there is none."""
    runner_up: int | None
    """The next best; None where nothing else is allowed."""


class CoupledSampling:
    """Gumbel coupling: draft and target take the argmax of their own logits plus the same noise, so that they agree
    often, at every temperature, though neither knows of the other (Daliri, Musco and Suresh 2024, "Coupling without
    communication and drafter-invariant speculative decoding", arXiv:2408.07978).

    Here the noise of a token is a function of seed, path and position, so the target's noise is known beforehand;
    mask, filters, penalties and bias are the target's, too.
    """

    def __init__(self, vocab_size: int) -> None:
        """`vocab_size`: the target's."""
        self._sampler = Sampler(vocab_size)
        self._vocab_size = vocab_size

    def pick(self, logits: Tensor, rows: Sequence[SampleRow]) -> list[Pick | None]:
        """One pick a row; None where no token of the draft model is allowed, or its logits are no numbers.

        logits: [num_rows, draft_vocab_size] float32. A vocabulary that is padded otherwise is cut, or filled with
        tokens that are never drawn.
        """
        logits = fit_vocabulary(logits, self._vocab_size)
        best = self._sample(logits, rows)
        found = [i for i, token_id in enumerate(best) if token_id is not None]
        picks: list[Pick | None] = [None] * len(rows)
        if not found:
            return picks
        rest = logits[found]  # a copy
        chosen = [token_id for token_id in best if token_id is not None]
        for row, token_id in zip(rest, chosen, strict=True):
            row[token_id] = -math.inf
        found_rows = [rows[i] for i in found]
        others = self._sample(rest, found_rows)
        margins = _margins(logits[found], found_rows, chosen, others)
        for i, token_id, other, margin in zip(found, chosen, others, margins, strict=True):
            picks[i] = Pick(token_id, margin, other)
        return picks

    def _sample(self, logits: Tensor, rows: Sequence[SampleRow]) -> list[int | None]:
        """The token of each row; None where none can be drawn."""
        outcomes = self._sampler.sample(logits, rows)
        return [each.token_id if isinstance(each, SampledToken) else None for each in outcomes]


def fit_vocabulary(logits: Tensor, vocab_size: int) -> Tensor:
    """Logits with `vocab_size` columns: [n, any] -> [n, vocab_size]; -inf where the model has no token."""
    num_missing = vocab_size - logits.shape[1]
    if num_missing > 0:
        return functional.pad(logits, (0, num_missing), value=-math.inf)
    return logits if num_missing == 0 else logits[:, :vocab_size].contiguous()


def _margins(
    logits: Tensor, rows: Sequence[SampleRow], token_ids: Sequence[int], others: Sequence[int | None]
) -> list[float]:
    """By how much each row's token is ahead of the next best: of logits, plus temperature times noise.

    The target's logits differ from the draft's, and the further the one is ahead, the less that matters: at temperature
    0 the logistic of the margin is the draft's own probability of the token, of these two. Penalties and bias are left
    out.
    """
    runners_up = [token_id if other is None else other for token_id, other in zip(token_ids, others, strict=True)]
    pairs = torch.tensor([token_ids, runners_up], device=logits.device).T  # [num_rows, 2]
    scores: list[list[float]] = logits.gather(1, pairs).tolist()
    margins = []
    for row, token_id, other, (best, next_best) in zip(rows, token_ids, others, scores, strict=True):
        if other is None:
            margins.append(math.inf)
            continue
        temperature = row.params.temperature
        noise = [
            gumbel_of_token(row.seed, row.path, row.position, each) if temperature else 0.0
            for each in (token_id, other)
        ]
        margins.append(max(0.0, best - next_best + temperature * (noise[0] - noise[1])))
    return margins
