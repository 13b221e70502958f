"""From the joint projection to attention in one launch: split, q/k norm, rotary embedding, store into the pages.

The twin is `kernels.split_qkv.split_qkv`, a chain of four operators.
"""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase
from .rotary import check_turns, turned
from .rounding import e4m3_bits, rounded
from .store_kv import check_cells

_HEADS = 4


@triton.jit
def split_qkv_kernel(
    qkv,
    qkv_stride,
    turns,
    norm,
    eps,
    slots,
    q_out,
    k_cache,
    v_cache,
    num_heads,
    num_kv_heads,
    head_dim,
    HAS_NORM: tl.constexpr,
    HEADS: tl.constexpr,
    BLOCK_DIM: tl.constexpr,
):
    """Some heads of one token, of whichever of the three kinds."""
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    channel = tl.arange(0, BLOCK_DIM)
    num_rotated = num_heads + num_kv_heads
    dtype: tl.constexpr = q_out.dtype.element_ty
    is_inside = (head < num_rotated + num_kv_heads)[:, None] & (channel < head_dim)[None, :]
    place = head[:, None] * head_dim + channel[None, :]
    values = tl.load(qkv + token * qkv_stride + place, mask=is_inside, other=0.0).to(tl.float32)
    is_rotated = is_inside & (head < num_rotated)[:, None]
    out = values
    if HAS_NORM:
        scale = tl.rsqrt(tl.sum(values * values, 1) / head_dim + eps)
        weights = tl.load(norm + place, mask=is_rotated, other=0.0).to(tl.float32)
        normed = rounded(values * scale[:, None], dtype).to(tl.float32)
        out = rounded(normed * weights, dtype).to(tl.float32)
    out = turned(out, turns + token * head_dim, tl.arange(0, BLOCK_DIM // 2) * 2 < head_dim, HEADS, BLOCK_DIM)
    narrow = rounded(tl.where(is_rotated, out, values), dtype)
    is_query = is_inside & (head < num_heads)[:, None]
    tl.store(q_out + token * num_heads * head_dim + place, narrow, mask=is_query)
    stored = narrow
    if k_cache.dtype.element_ty == tl.uint8:
        stored = e4m3_bits(narrow.to(tl.float32))
    cell = tl.load(slots + token) * num_kv_heads * head_dim
    is_key = is_rotated & (head >= num_heads)[:, None]
    tl.store(k_cache + cell + place - num_heads * head_dim, stored, mask=is_key)
    is_value = is_inside & (head >= num_rotated)[:, None]
    tl.store(v_cache + cell + place - num_rotated * head_dim, stored, mask=is_value)


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
    """See the twin. qkv: [num_tokens, (num_heads + 2 * num_kv_heads) * head_dim], rows contiguous, in the dtype of the
    caches, which are contiguous, or of any where they are fp8."""
    num_tokens = qkv.shape[0]
    num_kv_heads, head_dim = k_cache.shape[2:]
    num_all = num_heads + 2 * num_kv_heads
    assert qkv.shape[1] == num_all * head_dim, (
        f"split_qkv: expected {num_all} heads of {head_dim} channels, got {qkv.shape[1]} channels"
    )
    assert qkv.stride(1) == 1, f"split_qkv: expected contiguous rows, got strides {qkv.stride()}"
    is_fp8 = k_cache.dtype == torch.float8_e4m3fn
    assert is_fp8 or qkv.dtype == k_cache.dtype, (
        f"split_qkv: expected the dtype of the cache {k_cache.dtype}, got {qkv.dtype}"
    )
    check_turns("split_qkv", turns, num_tokens, head_dim)
    check_cells("split_qkv", k_cache, v_cache, slots, num_tokens)
    if qk_norm is not None:
        expected = (num_heads + num_kv_heads, head_dim)
        assert tuple(qk_norm.shape) == expected, f"split_qkv: expected norms {expected}, got {tuple(qk_norm.shape)}"
        assert qk_norm.is_contiguous(), "split_qkv: expected contiguous norms"
        assert qk_norm.dtype == qkv.dtype, f"split_qkv: expected norms of {qkv.dtype}, got {qk_norm.dtype}"
    q = torch.empty((num_tokens, num_heads, head_dim), dtype=qkv.dtype, device=qkv.device)
    if num_tokens > 0:
        split_qkv_kernel[(num_tokens, triton.cdiv(num_all, _HEADS))](
            qkv, qkv.stride(0), torch.view_as_real(turns), qkv if qk_norm is None else qk_norm, eps, slots, q,
            k_cache.view(torch.uint8) if is_fp8 else k_cache, v_cache.view(torch.uint8) if is_fp8 else v_cache,
            num_heads, num_kv_heads, head_dim,
            HAS_NORM=qk_norm is not None, HEADS=_HEADS, BLOCK_DIM=triton.next_power_of_2(head_dim),
            num_warps=_num_warps(head_dim, is_fp8),
        )  # fmt: skip
    return q


def _num_warps(head_dim: int, is_fp8: bool) -> int:
    """Rounding to fp8 takes registers, which two warps do not have for so many channels."""
    return 4 if is_fp8 and head_dim > 128 else 2


_SIGNATURE = {
    "qkv": "*bf16", "qkv_stride": "i32", "turns": "*fp32", "norm": "*bf16", "eps": "fp32", "slots": "*i64",
    "q_out": "*bf16", "k_cache": "*bf16", "v_cache": "*bf16", "num_heads": "i32", "num_kv_heads": "i32",
    "head_dim": "i32",
}  # fmt: skip
AOT_CASES = tuple(
    AotCase(
        f"split qkv {dim}{' with norm' if has_norm else ''}{' to fp8' if cell == '*u8' else ''}",
        split_qkv_kernel,
        {**_SIGNATURE, "k_cache": cell, "v_cache": cell},
        {"HAS_NORM": has_norm, "HEADS": _HEADS, "BLOCK_DIM": dim},
        _num_warps(dim, cell == "*u8"),
        3,
        aligned_numbers=("qkv_stride", "head_dim"),
    )
    for dim, has_norm, cell in (
        *((dim, has_norm, "*bf16") for dim in (64, 128, 256) for has_norm in (False, True)),
        *((dim, False, "*u8") for dim in (64, 128, 256)),
    )
)
