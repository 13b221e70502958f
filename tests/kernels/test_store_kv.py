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
