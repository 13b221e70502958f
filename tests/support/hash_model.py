"""A model whose KV cells are integer hashes: whatever reads a wrong page, depth or order changes its output exactly."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from palmette.runtime.batch import Batch
from palmette.runtime.cache.kv_pool import KVLayout, KVPool

Words = npt.NDArray[np.uint64]

LAYOUT = KVLayout(num_layers=1, num_kv_heads=1, head_dim=1, dtype=torch.int64)


def mix(words: Words) -> Words:
    """A bijection of 64-bit words that spreads every bit (the finaliser of SplitMix64, Steele et al. 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def cell(token_id: int, position: int, previous: int) -> int:
    """The cell of a token: a hash of it, its depth and the cell before it."""
    words = np.array([token_id + (position << 32)], dtype=np.uint64) ^ np.array([previous], dtype=np.uint64)
    return int(mix(mix(words) + np.uint64(0x9E3779B97F4A7C15))[0])


def logits_of(cells: Words, vocab_size: int) -> npt.NDArray[np.float32]:
    """Logits after a token that sees `cells`: [vocab_size], from the hash of them all."""
    state = mix(cells).sum(dtype=np.uint64)
    words = mix(np.arange(vocab_size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + state)
    return ((words >> np.uint64(40)).astype(np.float32) / np.float32(2**24)) * np.float32(8.0)


def naive_logits(token_ids: list[int], vocab_size: int) -> npt.NDArray[np.float32]:
    """The oracle: logits after a text, from nothing but its tokens."""
    cells: list[int] = []
    for position, token_id in enumerate(token_ids):
        cells.append(cell(token_id, position, cells[-1] if cells else 0))
    return logits_of(np.array(cells, dtype=np.uint64), vocab_size)


class HashModel:
    """Reads and writes its cells through slots and page tables, as a real model does."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.failures: list[Exception] = []
        """Raised by the next forward passes, one each."""

    def forward(self, batch: Batch, kv_pool: KVPool) -> Tensor:
        """See `Model`."""
        if self.failures:
            raise self.failures.pop(0)
        memory = kv_pool.cells.view(-1)[: kv_pool.num_pages * kv_pool.page_size]  # [num_slots]: layer 0, keys
        seen_by: list[Words] = []
        token = 0
        for row, (query_len, kv_len) in enumerate(zip(batch.query_lens, batch.kv_lens, strict=True)):
            offsets = torch.arange(kv_len)
            slots = (
                batch.page_table[row, offsets // kv_pool.page_size] * kv_pool.page_size + offsets % kv_pool.page_size
            )
            start = kv_len - query_len
            mask = batch.ancestor_masks[row]
            for index in range(query_len):
                visible = torch.arange(start + index)
                if mask is not None:
                    visible = torch.cat([torch.arange(start), start + mask[index, :index].nonzero()[:, 0]])
                before = memory[slots[visible]].numpy().view(np.uint64)
                previous = int(before[-1]) if len(before) else 0
                own = cell(int(batch.token_ids[token]), int(batch.positions[token]), previous)
                assert int(batch.slots[token]) == int(slots[start + index]), "a token is written where it is not read"
                memory[batch.slots[token]] = int(np.array([own], dtype=np.uint64).view(np.int64)[0])
                seen_by.append(np.append(before, np.uint64(own)))
                token += 1
        wanted = [logits_of(seen_by[index], self.vocab_size) for index in batch.logit_indices.tolist()]
        return torch.from_numpy(np.stack(wanted)) if wanted else torch.zeros(0, self.vocab_size)
