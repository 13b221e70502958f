"""Attention in plain PyTorch: the path of a CPU, and the twin that other backends are checked against."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .attention_rows import AttentionRows
from .row_groups import RowGroup, group_rows

_MAX_SHORT_LEN = 32  # queries of a row up to which the scores are made as one tensor
_BLOCK_LEN = 256  # queries of a long row attended at a time, which bounds the mask


@dataclass(frozen=True)
class _Terms:
    """What makes scores of products, and weights of scores."""

    scale: float
    soft_cap: float | None
    sinks: Tensor | None  # [num_heads] float32

    def grouped_sinks(self, num_kv_heads: int, num_rows: int, query_len: int) -> Tensor | None:
        """For the queries of a group as they are stacked: [num_kv_heads, num_rows * group * query_len, 1]."""
        if self.sinks is None:
            return None
        sinks = self.sinks.view(num_kv_heads, 1, -1, 1)
        return sinks.expand(-1, num_rows, -1, query_len).reshape(num_kv_heads, -1, 1)


@dataclass(frozen=True)
class _Run:
    """Consecutive cells of one row: a view of the pool where its pages are consecutive, else a copy."""

    start: int  # of the view, or within the pages
    length: int
    page_ids: Tensor | None  # [num_pages] int64, None where the cells are one view

    def read(self, cache: Tensor) -> Tensor:
        """[length, num_kv_heads, head_dim]."""
        pages = cache if self.page_ids is None else cache.index_select(0, self.page_ids)
        return pages.view(-1, *cache.shape[2:]).narrow(0, self.start, self.length)


@dataclass(frozen=True)
class _Group:
    """Short rows attended together.

    The queries of a row and the heads of a key head's group are rows of one matrix product. The scores against the
    shared cells, where all rows' queries are stacked (as in Hydragen, Juravsky et al. 2024, arXiv:2402.05099), and
    those against each row's own cells stand side by side and go through one softmax, so nothing needs merging.
    """

    num_rows: int
    query_len: int  # of the longest row; others repeat their last token
    gather: Tensor | None  # [num_rows * query_len] int64 tokens of the batch; None: all of them, in order
    scatter: tuple[Tensor, Tensor] | None  # where tokens go in the batch, and where they are in the group
    shared: _Run | None
    own: _Run | None  # the cells of a single row
    own_cells: Tensor | None  # [num_kv_heads * num_rows * own_len] int64 in a cache of [cells * num_kv_heads, head_dim]
    bias: Tensor | None  # [num_rows, 1, query_len, own_len] float32: 0, or -inf where a query must not look

    def run(self, q: Tensor, k_cache: Tensor, v_cache: Tensor, terms: _Terms) -> Tensor:
        num_kv_heads, head_dim = k_cache.shape[2:]
        num_rows, group = self.num_rows, q.shape[1] // num_kv_heads
        num_queries = group * self.query_len
        if self.gather is not None:
            q = q.index_select(0, self.gather)
        if self.own is not None and num_queries == group:
            # One row with one token, the commonest step of all: the layout is right as it is.
            keys, values = self.own.read(k_cache).transpose(0, 1), self.own.read(v_cache).transpose(0, 1)
            scores = _scores(q.view(num_kv_heads, group, head_dim), keys, terms)
            return torch.bmm(_softmax(scores, terms.grouped_sinks(num_kv_heads, 1, 1)), values).view(1, -1, head_dim)
        # [num_kv_heads, num_rows, num_queries, head_dim]
        stacked = q.reshape(num_rows, self.query_len, num_kv_heads, group, head_dim).permute(2, 0, 3, 1, 4)
        stacked = stacked.reshape(num_kv_heads, num_rows * num_queries, head_dim)
        if self.own is not None:
            keys, values = self.own.read(k_cache).transpose(0, 1), self.own.read(v_cache).transpose(0, 1)
            own_q = stacked
        else:
            assert self.own_cells is not None, "a group of several rows has own cells"
            shape = (num_kv_heads * num_rows, -1, head_dim)
            keys = k_cache.view(-1, head_dim).index_select(0, self.own_cells).view(shape)
            values = v_cache.view(-1, head_dim).index_select(0, self.own_cells).view(shape)
            own_q = stacked.reshape(num_kv_heads * num_rows, num_queries, head_dim)
        scores = _scores(own_q, keys, terms)  # [num_kv_heads * num_rows, num_queries, own_len]
        if self.bias is not None:
            scores.view(num_kv_heads, num_rows, group, self.query_len, -1).add_(self.bias)
        sinks = terms.grouped_sinks(num_kv_heads, num_rows, self.query_len)
        if self.shared is None:
            sinks = None if sinks is None else sinks.view(*scores.shape[:2], 1)
            out = torch.bmm(_softmax(scores, sinks), values)
        else:
            prefix_scores = _scores(stacked, self.shared.read(k_cache).transpose(0, 1), terms)
            scores_of_all = torch.cat((prefix_scores, scores.view(num_kv_heads, num_rows * num_queries, -1)), -1)
            weights = _softmax(scores_of_all, sinks)
            prefix_weights, own_weights = weights[..., : self.shared.length], weights[..., self.shared.length :]
            out = torch.bmm(own_weights.reshape(scores.shape), values)
            prefix_values = self.shared.read(v_cache).transpose(0, 1)
            out = torch.baddbmm(out.view(stacked.shape), prefix_weights, prefix_values)
        out = out.view(num_kv_heads, num_rows, group, self.query_len, head_dim).permute(1, 3, 0, 2, 4)
        return out.reshape(-1, num_kv_heads * group, head_dim)


@dataclass(frozen=True)
class _Block:
    """Some queries of a long row, with the cells that any of them sees."""

    first: int  # token of the batch
    num_queries: int
    cells: _Run
    mask: Tensor | None  # [num_queries, cells] bool, None for causal from the first cell on

    def run(self, q: Tensor, k_cache: Tensor, v_cache: Tensor, terms: _Terms) -> Tensor:
        num_kv_heads, head_dim = k_cache.shape[2:]
        queries = q.narrow(0, self.first, self.num_queries).view(self.num_queries, num_kv_heads, -1, head_dim)
        queries = queries.permute(1, 2, 0, 3)
        # Keys get a dimension of stride 0 for the heads of their group: [num_kv_heads, group, num_cells, head_dim].
        shape = (num_kv_heads, queries.shape[1], self.cells.length, head_dim)
        keys = self.cells.read(k_cache).transpose(0, 1).unsqueeze(1).expand(shape)
        values = self.cells.read(v_cache).transpose(0, 1).unsqueeze(1).expand(shape)
        if terms.soft_cap is not None or terms.sinks is not None:
            out = self._weigh(queries.reshape(-1, *queries.shape[2:]), keys.flatten(0, 1), values.flatten(0, 1), terms)
            out = out.view(queries.shape)
        else:
            out = functional.scaled_dot_product_attention(
                queries, keys, values, attn_mask=self.mask, is_causal=self.mask is None, scale=terms.scale
            )
        return out.permute(2, 0, 1, 3).flatten(1, 2)  # [num_queries, num_heads, head_dim]

    def _weigh(self, queries: Tensor, keys: Tensor, values: Tensor, terms: _Terms) -> Tensor:
        """What the library's attention has no argument for. [num_heads, num_queries or cells, head_dim]."""
        scores = _scores(queries, keys, terms)
        mask = self.mask
        if mask is None:
            mask = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).tril()
        sinks = None if terms.sinks is None else terms.sinks.view(-1, 1, 1).expand(-1, self.num_queries, 1)
        return torch.bmm(_softmax(scores.masked_fill_(~mask, -torch.inf), sinks), values)


