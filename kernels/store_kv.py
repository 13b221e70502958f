"""Writing new keys and values into the pages."""

import torch
from torch import Tensor

_LARGEST_E4M3 = 448.0


def store_kv(k: Tensor, v: Tensor, k_cache: Tensor, v_cache: Tensor, slots: Tensor) -> None:
    """Write each token's key and value to its cell.

    k, v: [num_tokens, num_kv_heads, head_dim] in the dtype of the cache. In any dtype where that is float8_e4m3fn:
    they are rounded to the nearest, and what is too large to the largest there is.
    k_cache, v_cache: [num_pages, page_size, num_kv_heads, head_dim] contiguous.
    slots: [num_tokens] int64, page_id * page_size + offset.
    """
    if k.is_cuda:
        from .cuda.store_kv import store_kv as store_kv_cuda  # triton is no dependency of a CPU

        store_kv_cuda(k, v, k_cache, v_cache, slots)
        return
    for cells, cache in ((k, k_cache), (v, v_cache)):
        if cache.dtype == torch.float8_e4m3fn:
            narrow = cells.clamp(-_LARGEST_E4M3, _LARGEST_E4M3).to(cache.dtype)
            cache.view(torch.uint8).view(-1, *cells.shape[1:]).index_copy_(0, slots, narrow.view(torch.uint8))
        else:
            cache.view(-1, *cells.shape[1:]).index_copy_(0, slots, cells)
