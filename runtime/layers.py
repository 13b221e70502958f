"""The layers of a decoder: weights, and what they do to the hidden states of a batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels.attention import AttentionPlan, attention
from ..kernels.onednn_linear import has_many_rows, onednn_linear, onednn_linear_add
from ..kernels.rms_norm import rms_norm
from ..kernels.rotary import rotary_table, rotate
from ..kernels.silu_and_mul import silu_and_mul
from ..kernels.store_kv import store_kv


@dataclass(frozen=True)
class Linear:
    """`x @ weight + bias`.

    Checkpoints have the weight as [out_size, in_size]. The other way round a product with one row, which is all
    reading of weights, takes half the time on a CPU (measured with MKL: 0.9 against 1.6 ms for 20 MB). Products with
    more rows go to oneDNN, which reads this layout as well and, unlike MKL, uses all that the processor has (on an
    AMD one in float32: 1.3 times as fast with 8 rows, twice as fast with 200).
    """

    weight: Tensor  # [in_size, out_size] model dtype
    bias: Tensor | None  # [out_size]

    def forward(self, x: Tensor) -> Tensor:
        """x: [num_tokens, in_size] -> [num_tokens, out_size]."""
        if has_many_rows(x):
            return onednn_linear(x, self.weight, self.bias)
        if self.bias is None:
            return torch.mm(x, self.weight)
        return torch.addmm(self.bias, x, self.weight)

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """`residual + forward(x)`, in one product."""
        if has_many_rows(x):
            return onednn_linear_add(residual, x, self.weight, self.bias)
        out = torch.addmm(residual, x, self.weight)
        return out if self.bias is None else out.add_(self.bias)


@dataclass(frozen=True)
class AttentionLayer:
    """Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) over the paged cache."""

    num_heads: int
    num_kv_heads: int
    head_dim: int
    window: int | None
    qkv: Linear  # queries, keys and values of all heads; of the first two the channels lie in rotary pairs
    output: Linear
    qk_norm: Tensor | None  # [num_heads + num_kv_heads, head_dim], in rotary pairs too
    eps: float

    def forward(
        self,
        residual: Tensor,
        x: Tensor,
        turns: Tensor,
        slots: Tensor,
        plan: AttentionPlan,
        k_cache: Tensor,
        v_cache: Tensor,
    ) -> Tensor:
        """Write the cells of the tokens and return residual + attention(x): [num_tokens, hidden_size].

        turns: [num_tokens, 1, head_dim / 2] complex64; slots: [num_tokens] int64.
        k_cache, v_cache: [num_pages, page_size, num_kv_heads, head_dim].
        """
        num_rotated = self.num_heads + self.num_kv_heads
        heads = self.qkv.forward(x).view(-1, num_rotated + self.num_kv_heads, self.head_dim)
        rotated = heads[:, :num_rotated]
        if self.qk_norm is not None:
            rotated = rms_norm(rotated, self.qk_norm, self.eps)
        rotated = rotate(rotated, turns)
        store_kv(rotated[:, self.num_heads :], heads[:, num_rotated:], k_cache, v_cache, slots)
        out = attention(rotated[:, : self.num_heads], k_cache, v_cache, plan, self.head_dim**-0.5)
        return self.output.add_to(residual, out.flatten(1))


@dataclass(frozen=True)
class FeedForward:
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    gate_up: Linear  # gate above up
    down: Linear

    def forward(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + feed-forward(x): [num_tokens, hidden_size]."""
        return self.down.add_to(residual, silu_and_mul(self.gate_up.forward(x)))


class RotaryEmbedding:
    """Looks up how far each position turns the channels; the table grows with the longest text so far."""

    def __init__(self, inverse_frequencies: Tensor, scale: float) -> None:
        self._inverse_frequencies = inverse_frequencies
        self._scale = scale
        self._table = rotary_table(inverse_frequencies, 2048, scale)  # [num_positions, head_dim / 2] complex64

    def turns(self, positions: Tensor, max_len: int) -> Tensor:
        """Rows of the table, [num_tokens, 1, head_dim / 2] complex64, for positions [num_tokens] below `max_len`."""
        if max_len > len(self._table):
            self._table = rotary_table(self._inverse_frequencies, max(max_len, 2 * len(self._table)), self._scale)
        return self._table.index_select(0, positions).unsqueeze(1)
