"""Copying cells within the pool: a fork's page, or the accepted nodes of a draft tree to where their text belongs."""

from itertools import pairwise

from torch import Tensor


def copy_kv(cells: Tensor, sources: Tensor, targets: Tensor, group_offsets: Tensor) -> None:
    """Copy keys and values of all layers from slots to slots, in place.

    cells: [num_layers, 2, num_pages, page_size, num_kv_heads, head_dim], contiguous.
    sources, targets: [num_copies] int64 slots, page_id * page_size + offset.
    group_offsets: [num_groups + 1] int64, where in them each group begins. Copies of a group happen in their order;
    groups happen at once, so none may write what another reads or writes. A draft tree is one group, its nodes by
    depth: each then moves to a lower place or stays, before a later one is written over it. What has no overlap is
    fastest as groups of one.
    """
    if cells.is_cuda:
        from .cuda.copy_kv import copy_kv as copy_kv_cuda

        copy_kv_cuda(cells, sources, targets, group_offsets)
        return
    num_layers, _, num_pages, page_size, *cell = cells.shape
    slots = cells.view(2 * num_layers, num_pages * page_size, *cell)
    bounds = group_offsets.tolist()
    if all(end - start <= 1 for start, end in pairwise(bounds)):
        slots[:, targets] = slots[:, sources]
        return
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
        slots[:, target] = slots[:, source]
