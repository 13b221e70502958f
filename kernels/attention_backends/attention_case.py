"""AttentionCase: what a backend of attention is chosen by."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from ..attention_rows import AttentionRows

RowMix = Literal["decode", "prefill", "mixed", "trees"]
"""Rows of one token each; of several each; of both kinds; or some under an ancestor mask (drafts, choices)."""

ROW_MIXES: tuple[RowMix, ...] = get_args(RowMix)


@dataclass(frozen=True)
class AttentionCase:
    """A model's attention, and the rows of a step; all of it but the mix is known when an engine starts."""

    dtype: torch.dtype  # of queries
    num_heads: int
    num_kv_heads: int
    head_dim: int
    page_size: int
    mix: RowMix = "mixed"
    kv_dtype: torch.dtype | None = None  # of cells; None: that of queries
    has_soft_cap: bool = False
    has_sinks: bool = False
    has_window: bool = False  # whether any layer has a sliding window
    is_deterministic: bool = False  # whether a token's bits must depend on its own text alone

    @property
    def cell_dtype(self) -> torch.dtype:
        """Of keys and values."""
        return self.kv_dtype or self.dtype

    @property
    def group(self) -> int:
        """Query heads of a key head."""
        return self.num_heads // self.num_kv_heads


def mix_of(rows: AttentionRows) -> RowMix:
    """What kind of step it is."""
    if any(mask is not None for mask in rows.ancestor_masks):
        return "trees"
    if max(rows.query_lens) == 1:
        return "decode"
    return "mixed" if min(rows.query_lens) == 1 else "prefill"
