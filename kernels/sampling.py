"""Choosing tokens from logits in PyTorch: temperature, top-k, top-p, min-p, counter-based noise, log-probabilities.

Nothing here depends on what other rows a call has, to the last bit. Sums, whose rounding depends on how a library
splits them, are therefore taken over integers; all else is one element at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from .draw import Draw
from .philox import gumbel, gumbel_at
from .token_bitmask import apply_token_bitmask

_WEIGHT_ONE: Final = 2**40
"""Probabilities are added in fixed point; the most likely token weighs this, one of less than 2**-40 of it nothing."""

_BINS_PER_NAT: Final = 16
_NUM_BINS: Final = 16 * 29  # whoever is further behind is in the last


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Tokens that may be drawn, of all rows, row after row."""

    row_ids: Tensor  # [num_candidates] int64, ascending
    token_ids: Tensor  # [num_candidates] int64
    scores: Tensor  # [num_candidates] float64, (logit - the row's best) / temperature, so <= 0

    def __len__(self) -> int:
        return int(self.row_ids.shape[0])

    def take(self, index: Tensor) -> "_Candidates":
        return _Candidates(self.row_ids[index], self.token_ids[index], self.scores[index])


def greedy_tokens(logits: Tensor) -> Tensor:
    """The most likely token of each row, the lowest id among equals: [num_rows, vocab_size] -> [num_rows] int64."""
    return logits.argmax(dim=-1)


def draw_tokens(logits: Tensor, draws: Sequence[Draw]) -> Tensor:
    """The token argmax(logits / temperature + gumbel noise) over what top-k, top-p and min-p leave: [num_rows] int64.

    logits: [num_rows, vocab_size] float32 with a finite maximum in each row; -inf is never drawn. top_k keeps the k
    most likely, then top_p the fewest most likely whose share of what is left reaches top_p (Holtzman et al. 2020,
    arXiv:1904.09751), then min_p those with at least min_p of the best's probability (Nguyen et al. 2024,
    arXiv:2407.01082); among equals a lower id counts as more likely. At least one token stays.

    Only tokens within reach of the best are looked at (the noise is bounded), which changes no result and makes the
    cost that of one pass over the logits for peaked distributions. Gumbel-max: Maddison et al. 2014, arXiv:1411.0030.
    """
    num_rows, vocab_size = logits.shape
    assert len(draws) == num_rows, f"draw_tokens: expected a draw for each of {num_rows} rows, got {len(draws)}"
    best = logits.amax(dim=-1, keepdim=True).double()
    temperature = _per_row([draw.temperature for draw in draws], logits)[:, None]
    is_within = _is_within_reach(logits, best, temperature, draws)
    seeds, paths, positions = zip(*((draw.seed, draw.path, draw.position) for draw in draws), strict=True)
    is_filtered = any(draw.is_filtered for draw in draws)
    if not is_filtered and int(is_within.count_nonzero()) * 4 > num_rows * vocab_size:
        # Most of the vocabulary is in play, and a single token's noise costs as much as a block of four.
        scores = (logits.double() - best) / temperature
        return greedy_tokens(scores + gumbel(seeds, paths, positions, vocab_size, logits.device))
    row_ids, token_ids = is_within.nonzero(as_tuple=True)
    scores = (logits[is_within].double() - best[row_ids, 0]) / temperature[row_ids, 0]
    candidates = _Candidates(row_ids, token_ids, scores)
    if is_filtered:
        candidates = _filter(candidates, draws)
    if len(candidates) == num_rows:
        return candidates.token_ids
    noise = gumbel_at(seeds, paths, positions, candidates.row_ids, candidates.token_ids)
    return _best_of_each_row(candidates, noise, num_rows)


def log_allowed_mass(logits: Tensor, bitmask: Tensor, token_ids: Tensor) -> Tensor:
    """The log of the probability that the allowed tokens have: logsumexp over them minus logsumexp over all.

    logits: [num_rows, vocab_size] float32, finite or -inf; bitmask: [num_rows, mask_words] int32, on the same device;
    token_ids: [num_rows] int64, an allowed token of each row, with a finite logit. Returns [num_rows] float64, <= 0.
    What the mask removes makes a token more likely by as much, so two log-softmaxes and a look at one token do, where
    sums of exponentials would underflow. Two passes over the logits.
    """
    masked = logits.clone()
    apply_token_bitmask(masked, bitmask)
    of_all, of_allowed = (torch.log_softmax(each, dim=-1).gather(1, token_ids[:, None]) for each in (logits, masked))
    return (of_all - of_allowed)[:, 0].double().clamp_(max=0)


