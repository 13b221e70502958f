"""The layers of a decoder: weights, and what they do to the hidden states of a batch."""

from dataclasses import dataclass

from torch import Tensor

from ...kernels.attention import attention
from ...kernels.attention_plan import AttentionPlan
from ...kernels.cpu.block import CpuBlock, CpuBlockParts
from ...kernels.cpu.library import cpu_library
from ...kernels.cpu.linear import CpuLinear
from ...kernels.linear import Linear
from ...kernels.rotary import rotary_table
from ...kernels.silu_and_mul import silu_and_mul
from ...kernels.split_qkv import split_qkv


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
        qkv = self.qkv.forward(x)
        q = split_qkv(qkv, self.num_heads, turns, self.qk_norm, self.eps, k_cache, v_cache, slots)
        out = attention(q, k_cache, v_cache, plan, self.head_dim**-0.5)
        return self.output.add_to(residual, out.flatten(1))


@dataclass(frozen=True)
class FeedForward:
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    gate_up: Linear  # gate above up
    down: Linear

    def forward(self, residual: Tensor, x: Tensor) -> Tensor:
        """residual + feed-forward(x): [num_tokens, hidden_size]."""
        return self.down.add_to(residual, silu_and_mul(self.gate_up.forward(x)))


def fuse_block(
    attention_norm: Tensor, attention: AttentionLayer, mlp_norm: Tensor, mlp: FeedForward
) -> CpuBlock | None:
    """The block in C, on the same weights; None unless all of its products are in C."""
    library = cpu_library()
    qkv, output, gate_up, down = attention.qkv, attention.output, mlp.gate_up, mlp.down
    if library is None or not (
        isinstance(qkv, CpuLinear)
        and isinstance(output, CpuLinear)
        and isinstance(gate_up, CpuLinear)
        and isinstance(down, CpuLinear)
    ):
        return None
    parts = CpuBlockParts(
        qkv=qkv,
        output=output,
        gate_up=gate_up,
        down=down,
        attention_norm=attention_norm,
        mlp_norm=mlp_norm,
        qk_norm=attention.qk_norm,
        num_heads=attention.num_heads,
        num_kv_heads=attention.num_kv_heads,
        head_dim=attention.head_dim,
        eps=attention.eps,
    )
    return CpuBlock(library, parts)


class RotaryEmbedding:
    """Looks up how far each position turns the channels; the table grows with the longest text so far."""

    def __init__(self, inverse_frequencies: Tensor, scale: float) -> None:
        self._inverse_frequencies = inverse_frequencies
        self._scale = scale
        self._table = rotary_table(inverse_frequencies, 2048, scale)  # [num_positions, head_dim / 2] complex64
        # A recorded graph reads the table of its time, so that is kept. Each is at least twice the one before: all
        # that are kept take no more than the one in use.
        self._outgrown: list[Tensor] = []

    def reserve(self, num_positions: int) -> None:
        """Have all positions below `num_positions` in the table."""
        if num_positions > len(self._table):
            self._outgrown.append(self._table)
            num_positions = max(num_positions, 2 * len(self._table))
            self._table = rotary_table(self._inverse_frequencies, num_positions, self._scale)

    def turns(self, positions: Tensor) -> Tensor:
        """Rows of the table, [num_tokens, 1, head_dim / 2] complex64, for positions [num_tokens] that are in it."""
        return self._table.index_select(0, positions).unsqueeze(1)
