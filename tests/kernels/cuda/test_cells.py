"""Storing, copying and moving cells against the twins, bit for bit."""

import pytest
import torch

from palmette.kernels import copy_kv, store_kv
from palmette.kernels.cuda import copy_kv as copy_kv_cuda
from palmette.kernels.cuda import store_kv as store_kv_cuda

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int64])
def test_store_kv(dtype: torch.dtype) -> None:
    wide = (randn(3, 7, 12) * 20).to(dtype)  # keys and values are views of one projection
    k, v, slots = wide[:, :3], wide[:, 3:6], torch.tensor([7, 0, 3])
    caches = [torch.zeros(4, 2, 3, 12, dtype=dtype, device=DEVICE) for _ in range(2)]
    store_kv_cuda.store_kv(k.to(DEVICE), v.to(DEVICE), caches[0], caches[1], slots.to(DEVICE))
    width = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    for cache, rows in zip(caches, (k, v), strict=True):
        cells = cache.cpu().view(8, 3, 12).view(width)
        assert torch.equal(cells[slots], rows.contiguous().view(width))
        assert not cells[[1, 2, 4, 5, 6]].any()


@pytest.mark.parametrize("is_moved", [False, True])
def test_copy_kv(is_moved: bool) -> None:
    cells = randn(2, 2, 5, 4, 2, 6).bfloat16()
    if is_moved:  # two draft trees: the nodes accepted of each, by depth, move down; targets are others' sources
        sources, targets = torch.tensor([3, 5, 6, 12, 15]), torch.tensor([2, 3, 5, 11, 12])
        offsets = torch.tensor([0, 3, 5])
    else:
        sources, targets = torch.tensor([0, 1, 0]), torch.tensor([8, 9, 19])
        offsets = torch.arange(4)
    expected = cells.clone().view(4, 20, 2, 6)
    expected[:, targets] = cells.view(4, 20, 2, 6)[:, sources]
    twin, on_device = cells.clone(), cells.clone().to(DEVICE)
    copy_kv.copy_kv(twin, sources, targets, offsets)
    assert torch.equal(twin.view_as(expected), expected)
    copy_kv_cuda.copy_kv(on_device, sources.to(DEVICE), targets.to(DEVICE), offsets.to(DEVICE))
    assert torch.equal(on_device.cpu(), twin)


def test_nothing_to_do() -> None:
    cells = torch.zeros(1, 2, 2, 2, 1, 4, device=DEVICE)
    none = torch.zeros(0, dtype=torch.int64, device=DEVICE)
    copy_kv_cuda.copy_kv(cells, none, none, torch.zeros(1, dtype=torch.int64, device=DEVICE))
    k = torch.zeros(0, 1, 4, device=DEVICE)
    store_kv_cuda.store_kv(k, k, cells[0, 0], cells[0, 1], none)
    assert not cells.any()


def test_what_is_refused() -> None:
    cache, slots = torch.zeros(2, 2, 1, 4), torch.tensor([0])
    with pytest.raises(AssertionError, match=r"expected v of \(1, 1, 4\), got \(2, 1, 4\)"):
        store_kv_cuda.store_kv(torch.zeros(1, 1, 4), torch.zeros(2, 1, 4), cache, cache.clone(), slots)
    with pytest.raises(AssertionError, match="expected int64 slots"):
        store_kv_cuda.store_kv(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4), cache, cache.clone(), slots.int())
    with pytest.raises(AssertionError, match="expected as many targets as sources"):
        copy_kv_cuda.copy_kv(torch.zeros(1, 2, 2, 2, 1, 4), slots, torch.tensor([1, 2]), torch.tensor([0, 1]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_real_sizes_on_a_device() -> None:
    cells = torch.randn(32, 2, 40, 16, 8, 128).bfloat16()
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(640, generator=generator)
    sources, targets, offsets = order[:300], order[300:600], torch.arange(301)
    twin, on_device = cells.clone(), cells.cuda()
    copy_kv.copy_kv(twin, sources, targets, offsets)
    copy_kv_cuda.copy_kv(on_device, sources.cuda(), targets.cuda(), offsets.cuda())
    assert torch.equal(on_device.cpu(), twin)
    k, v = torch.randn(640, 8, 128).bfloat16(), torch.randn(640, 8, 128).bfloat16()
    store_kv.store_kv(k, v, twin[0, 0], twin[0, 1], order)
    store_kv_cuda.store_kv(k.cuda(), v.cuda(), on_device[0, 0], on_device[0, 1], order.cuda())
    assert torch.equal(on_device.cpu(), twin)
