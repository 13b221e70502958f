"""A device that computes nothing and takes its time: what is launched on it is done when a real one would be done."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from palmette.kernels.choice import Chosen
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.models.batch import Batch
from palmette.runtime.sampler import Sampler, SampleRow, Sampling


class PretendDevice:
    """One stream: launches are done one after the other, each after its own time; only who waits, waits."""

    def __init__(self) -> None:
        self._done_at = 0.0
        self.busy_s = 0.0

    def launch(self, seconds: float) -> float:
        """One more thing to do; returns when it will have been done."""
        self._done_at = max(time.perf_counter(), self._done_at) + seconds
        self.busy_s += seconds
        return self._done_at

    @staticmethod
    def wait(done_at: float) -> None:
        """Sleep until then, without Python's lock, as a wait for a CUDA event does."""
        remaining = done_at - time.perf_counter()
        if remaining > 0:
            time.sleep(remaining)


class PretendModel:
    """Its logits are zeros, which nobody looks at."""

    def __init__(self, device: PretendDevice, vocab_size: int, pass_s: float) -> None:
        """`pass_s`: seconds of a pass, whatever is in it."""
        self.vocab_size = vocab_size
        self._device = device
        self._pass_s = pass_s
        self._logits = torch.zeros(0, vocab_size)

    def forward(self, batch: Batch, kv_pool: KVPool) -> Tensor:  # noqa: ARG002 - the port has it
        """See `Model`."""
        if len(batch.logit_indices) > len(self._logits):
            self._logits = torch.zeros(len(batch.logit_indices), self.vocab_size)
        self._device.launch(self._pass_s)
        return self._logits[: len(batch.logit_indices)]


class PretendSampler(Sampler):
    """Takes a token that is allowed, from the middle of those that are."""

    def __init__(self, device: PretendDevice, vocab_size: int, sample_s: float) -> None:
        """`sample_s`: seconds that all rows of a step take together."""
        super().__init__(vocab_size)
        self._device = device
        self._sample_s = sample_s

    def launch(self, logits: Tensor, rows: Sequence[SampleRow]) -> Sampling:  # noqa: ARG002 - as above
        """See `Sampler`."""
        chosen = [Chosen(_allowed(row, self.vocab_size), 0.0) for row in rows]
        return Sampling(_Later(chosen, self._device.launch(self._sample_s)))


class _Later:
    def __init__(self, chosen: list[Chosen], done_at: float) -> None:
        self._chosen = chosen
        self._done_at = done_at
        self.token_ids = torch.tensor([each.token_id for each in chosen], dtype=torch.int64)

    def read(self) -> list[Chosen]:
        PretendDevice.wait(self._done_at)
        return self._chosen


def _allowed(row: SampleRow, vocab_size: int) -> int:
    """Of a row without a mask any token; else one from a word of the mask that has some, the same for the same mask."""
    if row.bitmask is None:
        return 5 + row.position % (vocab_size - 5)
    words = row.bitmask.numpy()
    found = words.nonzero()[0]
    index = int(found[len(found) // 2])
    word = int(words[index]) & 0xFFFFFFFF
    return 32 * index + (word & -word).bit_length() - 1
