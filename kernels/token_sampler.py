"""TokenSampler: the port to sampling, one call a step for all of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .choice import Choice, Chosen
from .host_sampling import sample_on_host


class LaunchedChoices(Protocol):
    """Tokens that are being chosen."""

    @property
    def token_ids(self) -> Tensor:
        """[num_rows] int64 where the logits are, for what is launched next; in the vocabulary, chosen or not."""
        ...

    def read(self) -> list[Chosen]:
        """Wait for the device, if any, and for nothing that was launched after this; once."""
        ...


@dataclass(frozen=True)
class ChosenOnHost:
    """Tokens that were chosen at once."""

    chosen: list[Chosen]

    @property
    def token_ids(self) -> Tensor:
        """See `LaunchedChoices`."""
        # C says -1 where there is no token.
        return torch.tensor([max(0, each.token_id) for each in self.chosen], dtype=torch.int64)

    def read(self) -> list[Chosen]:
        """See `LaunchedChoices`."""
        return self.chosen


class _DeviceSampler(Protocol):
    def launch(self, logits: Tensor, choices: Sequence[Choice]) -> LaunchedChoices: ...


class TokenSampler:
    """Samples where the logits are: on a device by one kernel, else in C where it is there, else by PyTorch.

    The tokens are the same everywhere; `cuda.sampling.sample_rows` says with which reservation.
    """

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._on_device: _DeviceSampler | None = None

    def launch(self, logits: Tensor, choices: Sequence[Choice]) -> LaunchedChoices:
        """Choose a token for each row, and what its choice wants told of it.

        logits: [num_rows, vocab_size] float32, rows contiguous; as before when the tokens have been chosen. Waits for
        no device. Raises ValueError for a token id outside the vocabulary.
        """
        if not logits.is_cuda:
            return ChosenOnHost(sample_on_host(logits, choices))
        if self._on_device is None:
            from .cuda.token_sampler import CudaSampler  # triton is no dependency of a CPU

            self._on_device = CudaSampler(self._vocab_size, logits.device)
        return self._on_device.launch(logits, choices)

    def sample(self, logits: Tensor, choices: Sequence[Choice]) -> list[Chosen]:
        """Launch, and read."""
        return self.launch(logits, choices).read()
