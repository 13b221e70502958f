"""AttentionGraphPlan: a plan whose launches stay the same from step to step, so that a CUDA graph can hold them."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..attention_rows import AttentionRows
from ..graph_bounds import GraphBounds, StepTooLarge
from ..upload import upload as upload_tensor
from .attention_config import block_rows
from .attention_item import ITEM_LEN
from .attention_launch import PagedAttentionPlan
from .attention_plan import AttentionOptions, HostPlan, TileLimits, num_programs, plan_on_host, send
from .attention_tape import fill, upload


class AttentionGraphPlan:
    """`plan` is captured; `update` writes another step into its tables. No prefix is shared in it.

    The tables have room for the longest rows, and a kernel that finds an empty place in one does nothing.
    """

    plan: PagedAttentionPlan

    def __init__(
        self, rows: AttentionRows, device: torch.device, bounds: GraphBounds, options: AttentionOptions
    ) -> None:
        """`rows` are those of the step that is captured: they tell whether there are trees, a window or a cap."""
        assert rows.num_heads is not None, "rows.num_heads: expected the number of query heads, got None"
        assert rows.head_dim is not None, "rows.head_dim: expected the numbers of a head, got None"
        self._device = device
        self._bounds = bounds
        self._options = replace(options, sharing="never")
        self._num_tokens = sum(rows.query_lens)
        self._sizes = self._table_sizes(rows, rows.num_heads // rows.num_kv_heads, rows.head_dim)
        host = self._padded(rows)
        self._tables = upload(host.tables, device)
        self.plan = send(host, device, self._tables)

    def update(self, rows: AttentionRows) -> None:
        """Make `rows`, whose number of tokens is the captured one, what `plan` attends from here on.

        Raises StepTooLarge, and leaves the plan as it was, where the rows are not within the bounds.
        """
        fill(self._tables, self._padded(rows).tables)
        if self.plan.positions is not None:
            assert rows.positions is not None, "positions: expected them with a window and trees, got None"
            self.plan.positions.copy_(upload_tensor(rows.positions, self._device), non_blocking=True)

    def _table_sizes(self, rows: AttentionRows, group: int, head_dim: int) -> dict[str, tuple[int, ...]]:
        bounds, options = self._bounds, self._options
        most = 64 if options.is_deterministic else bounds.max_query_len * group
        self._block_m = block_rows(most, group, head_dim)
        tile_tokens = min(self._block_m // group, bounds.max_query_len)
        has_trees = any(mask is not None for mask in rows.ancestor_masks)
        # No tile is without a token.
        num_tiles = min(self._num_tokens, bounds.num_rows * (-(-bounds.max_query_len // tile_tokens) + has_trees))
        if options.is_deterministic:
            # A node of a tree is a tile of its own, after one for each split before it.
            num_splits = -(-bounds.max_kv_len // options.split_len)
            num_items = num_tiles * num_splits + has_trees * 2 * self._num_tokens
        else:
            num_items = num_tiles + 2 * -(-num_programs(self._device) // rows.num_kv_heads)
        sizes: dict[str, tuple[int, ...]] = {
            f"items {self._block_m}": (num_items, ITEM_LEN),
            "page_table": (bounds.num_rows, -(-bounds.max_kv_len // rows.page_size)),
            "tokens": (self._num_tokens,),
            "offsets": (self._num_tokens + 1,),
            "slots": (num_items * tile_tokens,),
        }
        if has_trees and options.is_deterministic:
            sizes["paths"] = (self._num_tokens * bounds.max_query_len,)
        elif has_trees:
            sizes["masks"] = (self._num_tokens * -(-bounds.max_query_len // 32),)
        return sizes

    def _padded(self, rows: AttentionRows) -> HostPlan:
        num_items = self._sizes[f"items {self._block_m}"][0]
        self._bounds.check(rows.query_lens, rows.kv_lens, self._num_tokens)
        width = self._sizes["page_table"][1]
        rows = replace(rows, page_table=rows.page_table[:, :width])
        host = plan_on_host(rows, self._device, self._options, TileLimits(self._block_m, num_items))
        surplus = host.tables.keys() - self._sizes.keys()
        if surplus:
            raise StepTooLarge(" and ".join(sorted(surplus)), 0, sum(len(host.tables[name]) for name in surplus))
        tables = {
            name: _pad(host.tables.get(name, np.zeros(int(name == "offsets"), dtype=np.int32)), size, name)
            for name, size in self._sizes.items()
        }
        return HostPlan(rows, rows.window, host.split_len, tables, self._sizes["slots"][0])


def _pad(table: NDArray[np.int32], size: tuple[int, ...], name: str) -> NDArray[np.int32]:
    """Fill up with what does nothing: items and rows of zeros, tokens below 0, offsets that span nothing."""
    if len(table) > size[0]:
        raise StepTooLarge(name, size[0], len(table))
    filler = -1 if name == "tokens" else int(table[-1]) if name == "offsets" else 0
    padded = np.full(size, filler, dtype=np.int32)
    padded[tuple(slice(0, length) for length in table.shape)] = table
    return padded
