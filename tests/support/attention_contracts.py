"""What flash-attn and FlashInfer say that their functions do, done slowly: to check what they would be told.

Both say of a causal row that its tokens are the last of its cells, of a window that it counts cells before a token's
own, and of a soft cap that it comes before the softmax.
"""

import math
from typing import Any

import torch
from torch import Tensor


def attend(
    q: Tensor, keys: Tensor, values: Tensor, is_seen: Tensor, scale: float, soft_cap: float = 0.0
) -> tuple[Tensor, Tensor]:
    """q: [queries, heads, dim]; keys, values: [cells, kv_heads, dim]; is_seen: [queries, cells].

    Returns the result in float64 and, [queries, heads], the natural logarithm of the sum of weights.
    """
    group = q.shape[1] // keys.shape[1]
    keys, values = (cells.double().repeat_interleave(group, 1) for cells in (keys, values))
    scores = scale * torch.einsum("qhd,chd->hqc", q.double(), keys)
    if soft_cap > 0:
        scores = soft_cap * (scores / soft_cap).tanh()
    scores = scores.masked_fill(~is_seen, -math.inf)
    return torch.einsum("hqc,chd->qhd", scores.softmax(-1), values), scores.logsumexp(-1).T


def seen_causally(num_queries: int, num_cells: int, window_left: int) -> Tensor:
    """[num_queries, num_cells]; window_left < 0: none."""
    own = num_cells - num_queries + torch.arange(num_queries)[:, None]
    cells = torch.arange(num_cells)
    return (cells <= own) & ((cells >= own - window_left) if window_left >= 0 else True)


def varlen_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    *,
    softmax_scale: float,
    causal: bool,
    window_size: tuple[int, int],
    softcap: float,
    block_table: Tensor | None,
    return_attn_probs: bool,
) -> Any:
    """flash_attn.flash_attn_varlen_func, 2.7 and 2.8."""
    assert causal
    assert window_size == (-1, -1) or window_size[1] == 0
    assert cu_seqlens_q.dtype == cu_seqlens_k.dtype == torch.int32
    assert block_table is None or (block_table.dtype == torch.int32 and k.shape[1] % 256 == 0)
    out, log_sums = torch.empty_like(q), torch.empty(q.shape[:2]).T
    for row in range(len(cu_seqlens_q) - 1):
        start, stop = cu_seqlens_q[row : row + 2].tolist()
        first, last = cu_seqlens_k[row : row + 2].tolist()
        assert stop - start <= max_seqlen_q
        assert last - first <= max_seqlen_k
        if block_table is None:
            keys, values = k[first:last], v[first:last]
        else:
            pages = block_table[row].long()
            keys, values = (cells[pages].flatten(0, 1)[: last - first] for cells in (k, v))
        is_seen = seen_causally(stop - start, last - first, window_size[0])
        part, log_sum = attend(q[start:stop], keys, values, is_seen, softmax_scale, softcap)
        out[start:stop], log_sums[:, start:stop] = part, log_sum.T
    return (out, log_sums, None) if return_attn_probs else out


class PagedWrapper:
    """FlashInfer's wrappers of 0.7 for paged keys and values: decode, prefill, and cascade of two levels."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.num_plans = 0

    def plan(self, *arguments: Any, **options: Any) -> None:
        if self.kind == "decode":
            assert "causal" not in options
            num_rows = len(arguments[0]) - 1
            arguments = (torch.arange(num_rows + 1, dtype=torch.int32), *arguments)
        *lists, self.num_heads, self.num_kv_heads, self.head_dim, self.page_size = arguments
        self.levels = list(zip(*lists, strict=True)) if self.kind == "shared" else [tuple(lists)]
        assert all(each.dtype == torch.int32 for level in self.levels for each in level)
        assert len(self.levels) == (2 if self.kind == "shared" else 1)
        self.options = options
        self.num_plans += 1

    def run(self, q: Tensor, paged_kv_cache: tuple[Tensor, Tensor], return_lse: bool = False) -> Any:
        k, v = paged_kv_cache
        assert q.dtype == self.options["q_data_type"]
        assert k.dtype == self.options["kv_data_type"]
        assert q.shape[1:] == (self.num_heads, self.head_dim)
        assert k.shape[1:] == (self.page_size, self.num_kv_heads, self.head_dim)
        assert not (return_lse and self.kind == "shared")
        parts = [self._level(q, k, v, index) for index in range(len(self.levels))]
        log_sum = torch.stack([part[1] for part in parts]).logsumexp(0)
        out = sum(part * (own - log_sum).exp().unsqueeze(-1) for part, own in parts)
        assert isinstance(out, Tensor)
        result = out.to(q.dtype)
        return (result, log_sum.float() / math.log(2)) if return_lse else result

    def _level(self, q: Tensor, k: Tensor, v: Tensor, index: int) -> tuple[Tensor, Tensor]:
        starts, page_starts, pages, last_page_lens = (each.long() for each in self.levels[index])
        assert starts[-1] == len(q)
        assert page_starts[-1] == len(pages)
        assert ((last_page_lens >= 1) & (last_page_lens <= self.page_size)).all()
        options = self.options
        mask = options.get("custom_mask")
        outs, sums, offset = [], [], 0
        for row in range(len(starts) - 1):
            queries = q[starts[row] : starts[row + 1]]
            own_pages = pages[page_starts[row] : page_starts[row + 1]]
            num_cells = (len(own_pages) - 1) * self.page_size + int(last_page_lens[row])
            keys, values = (cells[own_pages].flatten(0, 1)[:num_cells] for cells in (k.float(), v.float()))
            size = len(queries) * num_cells
            if mask is not None:
                is_seen = mask[offset : offset + size].view(len(queries), num_cells)
            elif index == len(self.levels) - 1:
                assert self.kind == "decode" or options["causal"]
                is_seen = seen_causally(len(queries), num_cells, options["window_left"])
            else:
                is_seen = torch.ones((len(queries), num_cells), dtype=torch.bool)
            offset += size
            out, log_sum = attend(
                queries, keys, values, is_seen, options["sm_scale"], options["logits_soft_cap"] or 0.0
            )
            outs.append(out)
            sums.append(log_sum)
        assert mask is None or offset == len(mask)
        return torch.cat(outs), torch.cat(sums)
