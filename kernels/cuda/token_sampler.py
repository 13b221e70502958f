"""CudaSampler: the tokens of a step, with one copy to the device before and one copy back."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..choice import Choice, Chosen
from .sample_table import SampleTable
from .sampling import SampledRows, SampleWorkspace, sample_rows


class CudaSampler:
    """Samples on a device, and keeps the work space between calls; for one stream."""

    def __init__(self, vocab_size: int, device: torch.device, block: int | None = None) -> None:
        """`block`: tokens of a chunk, see `SampleWorkspace`."""
        self._vocab_size = vocab_size
        self._device = device
        self._block = block
        self._workspace: SampleWorkspace | None = None

    def launch(self, logits: Tensor, choices: Sequence[Choice], *, is_fused: bool | None = None) -> "ChosenOnDevice":
        """See `TokenSampler.launch`. `best` is +inf also where a NaN is. `is_fused`: see `sample_rows`."""
        table = SampleTable.build(choices, self._vocab_size, self._device)
        return ChosenOnDevice(sample_rows(logits, table, self._workspace_for(len(choices)), is_fused), choices)

    def _workspace_for(self, num_rows: int) -> SampleWorkspace:
        if self._workspace is None or self._workspace.max_num_rows < num_rows:
            self._workspace = None  # its memory goes first
            size = 1 << max(num_rows - 1, 0).bit_length()
            self._workspace = SampleWorkspace(size, self._vocab_size, self._device, self._block)
        return self._workspace


class ChosenOnDevice:
    """Tokens that a device is choosing, and their copy, which is under way."""

    def __init__(self, sampled: SampledRows, choices: Sequence[Choice]) -> None:
        self._sampled = sampled
        self._choices = choices
        # Now, not when they are read: by then other work stands before a copy in the stream.
        self._copy = sampled.start_copy()

    @property
    def token_ids(self) -> Tensor:
        """See `LaunchedChoices`."""
        return self._sampled.token_ids

    def read(self) -> list[Chosen]:
        """See `LaunchedChoices`."""
        lines = self._copy.wait()
        token_ids, best, log_mass = lines.token_ids.tolist(), lines.best.tolist(), lines.log_mass.tolist()
        top_ids, top_logprobs = lines.top_ids.tolist(), lines.top_logprobs.tolist()
        chosen = []
        for row, choice in enumerate(self._choices):
            num_top = choice.num_top_logprobs
            chosen.append(
                Chosen(
                    token_ids[row],
                    best[row],
                    log_mass[row][0] if choice.wants_logprob else None,
                    tuple(zip(top_ids[row][:num_top], top_logprobs[row][:num_top], strict=True)),
                    log_mass[row][1] if choice.bitmask is not None else None,
                )
            )
        return chosen
