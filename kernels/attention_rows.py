"""AttentionRows: what attention must know of a batch's rows, in plain data."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AttentionRows:
    """Rows of query tokens, laid end to end, and where each row's cells are.

    The tokens of row r are the last `query_lens[r]` of its `kv_lens[r]` cells. A token sees the cells up to its own;
    under an ancestor mask it sees all cells before the row's tokens and, of these, the marked ones. With a window it
    sees only cells fewer than `window` positions before its own. With a soft cap a score s counts as
    soft_cap * tanh(s / soft_cap) (Gemma 2, arXiv:2408.00118).
    """

    query_lens: tuple[int, ...]  # [num_rows] >= 1
    kv_lens: tuple[int, ...]  # [num_rows] >= query_lens
    page_table: Tensor  # [num_rows, max_num_pages] int64
    page_size: int
    num_kv_heads: int
    ancestor_masks: tuple[Tensor | None, ...] = ()  # [num_rows] of bool [query_len, query_len]; () for all None
    positions: Tensor | None = None  # [num_tokens] int64, of the tokens; needed with a window under ancestor masks
    window: int | None = None
    soft_cap: float | None = None
    num_heads: int | None = None  # query heads, and ...
    head_dim: int | None = None  # ... numbers of each: backends that plan programs for a device must know

    def __post_init__(self) -> None:
        num_rows = len(self.query_lens)
        if not self.ancestor_masks:
            object.__setattr__(self, "ancestor_masks", (None,) * num_rows)
        assert len(self.kv_lens) == num_rows, f"expected {num_rows} kv_lens, got {len(self.kv_lens)}"
        assert len(self.ancestor_masks) == num_rows, f"expected {num_rows} masks, got {len(self.ancestor_masks)}"
        assert self.page_table.shape[0] == num_rows, f"expected {num_rows} page lists, got {self.page_table.shape[0]}"
        assert self.page_table.dtype == torch.int64, f"page_table: expected int64, got {self.page_table.dtype}"
        for row, (query_len, kv_len) in enumerate(zip(self.query_lens, self.kv_lens, strict=True)):
            assert 1 <= query_len <= kv_len, f"row {row}: expected 1 <= query_len <= kv_len, got {query_len}, {kv_len}"
        num_cells = self.page_table.shape[1] * self.page_size
        assert max(self.kv_lens) <= num_cells, f"expected at most {num_cells} cells a row, got {max(self.kv_lens)}"
        assert self.window is None or self.window >= 1, f"window: expected >= 1 or None, got {self.window}"
        assert self.soft_cap is None or self.soft_cap > 0, f"soft_cap: expected > 0 or None, got {self.soft_cap}"

    @property
    def is_windowed(self) -> bool:
        """Whether the window hides anything."""
        return self.window is not None and max(self.kv_lens) > self.window
