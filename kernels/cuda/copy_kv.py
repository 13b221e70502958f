"""Copying and moving cells of all layers in one launch; see `kernels.copy_kv`, the twin."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase
from .store_kv import as_bits

_BLOCK = 1024
_NUM_WARPS = 4


@triton.jit
def copy_kv_kernel(cells, layer_stride, sources, targets, offsets, cell_size, BLOCK: tl.constexpr):
    """A group's copies, one after another, of some channels of one layer's keys or values.

    The same lane reads and writes a channel in every copy, so a later one sees what an earlier one wrote, and no
    program touches the channels of another.
    """
    group, half_layer = tl.program_id(0), tl.program_id(1).to(tl.int64)
    channel = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    is_inside = channel < cell_size
    base = cells + half_layer * layer_stride + channel
    for index in range(tl.load(offsets + group), tl.load(offsets + group + 1)):
        source, target = tl.load(sources + index), tl.load(targets + index)
        tl.store(base + target * cell_size, tl.load(base + source * cell_size, mask=is_inside), mask=is_inside)


def copy_kv(cells: Tensor, sources: Tensor, targets: Tensor, group_offsets: Tensor) -> None:
    """See the twin. cells: [num_layers, 2, num_pages, page_size, num_kv_heads, head_dim], contiguous."""
    assert cells.ndim == 6, f"copy_kv: expected a pool of 6 dimensions, got {tuple(cells.shape)}"
    assert cells.is_contiguous(), f"copy_kv: expected a contiguous pool, got strides {cells.stride()}"
    assert sources.ndim == 1, f"copy_kv: expected a list of sources, got {tuple(sources.shape)}"
    assert sources.shape == targets.shape, (
        f"copy_kv: expected as many targets as sources, got {tuple(targets.shape)} and {tuple(sources.shape)}"
    )
    for name, index in (("sources", sources), ("targets", targets), ("group_offsets", group_offsets)):
        assert index.dtype == torch.int64, f"copy_kv: expected int64 {name}, got {index.dtype}"
        assert index.is_contiguous(), f"copy_kv: expected contiguous {name}"
    num_groups = group_offsets.shape[0] - 1
    if num_groups <= 0 or sources.shape[0] == 0:
        return
    num_layers, _, num_pages, page_size, num_kv_heads, head_dim = cells.shape
    cell_size = num_kv_heads * head_dim
    copy_kv_kernel[(num_groups, 2 * num_layers, triton.cdiv(cell_size, _BLOCK))](
        as_bits(cells), num_pages * page_size * cell_size, sources, targets, group_offsets, cell_size,
        BLOCK=_BLOCK, num_warps=_NUM_WARPS,
    )  # fmt: skip


_SIGNATURE = {
    "cells": "*i16", "layer_stride": "i64", "sources": "*i64", "targets": "*i64", "offsets": "*i64",
    "cell_size": "i32",
}  # fmt: skip
_ALIGNED = ("layer_stride", "cell_size")
AOT_CASES = (
    AotCase("copy kv", copy_kv_kernel, _SIGNATURE, {"BLOCK": _BLOCK}, _NUM_WARPS, 3, aligned_numbers=_ALIGNED),
)
