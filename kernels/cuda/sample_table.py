"""SampleTable: how each row of a batch is sampled, as tensors for the device that came there in one copy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..choice import Choice
from ..draw import Draw
from ..logit_entries import LogitEntries
from ..token_bitmask import mask_words

_NUM_FIELDS = 13
_LAST_LISTED_BIN = 510  # of 512; see `sample_row`
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 1e-6, 1e6
"""Outside of these the estimates in float32 prove nothing, and every number is made in float64."""
_ALIGNMENT = 16  # bytes: what triton takes for granted of a pointer, if it holds at the first launch


@dataclass(frozen=True)
class SampleTable:
    """The rows of one call."""

    rows: Tensor  # [num_rows, 13] int64, the fields named in `sample_row`
    entry_ids: Tensor  # [num_entries] int32, row after row
    entry_values: Tensor  # [3, num_entries] float32: see `EntryTable`
    bitmasks: Tensor  # [num_masks, mask_words] int32, of the rows that have one
    has_ranks: bool  # whether a row has top-k or top-p
    is_greedy: bool  # whether every row is
    has_report: bool  # whether more than a token and its best logit is wanted of a row
    num_top: int  # most likely tokens wanted of a row, at most

    @classmethod
    def build(cls, choices: Sequence[Choice], vocab_size: int, device: torch.device) -> "SampleTable":
        """The table, on its way to the device: nobody waits. Raises ValueError for a token id outside the vocabulary.

        The masks lie on the CPU.
        """
        num_rows = len(choices)
        entries = LogitEntries([choice.adjustments for choice in choices], vocab_size).table()
        rows = np.zeros((num_rows, _NUM_FIELDS), dtype=np.int64)
        rows[:, 8] = entries.ends
        rows[1:, 7] = rows[:-1, 8]
        masks: list[Tensor] = []
        for row, choice in enumerate(choices):
            if choice.bitmask is not None:
                masks.append(choice.bitmask)
                rows[row, 9] = len(masks)
            rows[row, 12] = min(choice.num_top_logprobs, vocab_size)
            if choice.draw is not None:
                _fill(rows[row], choice.draw, vocab_size)
        num_words = mask_words(vocab_size)
        stacked = torch.stack(masks) if masks else torch.empty((0, num_words), dtype=torch.int32)
        assert stacked.dtype == torch.int32, f"SampleTable: expected int32 masks, got {stacked.dtype}"
        assert stacked.shape[1] == num_words, (
            f"SampleTable: expected masks of {num_words} words, got {stacked.shape[1]}"
        )
        parts = _to_device((rows, entries.token_ids, entries.values, stacked.numpy()), device)
        draws = [choice.draw for choice in choices if choice.draw is not None]
        return cls(
            parts[0].view(torch.int64).view(rows.shape),
            parts[1],
            parts[2].view(torch.float32).view(entries.values.shape),
            parts[3].view(stacked.shape),
            any(draw.top_k is not None or draw.top_p < 1 for draw in draws),
            not draws,
            bool(masks) or any(choice.wants_logprob or choice.num_top_logprobs for choice in choices),
            int(rows[:, 12].max(initial=0)),
        )


def _fill(fields: NDArray[np.int64], draw: Draw, vocab_size: int) -> None:
    fields[:3].view(np.float64)[:] = draw.temperature, draw.top_p, draw.min_p
    fields[3] = vocab_size if draw.top_k is None else min(draw.top_k, vocab_size)
    fields[4:6] = np.array((draw.seed, draw.path), dtype=np.uint64).view(np.int64)
    fields[6] = draw.position
    # One bin more than min-p's own distance, since the bins are made in float32.
    bins = _LAST_LISTED_BIN if draw.min_p <= 0 else min(_LAST_LISTED_BIN, int(-math.log(draw.min_p) * 16) + 1)
    is_extreme = not _MIN_TEMPERATURE <= draw.temperature <= _MAX_TEMPERATURE
    fields[10] = _LAST_LISTED_BIN if is_extreme else bins
    fields[11] = is_extreme


def _to_device(arrays: Sequence[NDArray[Any]], device: torch.device) -> list[Tensor]:
    """The arrays' bits as int32 on the device, each where a pointer is aligned; copied from pinned memory, at once."""
    words = [array.reshape(-1).view(np.int32) for array in arrays]
    step = _ALIGNMENT // 4
    starts = np.cumsum([0, *(-(-len(each) // step) * step for each in words)]).tolist()
    host = torch.empty(max(starts[-1], step), dtype=torch.int32, pin_memory=device.type == "cuda")
    for start, each in zip(starts, words, strict=False):
        host.numpy()[start : start + len(each)] = each
    there = host.to(device, non_blocking=True)
    return [there[start : start + len(each)] for start, each in zip(starts, words, strict=False)]
