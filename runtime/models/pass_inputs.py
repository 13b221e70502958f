"""PassInputs: what the layers of a forward pass read of its batch, on the model's device."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels.upload import upload_joined
from .batch import Batch


@dataclass(frozen=True)
class PassInputs:
    """The tokens of a batch, sent together; what attention must know is in its plan."""

    token_ids: Tensor  # [num_tokens] int64
    positions: Tensor  # [num_tokens] int64
    slots: Tensor  # [num_tokens] int64
    logit_indices: Tensor | None  # [num_wanted] int64; None: all tokens, in order

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> "PassInputs":
        """Send them: one copy, from pinned memory, and no wait for it. On a CPU they are the batch's own."""
        wants_all = len(batch.logit_indices) == batch.num_tokens
        parts = (batch.token_ids, batch.positions, batch.slots, *(() if wants_all else (batch.logit_indices,)))
        token_ids, positions, slots, *wanted = upload_joined(parts, device)
        if batch.late_token_ids is not None:
            token_ids = torch.cat((batch.late_token_ids, token_ids[len(batch.late_token_ids) :]))
        return cls(token_ids, positions, slots, None if wants_all else wanted[0])
