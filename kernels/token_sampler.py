"""TokenSampler: the port to sampling, one call a step for all of its rows."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from .choice import Choice, Chosen
from .host_sampling import sample_on_host


class _DeviceSampler(Protocol):
    def sample(self, logits: Tensor, choices: Sequence[Choice]) -> list[Chosen]: ...


class TokenSampler:
    """Samples where the logits are: on a device by one kernel, else in C where it is there, else by PyTorch.

    The tokens are the same everywhere; `cuda.sampling.sample_rows` says with which reservation.
    """

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._on_device: _DeviceSampler | None = None

    def sample(self, logits: Tensor, choices: Sequence[Choice]) -> list[Chosen]:
        """A token for each row, and what its choice wants told of it.

        logits: [num_rows, vocab_size] float32, rows contiguous; as before when this returns. Waits for the device, if
        any, once. Raises ValueError for a token id outside the vocabulary.
        """
        if not logits.is_cuda:
            return sample_on_host(logits, choices)
        if self._on_device is None:
            from .cuda.token_sampler import CudaSampler  # triton is no dependency of a CPU

            self._on_device = CudaSampler(self._vocab_size, logits.device)
        return self._on_device.sample(logits, choices)
