"""read_cells: cells that lie scattered over the pool, side by side."""

import torch
from torch import Tensor


def read_cells(cache: Tensor, slots: Tensor, dtype: torch.dtype) -> Tensor:
    """cache: [num_pages, page_size, num_kv_heads, head_dim]; slots: int64 of any shape, into its cells.

    Returns [*slots.shape, num_kv_heads, head_dim] of `dtype`: a copy.
    """
    cells = cache.view(-1, *cache.shape[2:])
    if cache.dtype != dtype:
        # What has 8 bits is gathered as bytes, which every device can, and widened after that.
        cells = cells.view(torch.uint8) if cache.element_size() == 1 else cells
    gathered = cells.index_select(0, slots.reshape(-1)).view(*slots.shape, *cache.shape[2:])
    return gathered.view(cache.dtype).to(dtype)
