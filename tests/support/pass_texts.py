"""Passes over made-up texts, and a tiny model for them: the same passes can be run in two pools and compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from palmette.kernels.linear import Linear, linear_of
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.models.batch import Batch
from palmette.runtime.models.decoder import Decoder, DecoderLayer
from palmette.runtime.models.layers import AttentionLayer, FeedForward, fuse_block
from palmette.runtime.models.model_config import ModelConfig
from palmette.runtime.models.rope_scaling import RopeKind, RopeScaling
from palmette.runtime.token_tree import TokenTree

VOCAB_SIZE = 97


def tiny_decoder(device: str = "cpu", *, window: int | None = None, num_layers: int = 2) -> Decoder:
    """A llama of random weights in float32."""
    num_heads, num_kv_heads, head_dim, hidden_size, intermediate_size = 4, 2, 16, 32, 48
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return (torch.randn(shape, generator=generator) * 0.3).to(device)

    def linear(out_size: int, in_size: int) -> Linear:
        return linear_of([random(out_size, in_size)], None, torch.float32, torch.device(device))

    def layer() -> DecoderLayer:
        qkv = linear((num_heads + 2 * num_kv_heads) * head_dim, hidden_size)
        output = linear(hidden_size, num_heads * head_dim)
        attention = AttentionLayer(num_heads, num_kv_heads, head_dim, window, qkv, output, None, 1e-5)
        mlp = FeedForward(linear(2 * intermediate_size, hidden_size), linear(hidden_size, intermediate_size))
        attention_norm, mlp_norm = random(hidden_size), random(hidden_size)
        return DecoderLayer(
            attention_norm, attention, mlp_norm, mlp, fuse_block(attention_norm, attention, mlp_norm, mlp)
        )

    config = ModelConfig(
        model_type="llama",
        vocab_size=VOCAB_SIZE,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        rope=RopeScaling(RopeKind.DEFAULT, 1e4),
        windows=(window,) * num_layers,
    )
    layers = tuple(layer() for _ in range(num_layers))
    embedding, final_norm = random(VOCAB_SIZE, hidden_size), random(hidden_size)
    return Decoder(config, embedding, layers, final_norm, linear(VOCAB_SIZE, hidden_size))


@dataclass(frozen=True)
class Turn:
    """What a pass computes of a text: so many ordinary tokens, and then a tree, given by its nodes' parents."""

    text: int
    num_tokens: int
    parents: tuple[int | None, ...] = ()

    @property
    def num_cells(self) -> int:
        return self.num_tokens + len(self.parents)


class PassTexts:
    """Texts of random tokens on pages scattered over a pool; trees are computed and forgotten."""

    def __init__(
        self, num_texts: int, max_len: int, page_size: int, vocab_size: int = VOCAB_SIZE, seed: int = 0
    ) -> None:
        self.page_size = page_size
        self.num_pages_each = -(-max_len // page_size)
        self.num_pages = num_texts * self.num_pages_each
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(self.num_pages, generator=generator).view(num_texts, -1)
        self._pages: list[list[int]] = order.tolist()
        self._tokens: list[list[int]] = torch.randint(0, vocab_size, (num_texts, max_len), generator=generator).tolist()
        self._vocab_size = vocab_size
        self.lens = [0] * num_texts

    def pool(self, model: Decoder, num_scratch_tokens: int = 0) -> KVPool:
        return KVPool(model.kv_layout(), self.num_pages, self.page_size, model.device, num_scratch_tokens)

    def batch(self, turns: Sequence[Turn], *, wants_all: bool = True) -> Batch:
        """The pass; the ordinary tokens are part of their texts from then on. Logits of all, or of each row's last."""
        token_ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        masks: list[Tensor | None] = []
        kv_lens: list[int] = []
        wanted: list[int] = []
        for turn in turns:
            start = self.lens[turn.text]
            end = start + turn.num_tokens
            token_ids += self._tokens[turn.text][start:end]
            positions += range(start, end)
            tree = TokenTree()
            for index, parent in enumerate(turn.parents):
                tree.token_ids.append((7 * index + end) % self._vocab_size)
                tree.parents.append(parent)
                tree.depths.append(0 if parent is None else tree.depths[parent] + 1)
            token_ids += tree.token_ids
            positions += [end + depth for depth in tree.depths]
            kv_len = end + len(tree)
            pages, size = self._pages[turn.text], self.page_size
            slots += [pages[cell // size] * size + cell % size for cell in range(start, kv_len)]
            masks.append(None if tree.is_chain else tree.ancestor_mask(turn.num_tokens))
            kv_lens.append(kv_len)
            wanted.append(len(token_ids) - 1)
            self.lens[turn.text] = end
        width = max(-(-kv_len // self.page_size) for kv_len in kv_lens)
        return Batch(
            token_ids=torch.tensor(token_ids),
            positions=torch.tensor(positions),
            slots=torch.tensor(slots),
            query_lens=tuple(turn.num_cells for turn in turns),
            kv_lens=tuple(kv_lens),
            page_table=torch.tensor([self._pages[turn.text][:width] for turn in turns]),
            logit_indices=torch.arange(len(token_ids)) if wants_all else torch.tensor(wanted),
            ancestor_masks=tuple(masks),
        )