def top_tokens(values: Tensor, num_tokens: int) -> Tensor:
    """Ids of a row's largest values, largest first, lowest id first among equals: [vocab_size] -> [num_tokens]."""
    num_tokens = min(num_tokens, values.shape[0])
    if num_tokens == 0:
        return torch.empty(0, dtype=torch.int64, device=values.device)
    smallest = values.topk(num_tokens).values[-1]
    token_ids = (values >= smallest).nonzero()[:, 0]
    order = values[token_ids].sort(descending=True, stable=True).indices
    return token_ids[order[:num_tokens]]


def _is_within_reach(logits: Tensor, best: Tensor, temperature: Tensor, draws: Sequence[Draw]) -> Tensor:
    """The tokens near enough to their row's best to be drawn or to weigh something: [num_rows, vocab_size] bool."""
    reach = _per_row([draw.reach for draw in draws], logits)[:, None]
    # One step down, so that rounding to float32 loses nobody; and -inf is out of any reach.
    threshold = (best - reach * temperature).float().nextafter(torch.tensor(-torch.inf, device=logits.device))
    return logits >= threshold.clamp_(min=torch.finfo(torch.float32).min)


def _filter(candidates: _Candidates, draws: Sequence[Draw]) -> _Candidates:
    """What top-k, top-p and min-p leave, in the order given."""
    num_rows = len(draws)
    device = candidates.row_ids.device
    if any(draw.top_k is not None for draw in draws):
        top_k = [len(candidates) if draw.top_k is None else draw.top_k for draw in draws]
        ones = torch.ones_like(candidates.row_ids)
        candidates = candidates.take(_is_before(candidates, ones, torch.tensor(top_k, device=device)))
    if any(draw.top_p < 1 for draw in draws):
        weights = (candidates.scores.exp() * _WEIGHT_ONE).long()
        totals = torch.zeros(num_rows, dtype=torch.int64, device=device).scatter_add_(0, candidates.row_ids, weights)
        top_p = _per_row([draw.top_p for draw in draws], candidates.scores)
        limits = torch.where(top_p < 1, (totals * top_p).ceil().long().clamp_(min=1), totals + 1)
        candidates = candidates.take(_is_before(candidates, weights, limits))
    if any(draw.min_p > 0 for draw in draws):
        min_p = _per_row([draw.min_p for draw in draws], candidates.scores)
        candidates = candidates.take(candidates.scores.exp() >= min_p[candidates.row_ids])
    return candidates


def _is_before(candidates: _Candidates, amounts: Tensor, limits: Tensor) -> Tensor:
    """Which candidates have, of their row's `amounts`, less than the row's limit before them: [num_candidates] bool.

    amounts: [num_candidates] int64; limits: [num_rows] int64, >= 1. Before a candidate come those with a higher score,
    and those with the same and a lower id. The amounts are added up by bins of the score; what is in the bin where the
    sum crosses the limit, and only that, is sorted. O(num_candidates) but for that bin.
    """
    row_ids, num_rows = candidates.row_ids, limits.shape[0]
    bins = row_ids * _NUM_BINS + (candidates.scores * -_BINS_PER_NAT).clamp_(max=_NUM_BINS - 1).long()
    bin_sums = torch.zeros(num_rows * _NUM_BINS, dtype=torch.int64, device=row_ids.device).scatter_add_(
        0, bins, amounts
    )
    ends = bin_sums.view(num_rows, _NUM_BINS).cumsum(dim=1).flatten()
    starts = ends - bin_sums
    limit = limits[row_ids]
    is_before = ends[bins] < limit
    crossing = (~is_before & (starts[bins] < limit)).nonzero()[:, 0]
    # By bin, which is by row, then score downwards, then id: candidates come by row and id, and sorts are stable.
    crossing = crossing[candidates.scores[crossing].sort(descending=True, stable=True).indices]
    crossing = crossing[bins[crossing].sort(stable=True).indices]
    # The sum runs over all rows; where it wraps, differences within a bin still come out right.
    sums = amounts[crossing].cumsum(0)
    num_in_bin = torch.bincount(row_ids[crossing], minlength=num_rows)
    first = (num_in_bin.cumsum(0) - num_in_bin)[row_ids[crossing]]
    sum_before = sums - amounts[crossing] - (sums[first] - amounts[crossing][first]) + starts[bins[crossing]]
    is_before[crossing] = sum_before < limit[crossing]
    return is_before


def _best_of_each_row(candidates: _Candidates, noise: Tensor, num_rows: int) -> Tensor:
    """The token with the highest score plus noise of each row, the lowest id among equals: [num_rows] int64."""
    row_ids, scores = candidates.row_ids, candidates.scores + noise
    best = torch.full((num_rows,), -torch.inf, dtype=torch.float64, device=scores.device)
    best.scatter_reduce_(0, row_ids, scores, "amax")
    is_best = scores == best[row_ids]
    token_ids = torch.full((num_rows,), torch.iinfo(torch.int64).max, device=scores.device)
    return token_ids.scatter_reduce_(0, row_ids[is_best], candidates.token_ids[is_best], "amin")


def _per_row(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)
