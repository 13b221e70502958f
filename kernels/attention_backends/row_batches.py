"""BatchedPlan: rows that are alike as one batch, over cells that are gathered: for attention that knows no pages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..attention_rows import AttentionRows
from ..upload import upload
from .host_rows import on_host
from .read_cells import read_cells
from .visible_cells import cell_slots, visible_cells

_BLOCK_LEN = 1024  # queries of a long row attended at a time, which bounds the mask
_MAX_PADDING = 2  # how many times the cells of its shortest row a batch's longest row may have


@dataclass(frozen=True)
class RowBatch:
    """Rows with as many queries each, one call of the library."""

    tokens: Tensor | None  # [num_rows, query_len] int64 of the step; None: all of it, in order
    slots: Tensor  # [num_rows, kv_len] int64
    mask: Tensor | None  # [num_rows, 1, query_len, kv_len] bool; None: all is seen, or what is causal
    is_causal: bool


Attend: TypeAlias = Callable[[RowBatch, Tensor, Tensor, Tensor, float, Tensor | None], Tensor]
"""(batch, queries, keys, values, scale, sinks) -> a tensor like the queries.

Queries are [num_rows, num_heads, query_len, head_dim], keys and values [num_rows, num_kv_heads, kv_len, head_dim].
"""


@dataclass(frozen=True)
class BatchedPlan:
    """The batches of a step."""

    batches: tuple[RowBatch, ...]
    num_tokens: int
    attend: Attend

    def run(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        scale: float,
        sinks: Tensor | None = None,
        v_scale: float = 1.0,
    ) -> Tensor:
        """See `attention.attention`."""
        assert q.shape[0] == self.num_tokens, f"q: expected {self.num_tokens} tokens, got {q.shape[0]}"
        if len(self.batches) == 1 and self.batches[0].tokens is None:
            out = self._run(self.batches[0], q, k_cache, v_cache, scale, sinks)
        else:
            out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
            for batch in self.batches:
                assert batch.tokens is not None, "one of several batches says which tokens it has"
                tokens = batch.tokens.reshape(-1)
                part = self._run(batch, q.index_select(0, tokens), k_cache, v_cache, scale, sinks)
                out.index_copy_(0, tokens, part)
        return out if v_scale == 1.0 else out.mul_(v_scale)

    def _run(
        self, batch: RowBatch, q: Tensor, k_cache: Tensor, v_cache: Tensor, scale: float, sinks: Tensor | None
    ) -> Tensor:
        queries = q.view(batch.slots.shape[0], -1, *q.shape[1:]).transpose(1, 2)
        keys, values = (read_cells(cache, batch.slots, q.dtype).transpose(1, 2) for cache in (k_cache, v_cache))
        return self.attend(batch, queries, keys, values, scale, sinks).transpose(1, 2).flatten(0, 1)


def row_batches(rows: AttentionRows, device: torch.device) -> tuple[RowBatch, ...]:
    """Put rows together that are alike. Rows with many queries are cut, so that masks stay small."""
    rows = on_host(rows)
    alike: dict[int, list[tuple[int, int]]] = {}  # query_len -> (row, first query)
    batches: list[RowBatch] = []
    for row, query_len in enumerate(rows.query_lens):
        if query_len <= _BLOCK_LEN or _is_whole(rows, row):
            alike.setdefault(query_len, []).append((row, 0))
            continue
        for start in range(0, query_len, _BLOCK_LEN):
            batches += _batches(rows, min(_BLOCK_LEN, query_len - start), [(row, start)], device)
    for query_len, members in alike.items():
        batches += _batches(rows, query_len, members, device)
    return tuple(batches)


def _is_whole(rows: AttentionRows, row: int) -> bool:
    """Whether the row is a text from its beginning, for which there need be no mask."""
    return rows.query_lens[row] == rows.kv_lens[row] and rows.ancestor_masks[row] is None and not rows.is_windowed


def _batches(
    rows: AttentionRows, query_len: int, members: Sequence[tuple[int, int]], device: torch.device
) -> Iterator[RowBatch]:
    firsts = np.cumsum((0, *rows.query_lens))
    pending = sorted(members, key=lambda span: -_kv_len(rows, span, query_len))
    while pending:
        longest = _kv_len(rows, pending[0], query_len)
        count = sum(_MAX_PADDING * _kv_len(rows, span, query_len) >= longest for span in pending)
        chosen, pending = pending[:count], pending[count:]
        slots = np.stack(
            [_padded_slots(rows, row, _kv_len(rows, (row, start), query_len), longest) for row, start in chosen]
        )
        tokens = np.stack([firsts[row] + start + np.arange(query_len) for row, start in chosen])
        is_all = tokens.size == firsts[-1] and (tokens.reshape(-1) == np.arange(tokens.size)).all()
        is_causal = query_len == longest > 1 and all(_is_whole(rows, row) for row, _ in chosen)
        mask = None if is_causal else _mask(rows, query_len, chosen, longest)
        yield RowBatch(
            None if is_all else upload(torch.from_numpy(tokens), device),
            upload(torch.from_numpy(slots), device),
            None if mask is None else upload(mask, device),
            is_causal,
        )


def _kv_len(rows: AttentionRows, span: tuple[int, int], query_len: int) -> int:
    """Cells that any query of a span may see: of its row, those up to its last query's own."""
    row, start = span
    return rows.kv_lens[row] - rows.query_lens[row] + start + query_len


def _padded_slots(rows: AttentionRows, row: int, kv_len: int, longest: int) -> NDArray[np.int64]:
    # Past its end a row's last cell stands again: memory nobody wrote may hold NaN.
    return np.pad(cell_slots(rows, row)[:kv_len], (0, longest - kv_len), mode="edge")


def _mask(rows: AttentionRows, query_len: int, members: Sequence[tuple[int, int]], longest: int) -> Tensor | None:
    masks = np.zeros((len(members), 1, query_len, longest), dtype=np.bool_)
    for index, (row, start) in enumerate(members):
        kv_len = _kv_len(rows, (row, start), query_len)
        masks[index, 0, :, :kv_len] = visible_cells(rows, row, start, start + query_len)[:, :kv_len]
    return None if masks.all() else torch.from_numpy(masks)
