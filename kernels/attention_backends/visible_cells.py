"""Which cells of its row a token sees, as a mask: what backends are told that know no trees."""

import numpy as np
from numpy.typing import NDArray

from ..attention_rows import AttentionRows


def visible_cells(rows: AttentionRows, row: int, start: int = 0, stop: int | None = None) -> NDArray[np.bool_]:
    """What queries `start` to `stop` of the row see: [stop - start, kv_len]. O of its size; rows are on the host."""
    query_len, kv_len = rows.query_lens[row], rows.kv_lens[row]
    base = kv_len - query_len
    queries = np.arange(start, query_len if stop is None else stop)
    cells = np.arange(kv_len)
    ancestors = rows.ancestor_masks[row]
    if ancestors is None:
        mask = cells <= base + queries[:, None]
    else:
        mask = np.ones((len(queries), kv_len), dtype=np.bool_)
        mask[:, base:] = ancestors[queries[0] : queries[-1] + 1].numpy()
    if rows.window is None:
        return mask
    # Before the row's tokens a cell's position is its index; a node of a tree has the position of its depth.
    positions = cells.copy()
    if rows.positions is not None:
        first = sum(rows.query_lens[:row])
        positions[base:] = rows.positions[first : first + query_len].numpy()
    else:
        assert ancestors is None, f"row {row}: expected positions with a window and a mask, got None"
    return mask & (positions > positions[base + queries][:, None] - rows.window)


def cell_slots(rows: AttentionRows, row: int) -> NDArray[np.int64]:
    """Where the row's cells lie in a pool of [num_pages * page_size]: [kv_len]. The rows are on the host."""
    cells = np.arange(rows.kv_lens[row])
    pages = rows.page_table[row].numpy()[cells // rows.page_size]
    slots: NDArray[np.int64] = pages * rows.page_size + cells % rows.page_size
    return slots
