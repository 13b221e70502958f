"""Decoder: the one forward pass of llama, mistral, qwen2 and qwen3."""

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
from ..batch import Batch
from ..cache.kv_pool import KVLayout, KVPool
from ..layers import AttentionLayer, FeedForward, RotaryEmbedding
from .model_config import ModelConfig


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
        if self.fused is not None:
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

    def kv_layout(self) -> KVLayout:
        """The pool this model needs."""
        return KVLayout(self.config.num_layers, self.config.num_kv_heads, self.config.head_dim, self.dtype)

    def forward(self, batch: Batch, kv_pool: KVPool) -> Tensor:
        """Write the KV cells of the batch's tokens and return logits: [num_wanted, vocab_size] float32."""
        logits, _ = self.forward_with_hidden(batch, kv_pool)
        return logits

    @torch.inference_mode()
    def forward_with_hidden(self, batch: Batch, kv_pool: KVPool) -> tuple[Tensor, Tensor]:
        """See `HiddenStateModel`."""
        plans = self._plan(batch, kv_pool.page_size)
        turns = self._rotary.turns(batch.positions, max(batch.kv_lens))
        hidden = functional.embedding(batch.token_ids, self._embedding)  # [num_tokens, hidden_size] model dtype
        for index, layer in enumerate(self._layers):
            window = layer.attention.window
            hidden = layer.forward(hidden, turns, batch.slots, plans[window], kv_pool.k(index), kv_pool.v(index))
        if len(batch.logit_indices) != len(hidden):
            hidden = hidden.index_select(0, batch.logit_indices)
        normed = rms_norm(hidden, self._final_norm, self.config.rms_norm_eps)
        return self._lm_head.forward(normed, torch.float32), normed

    def _plan(self, batch: Batch, page_size: int) -> dict[int | None, AttentionPlan]:
        """One plan for each window that layers have, shared by those layers."""
        plans: dict[int | None, AttentionPlan] = {}
        for window in self._windows:
            rows = AttentionRows(
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
            plans[window] = plan(rows, self.device) if self._attention is None else self._attention.plan(rows)
        return plans
