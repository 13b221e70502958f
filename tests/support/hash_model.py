"""A model whose KV cells are integer hashes: whatever reads a wrong page, depth or order changes its output exactly."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.models.batch import Batch
from palmette.runtime.models.pass_inputs import PassInputs

Words = npt.NDArray[np.uint64]

CPU = torch.device("cpu")

LAYOUT = KVLayout(num_layers=1, num_kv_heads=1, head_dim=1, dtype=torch.int64)

_WORD = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_STEP = 0xD1342543DE82EF95  # odd: the cell before is never lost
_VALUE = 0xAF251AF3B0F025B4  # even: key + value = key * odd
_FOLD = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # the multipliers of SplitMix64 (Steele et al. 2014)


# --- one number at a time, from nothing but the text


def mix(word: int) -> int:
    """A bijection of 64-bit words that spreads every bit."""
    word = (word ^ (word >> 32)) * _FOLD[0] & _WORD
    word = (word ^ (word >> 29)) * _FOLD[1] & _WORD
    return word ^ (word >> 32)


def cell(token_id: int, position: int, previous: int) -> int:
    """The key of a token's cell: a hash of it, its depth, and the cell before it, which hashes all before that."""
    return (mix(token_id + (position << 32) + _GOLDEN & _WORD) + _STEP * previous) & _WORD


def naive_logits(token_ids: Sequence[int], vocab_size: int) -> npt.NDArray[np.float32]:
    """The oracle: logits after a text, [vocab_size], from nothing but its tokens."""
    previous = state = 0
    for position, token_id in enumerate(token_ids):
        previous = cell(token_id, position, previous)
        value = previous * _VALUE & _WORD
        state += mix(previous + value + position * _GOLDEN & _WORD)
    return _logits(np.array([state & _WORD], dtype=np.uint64), vocab_size)[0]


# --- many at once, through slots and page tables


class HashModel:
    """Reads and writes its cells where a real model does; its logits are a hash of all cells read for a row, in order.

    The key of a cell is a polynomial hash, cell = mix(token, position) + STEP * previous (mod 2**64), so that a chunk
    is a prefix sum and no loop (Karp and Rabin 1987). Its value is another multiple of it; both are read back for
    every cell, together with the depth they are found at, so a cell that is stale, moved, or copied in part shows.
    Runs on a CPU.
    """

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.failures: list[Exception] = []
        """Raised by the next forward passes, one each."""
        self.on_pass: Callable[[Batch], None] | None = None
        """Is told of every pass before it is made or fails."""

    def forward(self, batch: Batch, kv_pool: KVPool) -> Tensor:
        """See `Model`."""
        if self.on_pass is not None:
            self.on_pass(batch)
        if self.failures:
            raise self.failures.pop(0)
        cells = kv_pool.cells.view(2, -1).numpy().view(np.uint64)  # [2, num_slots]: layer 0, keys and values
        rows = _Rows(batch, kv_pool.page_size)
        keys = rows.own_keys(cells[0])
        written = batch.slots.numpy()
        assert np.array_equal(written, rows.own_slots), (
            f"expected cells to be written where they are read, {rows.own_slots.tolist()}, got {written.tolist()}"
        )
        cells[0, written] = keys
        cells[1, written] = keys * np.uint64(_VALUE)
        wanted = batch.logit_indices.numpy()
        if not len(wanted):
            return torch.zeros(0, self.vocab_size)
        return torch.from_numpy(_logits(rows.states(cells, wanted), self.vocab_size))


