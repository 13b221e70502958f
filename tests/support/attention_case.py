"""Steps of attention over made-up texts: the same token can be asked for in many ways."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from palmette.kernels.attention_rows import AttentionRows


@dataclass(frozen=True)
class Row:
    """Tokens `start` to `stop` of a text, and maybe a tree after them: nodes are (text, position, parent node)."""

    text: int
    start: int
    stop: int
    nodes: tuple[tuple[int, int, int | None], ...] = ()


@dataclass(frozen=True)
class Step:
    """What a kernel is given, and which token of which text each query is."""

    rows: AttentionRows
    q: Tensor
    k_cache: Tensor
    v_cache: Tensor
    tokens: tuple[tuple[int, int], ...]  # (text, position)


class Texts:
    """Texts of random queries, keys and values; text t has its first `shared[t]` cells in common with text 0."""

    def __init__(
        self,
        num_texts: int,
        max_len: int,
        *,
        num_heads: int = 4,
        num_kv_heads: int = 2,
        head_dim: int = 16,
        shared: Sequence[int] = (),
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.shared = [max_len, *shared, *[0] * num_texts][:num_texts]
        self.num_heads, self.num_kv_heads, self.head_dim, self.dtype = num_heads, num_kv_heads, head_dim, dtype

        def draw(heads: int) -> Tensor:
            numbers = torch.randn((num_texts, max_len, heads, head_dim), generator=generator).to(dtype)
            for text in range(1, num_texts):
                numbers[text, : self.shared[text]] = numbers[0, : self.shared[text]]
            return numbers

        self.q, self.k, self.v = draw(num_heads), draw(num_kv_heads), draw(num_kv_heads)

    def step(
        self,
        rows: Sequence[Row],
        page_size: int = 16,
        *,
        has_shared_pages: bool = True,
        window: int | None = None,
        soft_cap: float | None = None,
        seed: int = 0,
    ) -> Step:
        """Lay the rows' cells into shuffled pages, the others full of NaN. Shared text lies in the same pages."""
        widths = [-(-(row.stop + len(row.nodes)) // page_size) for row in rows]
        num_pages = sum(widths) + 2
        free = torch.randperm(num_pages, generator=torch.Generator().manual_seed(seed)).tolist()
        table = torch.zeros((len(rows), max(widths)), dtype=torch.int64)
        known: dict[int, int] = {}  # page of text 0 -> where it lies
        shape = (num_pages, page_size, self.num_kv_heads, self.head_dim)
        k_cache, v_cache = (torch.full(shape, math.nan, dtype=self.dtype) for _ in range(2))
        tokens: list[tuple[int, int]] = []
        masks: list[Tensor | None] = []
        positions: list[int] = []
        for index, (row, width) in enumerate(zip(rows, widths, strict=True)):
            cells = [(row.text, position) for position in range(row.stop)]
            cells += [(text, position) for text, position, _ in row.nodes]
            for page in range(width):
                end = (page + 1) * page_size
                is_shared = has_shared_pages and end <= min(self.shared[row.text], row.start)
                place = known[page] if is_shared and page in known else free.pop()
                if is_shared:
                    known[page] = place
                table[index, page] = place
            for cell, (text, position) in enumerate(cells):
                place = int(table[index, cell // page_size])
                k_cache[place, cell % page_size] = self.k[text, position]
                v_cache[place, cell % page_size] = self.v[text, position]
            tokens += cells[row.start :]
            positions += [position for _, position in cells[row.start :]]
            masks.append(_mask(row) if row.nodes else None)
        attention_rows = AttentionRows(
            query_lens=tuple(row.stop - row.start + len(row.nodes) for row in rows),
            kv_lens=tuple(row.stop + len(row.nodes) for row in rows),
            page_table=table,
            page_size=page_size,
            num_kv_heads=self.num_kv_heads,
            ancestor_masks=tuple(masks),
            positions=torch.tensor(positions),
            window=window,
            soft_cap=soft_cap,
            num_heads=self.num_heads,
            head_dim=self.head_dim,
        )
        q = torch.stack([self.q[text, position] for text, position in tokens])
        return Step(attention_rows, q, k_cache, v_cache, tuple(tokens))


def _mask(row: Row) -> Tensor:
    num_before = row.stop - row.start
    mask = torch.ones((num_before + len(row.nodes),) * 2, dtype=torch.bool).tril()
    mask[num_before:, num_before:] = False
    for node, (_, _, parent) in enumerate(row.nodes):
        if parent is not None:
            mask[num_before + node] = mask[num_before + parent]
        mask[num_before + node, num_before + node] = True
    return mask
