"""From the joint projection of queries, keys and values to what attention reads."""

from torch import Tensor

from .rms_norm import rms_norm
from .rotary import rotate
from .store_kv import store_kv


def split_qkv(
    qkv: Tensor,
    num_heads: int,
    turns: Tensor,
    qk_norm: Tensor | None,
    eps: float,
    k_cache: Tensor,
    v_cache: Tensor,
    slots: Tensor,
) -> Tensor:
    """Split into heads, norm and turn queries and keys, store keys and values; the queries are returned.

    qkv: [num_tokens, (num_heads + 2 * num_kv_heads) * head_dim] in the dtype of the caches, or, where that is
    float8_e4m3fn, in the model's; contiguous.
    turns: [num_tokens, 1, head_dim / 2] complex64, rows of `rotary_table`.
    qk_norm: [num_heads + num_kv_heads, head_dim] or None; eps: of the norm.
    k_cache, v_cache: [num_pages, page_size, num_kv_heads, head_dim] contiguous; slots: [num_tokens] int64, distinct.
    Returns [num_tokens, num_heads, head_dim].
    """
    if qkv.is_cuda:
        from .cuda.split_qkv import split_qkv as split_qkv_cuda

        return split_qkv_cuda(qkv, num_heads, turns, qk_norm, eps, k_cache, v_cache, slots)
    num_kv_heads, head_dim = k_cache.shape[2:]
    num_rotated = num_heads + num_kv_heads
    heads = qkv.view(-1, num_rotated + num_kv_heads, head_dim)
    rotated = heads[:, :num_rotated]
    if qk_norm is not None:
        rotated = rms_norm(rotated, qk_norm, eps)
    rotated = rotate(rotated, turns)
    store_kv(rotated[:, num_heads:], heads[:, num_rotated:], k_cache, v_cache, slots)
    return rotated[:, :num_heads]
