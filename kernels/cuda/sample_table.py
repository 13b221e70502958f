"""SampleTable: how each row of a batch is sampled, as tensors for the device."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..draw import Draw

_NUM_FIELDS = 12
_LAST_LISTED_BIN = 510  # of 512; see `sample_phases`
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 1e-6, 1e6
"""Outside of these the estimates in float32 prove nothing, and every number is made in float64."""


@dataclass(frozen=True, slots=True)
class Adjustments:
    """What happens to single logits of a row before its mask, in this order; a banned token's bias is -inf."""

    repetition_penalties: Mapping[int, float] = field(default_factory=dict)  # by token id
    count_penalties: Mapping[int, float] = field(default_factory=dict)  # added: minus what was counted
    biases: Mapping[int, float] = field(default_factory=dict)  # added

    def token_ids(self) -> list[int]:
        """All tokens that change, each once."""
        return list(dict.fromkeys((*self.repetition_penalties, *self.count_penalties, *self.biases)))


_NOTHING = Adjustments()


@dataclass(frozen=True)
class SampleTable:
    """The rows of one call; made on the CPU, copied without waiting where the memory is pinned."""

    rows: Tensor  # [num_rows, 12] int64, the fields named in `sample_phases`
    entry_ids: Tensor  # [num_entries] int32, row after row
    entry_values: Tensor  # [3, num_entries] float32: repetition penalty, count penalty, bias
    has_mask: bool  # whether a row has one
    has_ranks: bool  # whether a row has top-k or top-p
    is_greedy: bool  # whether every row is

    @classmethod
    def build(
        cls,
        draws: Sequence[Draw | None],
        vocab_size: int,
        device: torch.device,
        has_mask: Sequence[bool] | None = None,
        adjustments: Sequence[Adjustments] = (),
    ) -> "SampleTable":
        """A draw of None takes the most likely token. Raises ValueError for a token id outside the vocabulary."""
        num_rows = len(draws)
        rows = np.zeros((num_rows, _NUM_FIELDS), dtype=np.int64)
        reals = rows.view(np.float64)
        ids: list[int] = []
        values: list[tuple[float, float, float]] = []
        for row, draw in enumerate(draws):
            adjusted = adjustments[row] if adjustments else _NOTHING
            rows[row, 7] = len(ids)
            for token_id in adjusted.token_ids():
                if not 0 <= token_id < vocab_size:
                    raise ValueError(f"row {row}: expected token ids in [0, {vocab_size}), got {token_id}")
                ids.append(token_id)
                values.append(
                    (
                        adjusted.repetition_penalties.get(token_id, 1.0),
                        adjusted.count_penalties.get(token_id, 0.0),
                        adjusted.biases.get(token_id, 0.0),
                    )
                )
            rows[row, 8] = len(ids)
            rows[row, 9] = has_mask is not None and has_mask[row]
            if draw is not None:
                _fill(rows[row], reals[row], draw, vocab_size)
        entry_values = np.array(values, dtype=np.float32).reshape(-1, 3).T
        drawn = [draw for draw in draws if draw is not None]
        return cls(
            _to_device(torch.from_numpy(rows), device),
            _to_device(torch.tensor(ids, dtype=torch.int32), device),
            _to_device(torch.from_numpy(np.ascontiguousarray(entry_values)), device),
            has_mask is not None and any(has_mask),
            any(draw.top_k is not None or draw.top_p < 1 for draw in drawn),
            not drawn,
        )


def _fill(
    fields: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    reals: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    draw: Draw,
    vocab_size: int,
) -> None:
    reals[0], reals[1], reals[2] = draw.temperature, draw.top_p, draw.min_p
    fields[3] = vocab_size if draw.top_k is None else min(draw.top_k, vocab_size)
    fields[4:6] = np.array((draw.seed, draw.path), dtype=np.uint64).view(np.int64)
    fields[6] = draw.position
    # One bin more than min-p's own distance, since the bins are made in float32.
    bins = _LAST_LISTED_BIN if draw.min_p <= 0 else min(_LAST_LISTED_BIN, int(-math.log(draw.min_p) * 16) + 1)
    is_extreme = not _MIN_TEMPERATURE <= draw.temperature <= _MAX_TEMPERATURE
    fields[10] = _LAST_LISTED_BIN if is_extreme else bins
    fields[11] = is_extreme


def _to_device(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
