"""Choosing tokens for callers who keep no work space between calls."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..draw import Draw
from .sample_table import SampleTable
from .sampling import SampleWorkspace, sample_rows


def draw_tokens(logits: Tensor, draws: Sequence[Draw]) -> Tensor:
    """See the twin `kernels.sampling.draw_tokens`: [num_rows, vocab_size] float32 -> [num_rows] int64."""
    num_rows, vocab_size = logits.shape
    table = SampleTable.build(draws, vocab_size, logits.device)
    return sample_rows(logits, None, table, SampleWorkspace(num_rows, vocab_size, logits.device)).token_ids


def choose_tokens(rows: Sequence[tuple[Tensor, Tensor | None, Draw | None]]) -> tuple[list[int], list[float]]:
    """See the twin `kernels.sampling.choose_tokens`; waits for the device.

    rows: logits [vocab_size] float32, bitmask [mask_words] int32 on any device or None, draw or None for each. The
    best logit is +inf also where a NaN is.
    """
    logits = torch.stack([row for row, _, _ in rows])
    num_rows, vocab_size = logits.shape
    masks = [mask for _, mask, _ in rows if mask is not None]
    bitmask: Tensor | None = None
    if masks:
        nothing = torch.zeros_like(masks[0])
        bitmask = torch.stack([nothing if mask is None else mask for _, mask, _ in rows]).to(logits.device)
    has_mask = [mask is not None for _, mask, _ in rows]
    table = SampleTable.build([draw for _, _, draw in rows], vocab_size, logits.device, has_mask)
    out = sample_rows(logits, bitmask, table, SampleWorkspace(num_rows, vocab_size, logits.device))
    return out.token_ids.tolist(), out.best.tolist()
