"""Writing new keys and values into the pages."""

from torch import Tensor


def store_kv(k: Tensor, v: Tensor, k_cache: Tensor, v_cache: Tensor, slots: Tensor) -> None:
    """Write each token's key and value to its cell.

    k, v: [num_tokens, num_kv_heads, head_dim] in the dtype of the cache.
    k_cache, v_cache: [num_pages, page_size, num_kv_heads, head_dim] contiguous.
    slots: [num_tokens] int64, page_id * page_size + offset.
    """
    if k.is_cuda:
        from .cuda.store_kv import store_kv as store_kv_cuda  # triton is no dependency of a CPU

        store_kv_cuda(k, v, k_cache, v_cache, slots)
        return
    k_cache.view(-1, *k.shape[1:]).index_copy_(0, slots, k)
    v_cache.view(-1, *v.shape[1:]).index_copy_(0, slots, v)
