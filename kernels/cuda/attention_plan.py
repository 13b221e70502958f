"""The plan of a step for the Triton attention kernels, worked out on the host, and its run on every layer."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..attention_rows import AttentionRows
from ..upload import upload as upload_tensor
from . import cascade
from .attention_config import MAX_GROUP, MAX_HEAD_DIM, block_rows
from .attention_item import BLOCK_ALIGNMENT, ItemField
from .attention_launch import Launch, MergeTables, PagedAttentionPlan
from .attention_splits import choose_split_len, number_slots, split
from .attention_tape import upload
from .attention_tiles import Ints, Spans, spans_of, tiles_of, unfold_trees

_PROGRAMS_OF_A_MULTIPROCESSOR = 2
_CELL_BYTES = 4  # of a number of a key and one of a value in 16 bits


@dataclass(frozen=True)
class AttentionOptions:
    """How a step may be planned.

    is_deterministic: a token's bits depend on its own text alone, not on the rows beside it, on how its text was cut
    into chunks, on whether it was drafted, or on what the cache held: rows are cut at the multiples of `split_len`
    cells, one tile shape serves all, and parts are added in order.
    sharing: whether ranges of cells that rows share are attended once: as the estimate says, wherever possible, never.
    num_programs: how many programs the device runs at a time; None asks it.
    """

    is_deterministic: bool = False
    split_len: int = 1024
    sharing: Literal["auto", "always", "never"] = "auto"
    num_programs: int | None = None

    def __post_init__(self) -> None:
        if self.split_len < BLOCK_ALIGNMENT or self.split_len % BLOCK_ALIGNMENT:
            raise ValueError(f"split_len: expected a multiple of {BLOCK_ALIGNMENT} cells, got {self.split_len}")
        if self.num_programs is not None and self.num_programs < 1:
            raise ValueError(f"num_programs: expected an integer >= 1 or None, got {self.num_programs}")


@dataclass(frozen=True)
class TileLimits:
    """The one tile size of a step, and to how many items its rows may be split."""

    block_m: int
    max_num_items: int


@dataclass(frozen=True)
class HostPlan:
    """A plan before it is on the device."""

    rows: AttentionRows
    window: int | None
    split_len: int
    tables: dict[str, NDArray[np.int32]]  # "items 16" and so on by tile rows, "page_table", ...; absent: of no use
    num_slots: int

    def items(self) -> dict[int, NDArray[np.int32]]:
        """The items of each tile size."""
        names = (name for name in self.tables if name.startswith("items "))
        return {int(name.removeprefix("items ")): self.tables[name] for name in names}


def plan_paged(
    rows: AttentionRows, device: torch.device, options: AttentionOptions = AttentionOptions()
) -> PagedAttentionPlan:
    """Cut the step into programs. One copy to the device, from pinned memory, and no wait for it.

    A page table or ancestor masks that lie on the device are waited for: keep them on the host.
    """
    host = plan_on_host(rows, device, options)
    return send(host, device, upload(host.tables, device))


def plan_on_host(
    rows: AttentionRows, device: torch.device, options: AttentionOptions, limits: TileLimits | None = None
) -> HostPlan:
    """The tables of a step."""
    return _Planner(rows, device, options, limits).plan()


def can_plan(rows: AttentionRows) -> bool:
    """Whether the kernels serve rows of this kind."""
    if rows.num_heads is None or rows.head_dim is None or rows.page_size & (rows.page_size - 1):
        return False
    return rows.head_dim <= MAX_HEAD_DIM and rows.num_heads <= MAX_GROUP * rows.num_kv_heads


def send(host: HostPlan, device: torch.device, sent: dict[str, Tensor]) -> PagedAttentionPlan:
    """The plan whose tables are on the device."""
    rows = host.rows
    assert rows.num_heads is not None
    assert rows.head_dim is not None
    has_positions = "masks" in sent and host.window is not None
    merge: MergeTables | None = None
    if "slots" in sent:
        merge = MergeTables(sent["tokens"], sent["offsets"], sent["slots"], host.num_slots)
    return PagedAttentionPlan(
        num_tokens=sum(rows.query_lens),
        num_heads=rows.num_heads,
        num_kv_heads=rows.num_kv_heads,
        head_dim=rows.head_dim,
        page_size=rows.page_size,
        soft_cap=rows.soft_cap,
        window=host.window,
        split_len=host.split_len,
        launches=tuple(Launch(size, sent[f"items {size}"], len(table)) for size, table in host.items().items()),
        merge=merge,
        page_table=sent["page_table"],
        table_stride=host.tables["page_table"].shape[1],
        token_list=sent.get("token_list"),
        masks=sent.get("masks"),
        positions=_positions(rows, device) if has_positions else None,
        paths=sent.get("paths"),
        shared_memory=_shared_memory(device),
    )


class _Planner:
    def __init__(
        self, rows: AttentionRows, device: torch.device, options: AttentionOptions, limits: TileLimits | None
    ) -> None:
        assert rows.num_heads is not None, "rows.num_heads: expected the number of query heads, got None"
        assert rows.head_dim is not None, "rows.head_dim: expected the numbers of a head, got None"
        assert rows.num_heads % rows.num_kv_heads == 0, (
            f"num_heads: expected a multiple of {rows.num_kv_heads} key heads, got {rows.num_heads}"
        )
        self.rows = rows
        self.options = options
        self.limits = limits
        self.head_dim = rows.head_dim
        self.group = rows.num_heads // rows.num_kv_heads
        assert self.group <= MAX_GROUP, f"expected at most {MAX_GROUP} query heads a key head, got {self.group}"
        assert rows.page_size & (rows.page_size - 1) == 0, f"page_size: expected a power of 2, got {rows.page_size}"
        self.window = rows.window if rows.is_windowed else None
        assert rows.head_dim <= MAX_HEAD_DIM, f"head_dim: expected at most {MAX_HEAD_DIM}, got {rows.head_dim}"
        self.num_programs = options.num_programs or num_programs(device)

    def plan(self) -> HostPlan:
        options, rows = self.options, self.rows
        page_table = rows.page_table.cpu().numpy().astype(np.int32)
        spans, trees = spans_of(rows)
        paths = np.zeros(0, dtype=np.int32)
        if options.is_deterministic:
            spans, paths = unfold_trees(spans, trees, options.split_len, self.window is not None)
        segments = self._segments(spans, page_table)
        token_list: NDArray[np.int32] | None = None
        pieces: dict[int, list[Ints]] = {}
        if segments:
            block_m = self._shared_block_rows(spans, segments)
            spans, shared, listed = cascade.share(spans, segments, block_m // self.group)
            num_tokens = sum(rows.query_lens)
            token_list = np.concatenate((np.arange(num_tokens), listed)).astype(np.int32)
            shared[:, ItemField.FIRST_TOKEN] += num_tokens
            pieces.setdefault(block_m, []).append(shared)
        block_ms = self._block_rows(spans)
        for block_m in np.unique(block_ms).tolist():
            chosen = spans.take(block_ms == block_m)
            pieces.setdefault(block_m, []).append(tiles_of(chosen, block_m // self.group, self.window))
        classes = {block_m: self._split(np.concatenate(tiles), block_m) for block_m, tiles in pieces.items()}
        items = np.concatenate(list(classes.values()))
        merges = number_slots(items, token_list)
        tables = {f"items {block_m}": table for block_m, table in _cut(items, classes).items()}
        tables["page_table"] = page_table
        if options.is_deterministic and len(paths):
            tables["paths"] = paths
        elif len(trees.words):
            tables["masks"] = trees.words
        if token_list is not None:
            tables["token_list"] = token_list
        if merges is not None:
            tables |= {"tokens": merges.tokens, "offsets": merges.offsets, "slots": merges.slots}
        split_len = options.split_len if options.is_deterministic else 0
        return HostPlan(rows, self.window, split_len, tables, 0 if merges is None else merges.num_slots)

    def _segments(self, spans: Spans, page_table: NDArray[np.int32]) -> list[cascade.Segment]:
        """The ranges of cells to attend once for several spans."""
        if self.options.sharing == "never" or len(spans) < 2 or self.window is not None:
            return []
        # A span that fills tiles by itself reads its cells no less often in company.
        is_short = (spans.num_tokens * self.group < 64) & (spans.path_offset < 0)
        members = np.flatnonzero(is_short)
        unit = self.options.split_len if self.options.is_deterministic else BLOCK_ALIGNMENT
        if len(members) < 2:
            return []
        segments = cascade.find_segments(spans, members, page_table, self.rows.page_size, unit)
        if not segments or self.options.sharing == "always":
            return segments
        costs = cascade.TileCosts(
            self.group,
            self._shared_block_rows(spans, segments),
            self.rows.num_kv_heads,
            _CELL_BYTES * self.head_dim,
        )
        return cascade.choose_segments(segments, spans, costs)

    def _shared_block_rows(self, spans: Spans, segments: list[cascade.Segment]) -> int:
        if self.options.is_deterministic:
            return self._one_block_rows()
        most = max(int(spans.num_tokens[segment.spans].sum()) for segment in segments)
        return block_rows(most * self.group, self.group, self.head_dim)

    def _block_rows(self, spans: Spans) -> Ints:
        """Of the tiles of each span."""
        if self.limits is not None:
            return np.full(len(spans), self.limits.block_m)
        if self.options.is_deterministic:
            return np.full(len(spans), self._one_block_rows())
        num_rows = spans.num_tokens * self.group
        sizes = {count: block_rows(count, self.group, self.head_dim) for count in np.unique(num_rows).tolist()}
        if len(sizes) == 1:
            return np.full(len(spans), next(iter(sizes.values())))
        return np.array([sizes[count] for count in num_rows.tolist()])

    def _one_block_rows(self) -> int:
        return block_rows(64, self.group, self.head_dim)

    def _split(self, tiles: Ints, block_m: int) -> Ints:
        """Cut the tiles' cells, and put the longest items first, so that the last programs are short."""
        lens = tiles[:, ItemField.STOP] - tiles[:, ItemField.START]
        num_kv_heads = self.rows.num_kv_heads
        if self.options.is_deterministic:
            # Tiles that fill the device by themselves go through their splits one after the other.
            is_alone = tiles[:, ItemField.SLOT] == 0
            if len(tiles) * num_kv_heads >= self.num_programs and is_alone.any():
                parts = split(tiles[~is_alone], self.options.split_len, is_absolute=True)
                items = np.concatenate((tiles[is_alone], parts))
            else:
                items = split(tiles, self.options.split_len, is_absolute=True)
        else:
            # The largest tiles take a multiprocessor's registers alone.
            num_running = self.num_programs if block_m < 128 else max(1, self.num_programs // 2)
            max_num_items = None if self.limits is None else self.limits.max_num_items
            split_len = choose_split_len(lens, num_kv_heads, num_running, max_num_items)
            items = split(tiles, split_len, is_absolute=False)
        lens = items[:, ItemField.STOP] - items[:, ItemField.START]
        return items[np.argsort(-lens, kind="stable")]


def _cut(items: Ints, classes: dict[int, Ints]) -> dict[int, NDArray[np.int32]]:
    """The numbered items by their tile size again."""
    tables: dict[int, NDArray[np.int32]] = {}
    first = 0
    for block_m, table in classes.items():
        tables[block_m] = items[first : first + len(table)].astype(np.int32)
        first += len(table)
    return tables


def num_programs(device: torch.device) -> int:
    """How many programs of the attention kernel the device runs at a time."""
    if device.type != "cuda":
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count * _PROGRAMS_OF_A_MULTIPROCESSOR


def _shared_memory(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    properties: Any = torch.cuda.get_device_properties(device)  # whose stubs lack this one
    return int(properties.shared_memory_per_block_optin)


def _positions(rows: AttentionRows, device: torch.device) -> Tensor:
    assert rows.positions is not None, "positions: expected them with a window and ancestor masks, got None"
    return upload_tensor(rows.positions, device)
