"""Decoder: the one forward pass of llama, mistral, qwen2 and qwen3."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ...kernels.attention import Attention, attention, plan
from ...kernels.attention_plan import AttentionPlan
from ...kernels.attention_rows import AttentionRows
from ...kernels.cpu.block import CpuBlock
from ...kernels.linear import Linear
from ...kernels.rms_norm import rms_norm
from ..cache.kv_pool import KVLayout, KVPool
from .batch import Batch
from .layers import AttentionLayer, FeedForward, RotaryEmbedding
from .model_config import ModelConfig
from .pass_inputs import PassInputs


@dataclass(frozen=True)
class DecoderLayer:
    """One block: attention, then feed-forward, each on the normed hidden states and added to them."""

    attention_norm: Tensor  # [hidden_size]
    attention: AttentionLayer
    mlp_norm: Tensor  # [hidden_size]
    mlp: FeedForward
    fused: CpuBlock | None
    """The same weights, where all that is not attention runs in C."""

    def forward(
        self, hidden: Tensor, turns: Tensor, slots: Tensor, plan: AttentionPlan, k_cache: Tensor, v_cache: Tensor
    ) -> Tensor:
        """hidden: [num_tokens, hidden_size], returned changed; the other arguments as in `AttentionLayer.forward`."""
        if self.fused is not None and k_cache.dtype == hidden.dtype:
            q = self.fused.before_attention(hidden, turns, slots, k_cache, v_cache)
            attended = attention(q, k_cache, v_cache, plan, self.attention.head_dim**-0.5)
            return self.fused.after_attention(hidden, attended)
        eps = self.attention.eps
        normed = rms_norm(hidden, self.attention_norm, eps)
        hidden = self.attention.forward(hidden, normed, turns, slots, plan, k_cache, v_cache)
        return self.mlp.forward(hidden, rms_norm(hidden, self.mlp_norm, eps))


class Decoder:
    """A llama-family model. It keeps no state of any text: that is in the batch and the pool."""

    def __init__(
        self,
        config: ModelConfig,
        embedding: Tensor,  # [vocab_size, hidden_size]
        layers: tuple[DecoderLayer, ...],
        final_norm: Tensor,  # [hidden_size]
        lm_head: Linear,  # hidden_size -> vocab_size
        attention: Attention | None = None,
    ) -> None:
        """attention: who attends, where that was chosen; None: the device's own kernels."""
        self.config = config
        self._attention = attention
        self._embedding = embedding
        self._layers = layers
        self._final_norm = final_norm
        self._lm_head = lm_head
        self._windows = tuple(dict.fromkeys(config.windows))
        inverse_frequencies = config.rope.inverse_frequencies(config.head_dim).to(embedding.device)
        self._rotary = RotaryEmbedding(inverse_frequencies, config.rope.attention_factor)

    @property
    def vocab_size(self) -> int:
        """Columns of the logits."""
        return self.config.vocab_size

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights and of the cache."""
        return self._embedding.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are, and the batch and the pool must be."""
        return self._embedding.device

    def kv_layout(self, dtype: torch.dtype | None = None) -> KVLayout:
        """The pool this model needs, with cells of `dtype`: its own (None), or float8_e4m3fn."""
        return KVLayout(self.config.num_layers, self.config.num_kv_heads, self.config.head_dim, dtype or self.dtype)

    def forward(self, batch: Batch, kv_pool: KVPool) -> Tensor:
        """Write the KV cells of the batch's tokens and return logits: [num_wanted, vocab_size] float32.

        On CUDA it launches and waits for nothing.
        """
        return self.compute(PassInputs.of(batch, self.device), self._plans(batch, kv_pool), kv_pool)

    @torch.inference_mode()
    def forward_with_hidden(self, batch: Batch, kv_pool: KVPool) -> tuple[Tensor, Tensor]:
        """See `HiddenStateModel`."""
        hidden = self._hidden(PassInputs.of(batch, self.device), self._plans(batch, kv_pool), kv_pool)
        return self._lm_head.forward(hidden, torch.float32), hidden

    def _plans(self, batch: Batch, kv_pool: KVPool) -> dict[int | None, AttentionPlan]:
        self.reserve(max(batch.kv_lens))
        rows = self.attention_rows(batch, kv_pool.page_size)
        return {window: self._plan(each) for window, each in rows.items()}

    def _plan(self, rows: AttentionRows) -> AttentionPlan:
        return plan(rows, self.device) if self._attention is None else self._attention.plan(rows)

    def reserve(self, max_len: int) -> None:
        """Be ready for texts of so many tokens."""
        self._rotary.reserve(max_len)

    def attention_rows(self, batch: Batch, page_size: int) -> dict[int | None, AttentionRows]:
        """What attention must know, for each window that layers have; layers with the same window share a plan."""
        return {
            window: AttentionRows(
                batch.query_lens,
                batch.kv_lens,
                batch.page_table,
                page_size,
                self.config.num_kv_heads,
                batch.ancestor_masks,
                batch.positions,
                window,
                num_heads=self.config.num_heads,
                head_dim=self.config.head_dim,
            )
            for window in self._windows
        }

    @torch.inference_mode()
    def compute(self, inputs: PassInputs, plans: Mapping[int | None, AttentionPlan], kv_pool: KVPool) -> Tensor:
        """The pass itself: what is done on the device, and the same for all batches of so many tokens.

        Texts must be within what was reserved. Returns logits: [num_wanted, vocab_size] float32.
        """
        return self._lm_head.forward(self._hidden(inputs, plans, kv_pool), torch.float32)

    def _hidden(self, inputs: PassInputs, plans: Mapping[int | None, AttentionPlan], kv_pool: KVPool) -> Tensor:
        """After the last norm, of the wanted tokens: [num_wanted, hidden_size] model dtype."""
        turns = self._rotary.turns(inputs.positions)
        hidden = functional.embedding(inputs.token_ids, self._embedding)  # [num_tokens, hidden_size] model dtype
        for index, layer in enumerate(self._layers):
            window = layer.attention.window
            hidden = layer.forward(hidden, turns, inputs.slots, plans[window], kv_pool.k(index), kv_pool.v(index))
        if inputs.logit_indices is not None:
            hidden = hidden.index_select(0, inputs.logit_indices)
        return rms_norm(hidden, self._final_norm, self.config.rms_norm_eps)
