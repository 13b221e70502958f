import torch

from palmette.kernels.store_kv import store_kv


def test_writes_the_cells_of_the_slots_and_no_others() -> None:
    k_cache, v_cache = torch.zeros(4, 2, 3, 5), torch.zeros(4, 2, 3, 5)
    wide = torch.randn(3, 7, 5)  # keys and values are views of one projection
    k, v = wide[:, :3], wide[:, 3:6]
    slots = torch.tensor([7, 0, 3])
    store_kv(k, v, k_cache, v_cache, slots)
    for cache, rows in ((k_cache, k), (v_cache, v)):
        cells = cache.view(8, 3, 5)
        assert torch.equal(cells[slots], rows)
        assert not cells[[1, 2, 4, 5, 6]].any()


def test_fp8_cells_are_the_nearest_and_never_nan() -> None:
    k_cache, v_cache = (torch.zeros(1, 4, 1, 6).to(torch.float8_e4m3fn) for _ in range(2))
    k = torch.tensor([[[1.0, 1.07, -500.0, 1e9, 2.0**-9, 447.0]]])
    store_kv(k, -k, k_cache, v_cache, torch.tensor([2]))
    wanted = [1.0, 1.125, -448.0, 448.0, 2.0**-9, 448.0]
    assert k_cache.float()[0, 2, 0].tolist() == wanted
    assert v_cache.float()[0, 2, 0].tolist() == [-each for each in wanted]
    assert not k_cache.float()[0, [0, 1, 3]].any()
