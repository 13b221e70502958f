"""Writing new keys and values into the pages; see `kernels.store_kv`, the twin."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase


@triton.jit
def store_kv_kernel(
    k,
    k_stride,
    k_head_stride,
    v,
    v_stride,
    v_head_stride,
    k_cache,
    v_cache,
    slots,
    num_kv_heads,
    head_dim,
    HEADS: tl.constexpr,
    BLOCK_DIM: tl.constexpr,
):
    """All heads of one token; the values pass through unchanged, whatever their type."""
    token = tl.program_id(0).to(tl.int64)
    head, channel = tl.arange(0, HEADS)[:, None], tl.arange(0, BLOCK_DIM)[None, :]
    is_inside = (head < num_kv_heads) & (channel < head_dim)
    cell = tl.load(slots + token) * num_kv_heads * head_dim + head * head_dim + channel
    keys = tl.load(k + token * k_stride + head * k_head_stride + channel, mask=is_inside)
    tl.store(k_cache + cell, keys, mask=is_inside)
    values = tl.load(v + token * v_stride + head * v_head_stride + channel, mask=is_inside)
    tl.store(v_cache + cell, values, mask=is_inside)


def store_kv(k: Tensor, v: Tensor, k_cache: Tensor, v_cache: Tensor, slots: Tensor) -> None:
    """See the twin; the last dimension of k and v is contiguous. Slots are distinct: of equals, any may stay."""
    expected = (slots.shape[0], *k_cache.shape[2:])
    for name, cells in (("k", k), ("v", v)):
        assert tuple(cells.shape) == expected, f"store_kv: expected {name} of {expected}, got {tuple(cells.shape)}"
        assert cells.stride(2) == 1, f"store_kv: expected contiguous heads in {name}, got strides {cells.stride()}"
        assert cells.dtype == k_cache.dtype, f"store_kv: expected {name} of {k_cache.dtype}, got {cells.dtype}"
    check_cells("store_kv", k_cache, v_cache, slots, expected[0])
    if expected[0] == 0:
        return
    k, v, k_cache, v_cache = (as_bits(tensor) for tensor in (k, v, k_cache, v_cache))
    store_kv_kernel[(expected[0],)](
        k, k.stride(0), k.stride(1), v, v.stride(0), v.stride(1), k_cache, v_cache, slots, expected[1], expected[2],
        HEADS=triton.next_power_of_2(expected[1]), BLOCK_DIM=triton.next_power_of_2(expected[2]),
        num_warps=_num_warps(expected[1] * expected[2]),
    )  # fmt: skip


def _num_warps(cell_size: int) -> int:
    return 4 if cell_size <= 1024 else 8 if cell_size <= 2048 else 16


def as_bits(tensor: Tensor) -> Tensor:
    """A view of the same bits as integers, for what only moves them: every type is then the same to a kernel."""
    widths = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.view(widths[tensor.dtype.itemsize])


def check_cells(operator: str, k_cache: Tensor, v_cache: Tensor, slots: Tensor, num_tokens: int) -> None:
    """Raise unless the caches are two of a kind and there is a slot for each token."""
    assert (k_cache.shape, k_cache.dtype) == (v_cache.shape, v_cache.dtype), (
        f"{operator}: expected caches alike, got {tuple(k_cache.shape)} {k_cache.dtype} "
        f"and {tuple(v_cache.shape)} {v_cache.dtype}"
    )
    assert k_cache.is_contiguous(), f"{operator}: expected contiguous caches"
    assert v_cache.is_contiguous(), f"{operator}: expected contiguous caches"
    assert tuple(slots.shape) == (num_tokens,), f"{operator}: expected {num_tokens} slots, got {tuple(slots.shape)}"
    assert slots.dtype == torch.int64, f"{operator}: expected int64 slots, got {slots.dtype}"
    assert slots.is_contiguous(), f"{operator}: expected contiguous slots"


_SIGNATURE = {
    "k": "*i16", "k_stride": "i32", "k_head_stride": "i32", "v": "*i16", "v_stride": "i32", "v_head_stride": "i32",
    "k_cache": "*i16", "v_cache": "*i16", "slots": "*i64", "num_kv_heads": "i32", "head_dim": "i32",
}  # fmt: skip
AOT_CASES = tuple(
    AotCase(
        f"store kv {heads}x{dim}",
        store_kv_kernel,
        _SIGNATURE,
        {"HEADS": heads, "BLOCK_DIM": dim},
        _num_warps(heads * dim),
        3,
        aligned_numbers=("k_stride", "k_head_stride", "v_stride", "v_head_stride", "head_dim"),
    )
    for heads, dim in ((8, 128), (32, 128), (8, 256))
)