@dataclass(frozen=True)
class ReferencePlan:
    """The parts of a step, and how their results make up the batch."""

    groups: tuple[_Group, ...]
    blocks: tuple[_Block, ...]
    soft_cap: float | None

    def run(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        scale: float,
        sinks: Tensor | None = None,
        v_scale: float = 1.0,
    ) -> Tensor:
        """See `attention.attention`. A cache of another type than `q` (fp8) is converted as a whole."""
        out = self._run(q, k_cache.to(q.dtype), v_cache.to(q.dtype), _Terms(scale, self.soft_cap, sinks))
        return out if v_scale == 1.0 else out.mul_(v_scale)

    def _run(self, q: Tensor, k_cache: Tensor, v_cache: Tensor, terms: _Terms) -> Tensor:
        if not self.blocks and len(self.groups) == 1 and self.groups[0].scatter is None:
            return self.groups[0].run(q, k_cache, v_cache, terms)
        out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
        for group in self.groups:
            part = group.run(q, k_cache, v_cache, terms)
            if group.scatter is None:
                return part
            targets, sources = group.scatter
            out.index_copy_(0, targets, part if len(sources) == len(part) else part.index_select(0, sources))
        for block in self.blocks:
            out.narrow(0, block.first, block.num_queries).copy_(block.run(q, k_cache, v_cache, terms))
        return out


def plan_reference(rows: AttentionRows, device: torch.device) -> ReferencePlan:
    """Decide which rows are attended together and where their cells are."""
    return _Planner(rows, device).plan()


