"""LogitEntries: the single logits of a batch that penalties, biases and bans change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .choice import Adjustments

_REPEATED, _COUNTED, _BIASED, _BANNED = range(4)


@dataclass(frozen=True, slots=True)
class _Part:
    """A change of one kind to logits of one row."""

    row: int
    kind: int
    token_ids: NDArray[np.int64]  # [num_tokens]; of repeated tokens one may come twice
    values: NDArray[np.float32]  # [num_tokens]


@dataclass(frozen=True)
class EntryTable:
    """A line for each logit that changes: to `logit / or * penalty + amount + bias`, rounded at each step."""

    token_ids: NDArray[np.int32]  # [num_entries], row after row, each once
    values: NDArray[np.float32]  # [3, num_entries]: repetition penalty, amount added for counts, bias; -inf: banned
    ends: NDArray[np.int64]  # [num_rows], where the entries of each row end


class LogitEntries:
    """What the adjustments of some rows come to: applied here, or as a table for a device to apply."""

    def __init__(self, adjustments: Sequence[Adjustments], vocab_size: int) -> None:
        """Raises ValueError for a token id outside the vocabulary."""
        self._num_rows = len(adjustments)
        self._vocab_size = vocab_size
        self._parts: list[_Part] = []
        for row, each in enumerate(adjustments):
            if each:
                self._add_row(row, each)

    def _add_row(self, row: int, each: Adjustments) -> None:
        if each.repetition_penalty != 1 and each.seen_token_ids:
            self._add(row, _REPEATED, "seen_token_ids", each.seen_token_ids, each.repetition_penalty)
        if (each.frequency_penalty or each.presence_penalty) and each.output_counts:
            counts = np.fromiter(each.output_counts.values(), np.float64, len(each.output_counts))
            amounts = -counts * each.frequency_penalty - each.presence_penalty
            self._add(row, _COUNTED, "output_counts", each.output_counts, amounts)
        if each.logit_bias:
            biases = np.fromiter(each.logit_bias.values(), np.float64, len(each.logit_bias))
            self._add(row, _BIASED, "logit_bias", each.logit_bias, biases)
        if each.banned_token_ids:
            self._add(row, _BANNED, "banned_token_ids", each.banned_token_ids, -np.inf)

    def _add(
        self, row: int, kind: int, name: str, token_ids: Collection[int], values: NDArray[np.float64] | float
    ) -> None:
        ids = np.fromiter(token_ids, np.int64, len(token_ids))
        # An id outside would reach into a neighbour's row.
        if ids.min() < 0 or ids.max() >= self._vocab_size:
            wrong = ids[(ids < 0) | (ids >= self._vocab_size)].tolist()
            raise ValueError(f"{name}: expected token ids in [0, {self._vocab_size}), got {wrong[:8]}")
        narrow = np.empty(len(ids), np.float32)
        narrow[:] = values
        self._parts.append(_Part(row, kind, ids, narrow))

    def apply(self, logits: Tensor) -> None:
        """Change `logits`, [num_rows, vocab_size] float32, contiguous, in place.

        Positive logits are divided by their penalty, the others multiplied (Keskar et al. 2019, arXiv:1909.05858).
        """
        flat = logits.view(-1)
        for kind in (_REPEATED, _COUNTED, _BIASED, _BANNED):
            parts = [part for part in self._parts if part.kind == kind]
            if not parts:
                continue
            flat_ids = np.concatenate([part.token_ids + part.row * self._vocab_size for part in parts])
            index = torch.from_numpy(flat_ids).to(logits.device)
            values = torch.from_numpy(np.concatenate([part.values for part in parts])).to(logits.device)
            if kind == _REPEATED:
                old = flat[index]
                values = torch.where(old > 0, old / values, old * values)
            elif kind != _BANNED:
                values += flat[index]
            flat[index] = values

    def table(self) -> EntryTable:
        """The same, with one entry for each logit. O(num_entries)."""
        place_of = np.empty(self._vocab_size, np.int32)  # of a row's tokens, in its part of the table
        ids: list[NDArray[np.int64]] = []
        columns: list[NDArray[np.float32]] = []
        counts = np.zeros(self._num_rows, np.int64)
        for row in sorted({part.row for part in self._parts}):
            parts = [part for part in self._parts if part.row == row]
            every = np.concatenate([part.token_ids for part in parts])
            order = np.arange(len(every), dtype=np.int32)
            place_of[every] = order
            once = every[place_of[every] == order]
            place_of[once] = order[: len(once)]
            values = np.zeros((3, len(once)), np.float32)
            values[_REPEATED] = 1.0
            for part in parts:  # a ban comes after the bias of its token, and stands
                values[min(part.kind, _BIASED), place_of[part.token_ids]] = part.values
            ids.append(once)
            columns.append(values)
            counts[row] = len(once)
        if not ids:
            return EntryTable(np.empty(0, np.int32), np.empty((3, 0), np.float32), counts)
        return EntryTable(np.concatenate(ids).astype(np.int32), np.concatenate(columns, axis=1), counts.cumsum())