class _Rows:
    """A batch as arrays."""

    def __init__(self, batch: Batch, page_size: int) -> None:
        self._batch = batch
        query_lens = np.array(batch.query_lens, dtype=np.int64)
        self._starts = np.array(batch.kv_lens, dtype=np.int64) - query_lens  # [num_rows] cells before the row's tokens
        self._firsts = np.cumsum(query_lens) - query_lens  # [num_rows] index of the row's first token
        self._row_of = np.repeat(np.arange(len(query_lens)), query_lens)  # [num_tokens]
        self._indices = np.arange(batch.num_tokens) - self._firsts[self._row_of]  # [num_tokens] within the row
        depths = np.arange(max(batch.kv_lens))
        pages = batch.page_table.numpy()[:, depths // page_size]
        self._slots = pages * page_size + depths % page_size  # [num_rows, max_kv_len]
        self._salts = depths.astype(np.uint64) * np.uint64(_GOLDEN)  # [max_kv_len]
        self.own_slots = self._slots[self._row_of, self._starts[self._row_of] + self._indices]  # [num_tokens]

    def own_keys(self, keys: Words) -> Words:
        """[num_tokens] the keys of the cells to write, from those before them in `keys`, [num_slots]."""
        batch, starts = self._batch, self._starts
        last_slots = self._slots[np.arange(len(starts)), np.maximum(starts - 1, 0)]
        previous = np.where(starts > 0, keys[last_slots], np.uint64(0))  # [num_rows]
        token_ids = PassInputs.of(batch, CPU).token_ids.numpy().view(np.uint64)
        positions = batch.positions.numpy().view(np.uint64)
        own = _mix(token_ids + (positions << np.uint64(32)) + np.uint64(_GOLDEN))
        powers, inverses = _powers(int(self._indices.max()) + 1)
        sums = np.cumsum(own * inverses[self._indices])
        before = np.append(np.uint64(0), sums)[self._firsts]  # [num_rows] sums of the rows before
        found = powers[self._indices] * (sums + (previous * np.uint64(_STEP) - before)[self._row_of])
        for row, mask in enumerate(batch.ancestor_masks):
            if mask is not None:
                first = self._firsts[row]
                part = slice(first, first + batch.query_lens[row])
                found[part] = _tree_keys(own[part], int(previous[row]), mask.numpy())
        return found

    def states(self, cells: Words, wanted: npt.NDArray[np.int64]) -> Words:
        """[num_wanted] the hash of all that each wanted token sees in `cells`, [2, num_slots]."""
        seen = cells[0][self._slots] + cells[1][self._slots]  # [num_rows, max_kv_len]
        sums = np.cumsum(_mix(seen + self._salts), axis=1)
        rows, indices = self._row_of[wanted], self._indices[wanted]
        states = sums[rows, self._starts[rows] + indices]
        for number, (row, index) in enumerate(zip(rows.tolist(), indices.tolist(), strict=True)):
            mask = self._batch.ancestor_masks[row]
            if mask is None:
                continue
            start = int(self._starts[row])
            (visible,) = mask.numpy()[index, : index + 1].nonzero()
            in_tree = _mix(seen[row, start + visible] + self._salts[start : start + len(visible)])
            before = int(sums[row, start - 1]) if start else 0
            states[number] = (int(in_tree.sum(dtype=np.uint64)) + before) & _WORD
        return states


def _tree_keys(own: Words, previous: int, mask: npt.NDArray[np.bool_]) -> Words:
    """The keys of a row's tokens under an ancestor mask, [query_len]: the cell before is the last that a token sees."""
    keys: list[int] = []
    for index, word in enumerate(own.tolist()):
        (visible,) = mask[index, :index].nonzero()
        before = keys[visible[-1]] if len(visible) else previous
        keys.append((word + _STEP * before) & _WORD)
    return np.array(keys, dtype=np.uint64)


def _logits(states: Words, vocab_size: int) -> npt.NDArray[np.float32]:
    """Logits in [0, 8) from the hash of what was seen: [num_wanted] -> [num_wanted, vocab_size]."""
    token_ids = np.arange(vocab_size, dtype=np.uint64)
    words = _mix(states[:, None] + token_ids * np.uint64(_GOLDEN))
    return (words >> np.uint64(40)).astype(np.float32) * np.float32(8 / 2**24)


def _mix(words: Words) -> Words:
    """`mix` of each."""
    words = (words ^ (words >> np.uint64(32))) * np.uint64(_FOLD[0])
    words ^= words >> np.uint64(29)
    words *= np.uint64(_FOLD[1])
    words ^= words >> np.uint64(32)
    return words


def _powers(num_wanted: int) -> tuple[Words, Words]:
    """STEP ** i and STEP ** -i modulo 2**64, for i below `num_wanted` at least."""
    return _table_of_powers(max(64, 1 << (num_wanted - 1).bit_length()))


@cache
def _table_of_powers(size: int) -> tuple[Words, Words]:
    factors = np.full((2, size), _STEP, dtype=np.uint64)
    factors[1] = pow(_STEP, -1, 2**64)
    factors[:, 0] = 1
    powers, inverses = np.cumprod(factors, axis=1)
    return powers, inverses