class _Planner:
    def __init__(self, rows: AttentionRows, device: torch.device) -> None:
        self.rows = rows
        self.device = device
        self.page_table: NDArray[np.int64] = rows.page_table.cpu().numpy()
        self.positions: NDArray[np.int64] | None = None if rows.positions is None else rows.positions.cpu().numpy()
        self.firsts = np.cumsum((0, *rows.query_lens))  # the first token of each row

    def plan(self) -> ReferencePlan:
        lens = self.rows.query_lens
        single = [row for row, query_len in enumerate(lens) if query_len == 1]
        short = [row for row, query_len in enumerate(lens) if 1 < query_len <= _MAX_SHORT_LEN]
        groups: list[_Group] = []
        for members in (single, short):
            if members and self.rows.is_windowed:
                # Where a window ends inside the rows they share no range of cells.
                groups += [self._group(RowGroup((row,), 0)) for row in members]
            elif members:
                groups += [self._group(group) for group in self._split(members)]
        blocks = [b for row, query_len in enumerate(lens) if query_len > _MAX_SHORT_LEN for b in self._blocks(row)]
        return ReferencePlan(tuple(groups), tuple(blocks), self.rows.soft_cap)

    def _split(self, members: list[int]) -> list[RowGroup]:
        rows = self.rows
        return group_rows(members, self.page_table, rows.query_lens, rows.kv_lens, rows.page_size)

    def _group(self, group: RowGroup) -> _Group:
        rows, shared_len = group.rows, group.shared_len
        query_len = max(self.rows.query_lens[row] for row in rows)
        gather, scatter = self._tokens(rows, query_len)
        own: _Run | None = None
        own_cells: Tensor | None = None
        kv_lens = np.array([self.rows.kv_lens[row] for row in rows])
        if len(rows) == 1:
            start = self._first_visible(rows[0], 0)
            own = self._run(rows[0], start, int(kv_lens[0]))
            own_len = own.length
        else:
            start = shared_len
            own_len = int(kv_lens.max()) - start
            # Cells past a row's end are its last cell again: memory nobody wrote may hold NaN.
            cells = np.minimum(start + np.arange(own_len), kv_lens[:, None] - 1)
            pages = self.page_table[np.array(rows)[:, None], cells // self.rows.page_size]
            slots = pages * self.rows.page_size + cells % self.rows.page_size  # [num_rows, own_len]
            num_kv_heads = self.rows.num_kv_heads
            own_cells = self._tensor((slots * num_kv_heads + np.arange(num_kv_heads)[:, None, None]).reshape(-1))
        return _Group(
            num_rows=len(rows),
            query_len=query_len,
            gather=gather,
            scatter=scatter,
            shared=self._run(rows[0], 0, shared_len) if shared_len else None,
            own=own,
            own_cells=own_cells,
            bias=self._bias(rows, query_len, kv_lens, start, own_len),
        )

    def _tokens(self, rows: Sequence[int], query_len: int) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
        """Which tokens of the batch the group's queries are, and where its results go."""
        if tuple(rows) == tuple(range(len(self.rows.query_lens))) and len(set(self.rows.query_lens)) == 1:
            return None, None
        firsts = self.firsts[list(rows)]
        lens = np.array([self.rows.query_lens[row] for row in rows])
        offsets = np.minimum(np.arange(query_len), lens[:, None] - 1)
        tokens = firsts[:, None] + offsets  # [num_rows, query_len]
        is_real = np.arange(query_len) < lens[:, None]
        scatter = (self._tensor(tokens[is_real]), self._tensor(np.flatnonzero(is_real)))
        return self._tensor(tokens.reshape(-1)), scatter

    def _bias(
        self, rows: Sequence[int], query_len: int, kv_lens: NDArray[np.int64], start: int, own_len: int
    ) -> Tensor | None:
        if query_len == 1:
            # A token that is alone in its row sees all of its cells, so only padding is hidden.
            if (kv_lens - start == own_len).all():
                return None
            is_seen = (start + np.arange(own_len) < kv_lens[:, None])[:, None, :]
        else:
            is_seen = np.stack([self._padded_mask(row, query_len, start, own_len) for row in rows])
        bias = np.where(is_seen, np.float32(0), np.float32(-np.inf))[:, None]
        return self._tensor(bias)

    def _padded_mask(self, row: int, query_len: int, start: int, own_len: int) -> NDArray[np.bool_]:
        num_queries, num_cells = self.rows.query_lens[row], self.rows.kv_lens[row] - start
        mask = self._mask(row, 0, num_queries, start, self.rows.kv_lens[row])
        return np.pad(
            np.pad(mask, ((0, query_len - num_queries), (0, 0)), mode="edge"), ((0, 0), (0, own_len - num_cells))
        )

    def _blocks(self, row: int) -> list[_Block]:
        query_len, kv_len = self.rows.query_lens[row], self.rows.kv_lens[row]
        first = int(self.firsts[row])
        is_causal = self.rows.ancestor_masks[row] is None and not self.rows.is_windowed
        if is_causal and query_len == kv_len:
            return [_Block(first, query_len, self._run(row, 0, kv_len), None)]
        blocks = []
        for start in range(0, query_len, _BLOCK_LEN):
            stop = min(start + _BLOCK_LEN, query_len)
            # Under an ancestor mask too, a token's ancestors come before it.
            cells = self._run(row, self._first_visible(row, start), kv_len - query_len + stop)
            mask = self._mask(row, start, stop, kv_len - query_len + stop - cells.length, kv_len - query_len + stop)
            blocks.append(_Block(first + start, stop - start, cells, self._tensor(mask)))
        return blocks

    def _position(self, row: int, query: int) -> int:
        if self.positions is not None:
            return int(self.positions[self.firsts[row] + query])
        assert self.rows.ancestor_masks[row] is None, (
            f"row {row}: expected positions with a window and a mask, got None"
        )
        return self.rows.kv_lens[row] - self.rows.query_lens[row] + query

    def _first_visible(self, row: int, first_query: int) -> int:
        """The first cell that any query of the row from `first_query` on sees."""
        if not self.rows.is_windowed:
            return 0
        assert self.rows.window is not None
        base = self.rows.kv_lens[row] - self.rows.query_lens[row]
        lowest = min(self._position(row, query) for query in range(first_query, self.rows.query_lens[row]))
        return max(0, min(lowest - self.rows.window + 1, base))

    def _mask(self, row: int, start: int, stop: int, first_cell: int, last_cell: int) -> NDArray[np.bool_]:
        """Which of the cells from `first_cell` up to `last_cell` queries `start` to `stop` of the row see."""
        query_len, kv_len = self.rows.query_lens[row], self.rows.kv_lens[row]
        base = kv_len - query_len
        cells = np.arange(first_cell, last_cell)
        ancestors = self.rows.ancestor_masks[row]
        if ancestors is None:
            mask = cells <= base + np.arange(start, stop)[:, None]
        else:
            mask = np.ones((stop - start, last_cell - first_cell), dtype=np.bool_)
            num_before = max(0, base - first_cell)
            marks = ancestors.cpu().numpy()[start:stop, max(0, first_cell - base) : last_cell - base]
            mask[:, num_before:] = marks
        if self.rows.is_windowed:
            assert self.rows.window is not None
            positions = cells.copy()  # before the row's tokens a cell's position is its index
            for query in range(max(0, first_cell - base), last_cell - base):
                positions[base + query - first_cell] = self._position(row, query)
            own = np.array([self._position(row, query) for query in range(start, stop)])
            mask &= positions > own[:, None] - self.rows.window
        return mask

    def _run(self, row: int, start: int, stop: int) -> _Run:
        page_size = self.rows.page_size
        first_page = start // page_size
        page_ids = self.page_table[row, first_page : -(-stop // page_size)]
        if len(page_ids) == 1 or (np.diff(page_ids) == 1).all():
            return _Run(int(page_ids[0]) * page_size + start - first_page * page_size, stop - start, None)
        return _Run(start - first_page * page_size, stop - start, self._tensor(page_ids.copy()))

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def _scores(q: Tensor, keys: Tensor, terms: _Terms) -> Tensor:
    # [batch, num_queries, head_dim] x [batch, num_cells, head_dim] -> [batch, num_queries, num_cells]; with beta 0
    # the first argument is not read.
    scores = torch.baddbmm(q.new_empty(()), q, keys.transpose(1, 2), beta=0, alpha=terms.scale)
    return scores if terms.soft_cap is None else scores.div_(terms.soft_cap).tanh_().mul_(terms.soft_cap)


def _softmax(scores: Tensor, sinks: Tensor | None = None) -> Tensor:
    """Of the last dimension. sinks: [batch, num_queries, 1] logits that take weight and are left out of the result."""
    if sinks is not None:
        with_sinks = torch.cat((scores.float(), sinks), -1)
        return torch.softmax(with_sinks, -1)[..., :-1].to(scores.dtype)
    if scores.dtype == torch.float32:
        return torch.softmax(scores, -1)
    return torch.softmax(scores, -1, dtype=torch.float32).to(scores.dtype)
