"""StaticInputs: the inputs of a recorded pass, at addresses that stay."""

import torch

from ...kernels.upload import upload_into
from ..models.batch import Batch
from ..models.pass_inputs import PassInputs


class StaticInputs:
    """One buffer for all that a pass of `num_tokens` tokens reads of its batch; every pass writes all of it."""

    inputs: PassInputs

    def __init__(self, num_tokens: int, device: torch.device) -> None:
        self._buffer = torch.zeros(4 * num_tokens, dtype=torch.int64, device=device)
        self.inputs = PassInputs(*torch.split(self._buffer, num_tokens))

    def fill(self, batch: Batch) -> None:
        """Send the batch, with as many wanted logits as tokens: one copy, from pinned memory, and no wait for it."""
        parts = (batch.token_ids, batch.positions, batch.slots, batch.logit_indices)
        lens = [len(part) for part in parts]
        expected = len(self._buffer) // 4
        assert lens == [expected] * 4, f"expected {expected} tokens, and logits wanted of as many, got {lens}"
        upload_into(self._buffer, parts)
        if batch.late_token_ids is not None:
            self._buffer[: len(batch.late_token_ids)].copy_(batch.late_token_ids)
