"""KVPool: the pages that keys and values live in, each counted by the owners that hold it."""

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_ALIGNMENT = 64  # bytes of a cache line


class OutOfPages(Exception):
    """Fewer pages are free than were wanted; evict from the radix cache or preempt a row, then try again."""

    def __init__(self, num_wanted: int, num_free: int) -> None:
        self.num_wanted = num_wanted
        self.num_free = num_free
        super().__init__(f"expected {num_wanted} free KV pages, got {num_free}; evict cached text or preempt a row")


@dataclass(frozen=True)
class KVLayout:
    """What one KV cell is: `num_layers` times a key and a value of [num_kv_heads, head_dim].

    `dtype` need not be a float: a model whose cells are hashes keeps int64 in them.
    """

    num_layers: int
    num_kv_heads: int
    head_dim: int
    dtype: torch.dtype

    def __post_init__(self) -> None:
        for name in ("num_layers", "num_kv_heads", "head_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"KVLayout.{name}: expected an integer >= 1, got {getattr(self, name)!r}")

    @property
    def num_bytes_per_token(self) -> int:
        """Memory one token takes over all layers, in bytes."""
        return self.num_layers * 2 * self.num_kv_heads * self.head_dim * self.dtype.itemsize


class KVPool:
    """A fixed number of pages of KV cells, with a reference count for each page.

    Paged KV memory as in PagedAttention (Kwon et al. 2023, arXiv:2309.06180). Owners are branches and nodes of the
    radix cache: whoever keeps a page id holds one reference. A page with more than one owner is read-only; a branch
    that wants to write to a shared page takes a fresh one and copies the head (`copy_cells`).

    Free pages are handed out lowest id first, so that a branch alone in the pool lies in consecutive pages, which
    attention on a CPU reads without gathering. Cells of a fresh page hold whatever the last owner left in them.

    Behind the pages there may be scratch: cells that are never handed out, for passes that must write more tokens
    than they have (`step_graphs/padding.py`).

    Not thread-safe: it belongs to the engine's loop.
    """

    def __init__(
        self,
        layout: KVLayout,
        num_pages: int,
        page_size: int,
        device: torch.device | str = "cpu",
        num_scratch_tokens: int = 0,
    ) -> None:
        if num_pages < 1:
            raise ValueError(f"num_pages: expected an integer >= 1, got {num_pages!r}; give the cache more memory")
        if page_size < 1:
            raise ValueError(f"page_size: expected an integer >= 1, got {page_size!r}")
        self.layout = layout
        self.num_pages = num_pages
        self.page_size = page_size
        self.device = torch.device(device)
        self.scratch_pages = range(num_pages, num_pages - (-num_scratch_tokens // page_size))
        """Ids of pages that nobody owns or ever will."""
        num_pages_in_all = num_pages + len(self.scratch_pages)
        shape = (layout.num_layers, 2, num_pages_in_all, page_size, layout.num_kv_heads, layout.head_dim)
        self.cells = _zeros(shape, layout.dtype, self.device)
        self._k_views = tuple(self.cells[layer, 0] for layer in range(layout.num_layers))
        self._v_views = tuple(self.cells[layer, 1] for layer in range(layout.num_layers))
        self._reference_counts = [0] * num_pages
        self._evictable_counts = [0] * num_pages  # how many of a page's references the radix cache would give up
        self._num_free_pages = num_pages
        self._num_evictable_pages = 0
        # Min-heap of ids. Every free page is in it once; a page taken out of turn (`after`) stays in it as a stale
        # entry, dropped when it surfaces. `_is_queued` tells which ids are in the heap.
        self._free_heap = list(range(num_pages))
        self._is_queued = bytearray(b"\x01") * num_pages

    @property
    def num_free_pages(self) -> int:
        """Pages that nobody holds."""
        return self._num_free_pages

    @property
    def num_evictable_pages(self) -> int:
        """Pages that would be free if the radix cache gave up everything unlocked. Exact."""
        return self._num_evictable_pages

    @property
    def num_tokens(self) -> int:
        """Tokens that fit into all pages."""
        return self.num_pages * self.page_size

    def k(self, layer: int) -> Tensor:
        """Keys of a layer, a view: [num_pages and scratch, page_size, num_kv_heads, head_dim]."""
        return self._k_views[layer]

    def v(self, layer: int) -> Tensor:
        """Values of a layer, a view: [num_pages and scratch, page_size, num_kv_heads, head_dim]."""
        return self._v_views[layer]

    def allocate(self, num_pages: int, after: int | None = None) -> list[int]:
        """Hand out `num_pages` pages with one reference each, lowest free ids first.

        `after` is the caller's last page: while the pages that follow it are free, those are taken, so that a growing
        branch stays contiguous. Raises `OutOfPages` and takes nothing when too few are free. O(num_pages log pool).
        """
        assert num_pages >= 0, f"allocate: expected a count >= 0, got {num_pages}"
        if num_pages > self._num_free_pages:
            raise OutOfPages(num_pages, self._num_free_pages)
        pages: list[int] = []
        if after is not None:
            page_id = after + 1
            while len(pages) < num_pages and page_id < self.num_pages and self._reference_counts[page_id] == 0:
                pages.append(page_id)
                self._reference_counts[page_id] = 1
                page_id += 1
        while len(pages) < num_pages:
            page_id = heapq.heappop(self._free_heap)
            self._is_queued[page_id] = 0
            if self._reference_counts[page_id] == 0:
                pages.append(page_id)
                self._reference_counts[page_id] = 1
        self._num_free_pages -= num_pages
        return pages

    def retain(self, page_id: int) -> None:
        """Add an owner to a page that is held."""
        self.retain_all((page_id,))

    def release(self, page_id: int) -> None:
        """Drop an owner; the page is free when the last one goes."""
        count = self._reference_counts[page_id]
        num_evictable = self._evictable_counts[page_id]
        assert count >= 1, f"release of page {page_id}: expected a reference count >= 1, got {count} (released twice)"
        assert count > num_evictable, (
            f"release of page {page_id}: expected more references than the cache's own {num_evictable}, got {count} "
            "(someone released a reference of the cache)"
        )
        count -= 1
        if count == 0:
            self._free(page_id)
            return
        self._reference_counts[page_id] = count
        if count == num_evictable:
            self._num_evictable_pages += 1

    def mark_evictable(self, page_id: int) -> None:
        """Declare one of the page's references as one that its owner, the radix cache, would give up."""
        self.mark_all_evictable((page_id,))

    def unmark_evictable(self, page_id: int) -> None:
        """Take back one `mark_evictable`: the reference is in use, or about to be released."""
        self.unmark_all_evictable((page_id,))

    def mark_all_evictable(self, page_ids: Iterable[int]) -> None:
        """`mark_evictable` each of the pages."""
        counts, marks = self._reference_counts, self._evictable_counts
        for page_id in page_ids:
            count, num_evictable = counts[page_id], marks[page_id]
            assert num_evictable < count, f"mark_evictable of page {page_id}: {num_evictable} of {count} references are"
            marks[page_id] = num_evictable + 1
            if num_evictable + 1 == count:
                self._num_evictable_pages += 1

    def unmark_all_evictable(self, page_ids: Iterable[int]) -> None:
        """`unmark_evictable` each of the pages."""
        counts, marks = self._reference_counts, self._evictable_counts
        for page_id in page_ids:
            count, num_evictable = counts[page_id], marks[page_id]
            assert num_evictable >= 1, f"unmark_evictable of page {page_id}: expected a mark, got {num_evictable}"
            if num_evictable == count:
                self._num_evictable_pages -= 1
            marks[page_id] = num_evictable - 1

    def release_evictable(self, page_id: int) -> bool:
        """Drop a reference that is marked evictable, with its mark; returns whether the page became free."""
        num_evictable = self._evictable_counts[page_id]
        assert num_evictable >= 1, f"release_evictable of page {page_id}: expected a mark, got {num_evictable}"
        count = self._reference_counts[page_id]
        self._evictable_counts[page_id] = num_evictable - 1
        if count > 1:
            self._reference_counts[page_id] = count - 1
            return False
        self._num_evictable_pages -= 1
        self._free(page_id)
        return True

    def retain_all(self, page_ids: Iterable[int]) -> None:
        """`retain` each of the pages."""
        counts, marks = self._reference_counts, self._evictable_counts
        for page_id in page_ids:
            count = counts[page_id]
            assert count >= 1, (
                f"retain of page {page_id}: expected a reference count >= 1, got {count} (the page is free)"
            )
            if count == marks[page_id]:
                self._num_evictable_pages -= 1
            counts[page_id] = count + 1

    def release_all(self, page_ids: Iterable[int]) -> None:
        """`release` each of the pages."""
        for page_id in page_ids:
            self.release(page_id)

    def reference_count(self, page_id: int) -> int:
        """Owners of a page; 0 for a free one."""
        return self._reference_counts[page_id]

    def evictable_count(self, page_id: int) -> int:
        """How many of a page's references are marked evictable."""
        return self._evictable_counts[page_id]

    def copy_cells(self, source_page: int, destination_page: int, num_cells: int) -> None:
        """Copy the first `num_cells` cells of a page, keys and values of all layers: the step of copy-on-write."""
        assert 0 <= num_cells <= self.page_size, f"copy_cells: expected 0 to {self.page_size} cells, got {num_cells}"
        counts = self._reference_counts[source_page], self._reference_counts[destination_page]
        assert counts[0] >= 1, f"copy_cells from page {source_page}: expected an owner, got {counts[0]}"
        assert counts[1] == 1, f"copy_cells into page {destination_page}: expected exactly 1 owner, got {counts[1]}"
        assert source_page != destination_page, f"copy_cells: expected two pages, got {source_page} twice"
        self.cells[:, :, destination_page, :num_cells].copy_(self.cells[:, :, source_page, :num_cells])

    def move_cell(self, source: tuple[int, int], destination: tuple[int, int]) -> None:
        """Copy one cell, (page, offset), over another: the step that closes up the right guesses of a tree."""
        for page_id, offset in (source, destination):
            assert 0 <= offset < self.page_size, f"move_cell: expected an offset below {self.page_size}, got {offset}"
            count = self._reference_counts[page_id]
            assert count == 1, f"move_cell: expected page {page_id} to have exactly 1 owner, got {count}"
        self.cells[:, :, destination[0], destination[1]] = self.cells[:, :, source[0], source[1]]

    def check_integrity(self) -> None:
        """Raise AssertionError unless free + held = total and the free list agrees with the counts. O(num_pages)."""
        counts = self._reference_counts
        assert len(counts) == self.num_pages, f"expected {self.num_pages} reference counts, got {len(counts)}"
        negative = [(page_id, count) for page_id, count in enumerate(counts) if count < 0]
        assert not negative, f"expected reference counts >= 0, got (page, count) {negative}"
        marks = self._evictable_counts
        wrong = [(i, marks[i], counts[i]) for i in range(self.num_pages) if not 0 <= marks[i] <= counts[i]]
        assert not wrong, f"expected 0 <= evictable <= references, got (page, evictable, references) {wrong}"
        num_evictable = sum(0 < counts[i] == marks[i] for i in range(self.num_pages))
        assert self._num_evictable_pages == num_evictable, (
            f"expected {num_evictable} evictable pages, got a count of {self._num_evictable_pages}"
        )
        num_held = sum(count > 0 for count in counts)
        assert self._num_free_pages + num_held == self.num_pages, (
            f"expected free + held = {self.num_pages} pages, got {self._num_free_pages} + {num_held}"
        )
        queued = set(self._free_heap)
        assert len(queued) == len(self._free_heap), (
            f"expected {len(queued)} entries in the free list, got {len(self._free_heap)} (duplicates)"
        )
        flagged = {page_id for page_id, is_queued in enumerate(self._is_queued) if is_queued}
        assert flagged == queued, f"expected queued pages {sorted(queued)}, got flags for {sorted(flagged)}"
        lost = [page_id for page_id, count in enumerate(counts) if count == 0 and page_id not in queued]
        assert not lost, f"expected every free page in the free list, {len(lost)} are missing: {lost[:16]}"

    def _free(self, page_id: int) -> None:
        self._reference_counts[page_id] = 0
        self._num_free_pages += 1
        if not self._is_queued[page_id]:
            self._is_queued[page_id] = 1
            heapq.heappush(self._free_heap, page_id)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros, not empty: a padded row may read cells nobody wrote, and NaN times a weight of 0 is NaN.

    On a CPU the memory of pages that nobody touches is not taken: NumPy's zeros come from calloc, torch's are written.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    num_bytes = math.prod(shape) * dtype.itemsize
    raw = np.zeros(num_bytes + _ALIGNMENT, dtype=np.uint8)
    offset = -raw.ctypes.data % _ALIGNMENT
    return torch.from_numpy(raw[offset : offset + num_bytes]).view(dtype).view(shape)
