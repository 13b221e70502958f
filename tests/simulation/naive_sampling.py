"""One token, picked step by step from the logits of one row, with nothing of the sampler but the noise."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palmette.kernels.philox import gumbel
from palmette.lang.sampling_params import SamplingParams

_WEIGHT_ONE = 2**40


@dataclass(frozen=True)
class Place:
    """Where a token stands, which is what its noise depends on."""

    seed: int
    path: int
    position: int


def pick_token(
    logits: npt.NDArray[np.float32],
    params: SamplingParams,
    place: Place,
    *,
    allowed: npt.NDArray[np.bool_] | None,
    banned: Collection[int],
    counts: Mapping[int, int],
    seen: Collection[int],
) -> int:
    """The token after [vocab_size] `logits`. `counts`: of what was generated; `seen`: that, and the prompt."""
    one = np.float32
    values = logits.copy()
    for token_id in seen:
        value, penalty = values[token_id], one(params.repetition_penalty)
        values[token_id] = value / penalty if value > 0 else value * penalty
    for token_id, count in counts.items():
        values[token_id] += one(-count * params.frequency_penalty - params.presence_penalty)
    for token_id, bias in params.logit_bias.items():
        values[token_id] += one(bias)
    if allowed is not None:
        values[~allowed] = -np.inf
    values[list(banned)] = -np.inf
    if params.temperature == 0:
        return int(values.argmax())
    scores = (values.astype(np.float64) - float(values.max())) / params.temperature
    noise = gumbel([place.seed], [place.path], [place.position], len(values))[0].numpy()
    return max(_kept(scores, params), key=lambda token_id: (scores[token_id] + noise[token_id], -token_id))


def _kept(scores: npt.NDArray[np.float64], params: SamplingParams) -> list[int]:
    """What top-k, top-p and min-p leave, one after the other."""
    kept = sorted(np.flatnonzero(scores > -np.inf).tolist(), key=lambda token_id: (-scores[token_id], token_id))
    if params.top_k is not None:
        kept = kept[: params.top_k]
    if params.top_p < 1:
        weights = [int(np.exp(scores[token_id]) * _WEIGHT_ONE) for token_id in kept]
        limit = max(1, int(np.ceil(sum(weights) * params.top_p)))
        kept = [token_id for index, token_id in enumerate(kept) if sum(weights[:index]) < limit]
    return [token_id for token_id in kept if np.exp(scores[token_id]) >= params.min_p]
