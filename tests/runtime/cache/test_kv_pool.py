"""The page pool: counts, order of allocation, copies, and the audit that sees what is wrong."""

import pytest
import torch

from palmette.runtime.cache.kv_pool import KVLayout, KVPool, OutOfPages

LAYOUT = KVLayout(num_layers=2, num_kv_heads=3, head_dim=4, dtype=torch.int64)


def make_pool(num_pages: int = 8, page_size: int = 4) -> KVPool:
    return KVPool(LAYOUT, num_pages, page_size)


def test_views_share_memory_with_the_cells() -> None:
    pool = make_pool()
    assert pool.cells.shape == (2, 2, 8, 4, 3, 4)
    pool.k(1)[5, 2, 0, 0] = 7
    pool.v(0)[6, 3, 2, 3] = 9
    assert pool.cells[1, 0, 5, 2, 0, 0] == 7
    assert pool.cells[0, 1, 6, 3, 2, 3] == 9
    assert LAYOUT.num_bytes_per_token == 2 * 2 * 3 * 4 * 8


def test_pages_come_in_ascending_order_and_lowest_first() -> None:
    pool = make_pool()
    assert pool.allocate(3) == [0, 1, 2]
    assert pool.allocate(2) == [3, 4]
    pool.release(1)
    pool.release(3)
    assert pool.allocate(3) == [1, 3, 5]
    pool.check_integrity()


def test_allocation_goes_on_after_the_callers_last_page() -> None:
    pool = make_pool()
    first, second = pool.allocate(2)
    pool.allocate(1)
    pool.release(first)
    assert pool.allocate(2, after=2) == [3, 4]
    assert pool.allocate(2, after=second) == [0, 5], "2 is held, so the lowest free ones"
    assert pool.allocate(1, after=5) == [6]
    pool.release(6)
    assert pool.allocate(2, after=7) == [6, 7]
    pool.check_integrity()


def test_out_of_pages_takes_nothing() -> None:
    pool = make_pool(num_pages=4)
    pool.allocate(2)
    with pytest.raises(OutOfPages, match="expected 3 free KV pages, got 2") as raised:
        pool.allocate(3)
    assert (raised.value.num_wanted, raised.value.num_free) == (3, 2)
    assert pool.num_free_pages == 2
    assert pool.allocate(0) == []


def test_reference_counts() -> None:
    pool = make_pool()
    (page_id,) = pool.allocate(1)
    pool.retain(page_id)
    assert pool.reference_count(page_id) == 2
    pool.release(page_id)
    assert pool.num_free_pages == 7
    pool.release(page_id)
    assert pool.num_free_pages == 8
    with pytest.raises(AssertionError, match="released twice"):
        pool.release(page_id)
    with pytest.raises(AssertionError, match="the page is free"):
        pool.retain(page_id)
    pool.check_integrity()


def test_evictable_pages_are_those_all_of_whose_references_are() -> None:
    pool = make_pool()
    (page_id,) = pool.allocate(1)
    pool.mark_evictable(page_id)
    assert pool.num_evictable_pages == 1
    pool.retain(page_id)
    assert pool.num_evictable_pages == 0
    pool.check_integrity()
    pool.release(page_id)
    assert pool.num_evictable_pages == 1
    with pytest.raises(AssertionError, match="a reference of the cache"):
        pool.release(page_id)
    pool.unmark_evictable(page_id)
    assert pool.num_evictable_pages == 0
    pool.check_integrity()


def test_copy_cells_copies_the_head_of_all_layers_and_nothing_else() -> None:
    pool = make_pool()
    source, destination = pool.allocate(2)
    pool.cells[:, :, source] = torch.randint(1, 100, pool.cells[:, :, source].shape)
    pool.copy_cells(source, destination, 3)
    assert torch.equal(pool.cells[:, :, destination, :3], pool.cells[:, :, source, :3])
    assert not pool.cells[:, :, destination, 3:].any()
    pool.retain(destination)
    with pytest.raises(AssertionError, match="expected exactly 1 owner, got 2"):
        pool.copy_cells(source, destination, 1)


def test_the_audit_sees_a_wrong_count() -> None:
    pool = make_pool()
    pool.allocate(2)
    pool._reference_counts[0] = 0
    with pytest.raises(AssertionError, match="free \\+ held = 8"):
        pool.check_integrity()


def test_the_audit_sees_a_page_twice_in_the_free_list() -> None:
    pool = make_pool()
    pool._free_heap.append(5)
    with pytest.raises(AssertionError, match="duplicates"):
        pool.check_integrity()


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="num_pages"):
        make_pool(num_pages=0)
    with pytest.raises(ValueError, match="page_size"):
        make_pool(page_size=0)
    with pytest.raises(ValueError, match="head_dim"):
        KVLayout(num_layers=1, num_kv_heads=1, head_dim=0, dtype=torch.float32)
