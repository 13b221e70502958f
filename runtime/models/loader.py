"""load_model: a Hugging Face folder on disk -> a model that is ready to run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...kernels.attention import Attention
from ...kernels.linear import Linear, linear_of
from ...kernels.quantization import Quantization
from ...kernels.rotary import interleave_heads
from ..generation_config import GenerationConfig
from ..text.chat_template import ChatTemplate
from ..text.tokenizer import Tokenizer
from .decoder import Decoder, DecoderLayer
from .layers import AttentionLayer, FeedForward, fuse_block
from .model_config import ModelConfig
from .weight_files import WeightFiles

_EMBEDDING = "model.embed_tokens.weight"
_LM_HEAD = "lm_head.weight"


@dataclass(frozen=True)
class LoadedModel:
    """A model with all that belongs to it."""

    model: Decoder
    config: ModelConfig
    tokenizer: Tokenizer
    chat_template: ChatTemplate | None
    generation_config: GenerationConfig

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights and of the KV cells."""
        return self.model.dtype

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        return self.tokenizer.eos_token_ids


def load_model(
    folder: Path,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    quantization: Quantization | None = None,
    attention: Attention | None = None,
    is_deterministic: bool = False,
) -> LoadedModel:
    """Load a llama, mistral, qwen2 or qwen3 model from `folder` (safetensors, in one file or many; no code is run).

    dtype None: float32 on a CPU, where the size of a batch must not change what is sampled; elsewhere the dtype of
    the checkpoint. quantization: what the weights of linear layers are rounded to. attention: who attends; None: the
    device's own kernels. is_deterministic: see `linear_of`, whose refusal it hands on.
    Raises a `ModelLoadError`, which says what is wrong with which file.
    """
    device = torch.device(device)
    config = ModelConfig.read(folder)
    tokenizer = Tokenizer.from_folder(folder, vocab_size=config.vocab_size)
    if dtype is None:
        dtype = torch.float32 if device.type == "cpu" else config.dtype
    return LoadedModel(
        model=load_decoder(folder, config, dtype, device, quantization, attention, is_deterministic=is_deterministic),
        config=config,
        tokenizer=tokenizer,
        chat_template=ChatTemplate.from_folder(folder),
        generation_config=GenerationConfig.read(folder),
    )


def load_decoder(
    folder: Path,
    config: ModelConfig,
    dtype: torch.dtype,
    device: torch.device,
    quantization: Quantization | None = None,
    attention: Attention | None = None,
    *,
    is_deterministic: bool = False,
) -> Decoder:
    """The weights alone. Raises `CorruptWeights` where they do not fit `config`."""
    files = WeightFiles(folder)
    ignored = frozenset({_LM_HEAD}) if config.has_tied_embeddings else frozenset()
    files.check(dict(expected_tensors(config)), ignored)
    return _Assembly(files, config, dtype, device, quantization, is_deterministic).decoder(attention)


def expected_tensors(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor that a checkpoint of such a model has."""
    hidden_size, intermediate_size = config.hidden_size, config.intermediate_size
    q_size, kv_size = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    yield _EMBEDDING, (config.vocab_size, hidden_size)
    for layer in range(config.num_layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (hidden_size,)
        yield prefix + "post_attention_layernorm.weight", (hidden_size,)
        for name, out_size, in_size, has_bias in (
            ("self_attn.q_proj", q_size, hidden_size, config.has_qkv_bias),
            ("self_attn.k_proj", kv_size, hidden_size, config.has_qkv_bias),
            ("self_attn.v_proj", kv_size, hidden_size, config.has_qkv_bias),
            ("self_attn.o_proj", hidden_size, q_size, config.has_output_bias),
            ("mlp.gate_proj", intermediate_size, hidden_size, config.has_mlp_bias),
            ("mlp.up_proj", intermediate_size, hidden_size, config.has_mlp_bias),
            ("mlp.down_proj", hidden_size, intermediate_size, config.has_mlp_bias),
        ):
            yield f"{prefix}{name}.weight", (out_size, in_size)
            if has_bias:
                yield f"{prefix}{name}.bias", (out_size,)
        if config.has_qk_norm:
            yield prefix + "self_attn.q_norm.weight", (config.head_dim,)
            yield prefix + "self_attn.k_norm.weight", (config.head_dim,)
    yield "model.norm.weight", (hidden_size,)
    if not config.has_tied_embeddings:
        yield _LM_HEAD, (config.vocab_size, hidden_size)


class _Assembly:
    """Puts the tensors of the files into layers, those side by side that are used side by side."""

    def __init__(
        self,
        files: WeightFiles,
        config: ModelConfig,
        dtype: torch.dtype,
        device: torch.device,
        quantization: Quantization | None,
        is_deterministic: bool,
    ) -> None:
        self.files = files
        self.config = config
        self.dtype = dtype
        self.device = device
        self.quantization = quantization
        self.is_deterministic = is_deterministic

    def decoder(self, attention: Attention | None) -> Decoder:
        head = _EMBEDDING if self.config.has_tied_embeddings else _LM_HEAD
        return Decoder(
            self.config,
            self._tensor(_EMBEDDING),
            tuple(self._layer(layer) for layer in range(self.config.num_layers)),
            self._tensor("model.norm.weight"),
            # Where embedding and head are tied they are kept twice: they are read in different orders.
            self._linear([head.removesuffix(".weight")], has_bias=False),
            attention,
        )

    def _layer(self, layer: int) -> DecoderLayer:
        config, prefix = self.config, f"model.layers.{layer}."
        attention, mlp = prefix + "self_attn.", prefix + "mlp."
        qkv = [attention + name for name in ("q_proj", "k_proj", "v_proj")]
        attention_layer = AttentionLayer(
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            window=config.windows[layer],
            qkv=self._linear(qkv, config.has_qkv_bias, num_rotary=2),
            output=self._linear([attention + "o_proj"], config.has_output_bias),
            qk_norm=self._qk_norm(attention) if config.has_qk_norm else None,
            eps=config.rms_norm_eps,
        )
        feed_forward = FeedForward(
            gate_up=self._linear([mlp + "gate_proj", mlp + "up_proj"], config.has_mlp_bias),
            down=self._linear([mlp + "down_proj"], config.has_mlp_bias),
        )
        attention_norm = self._tensor(prefix + "input_layernorm.weight")
        mlp_norm = self._tensor(prefix + "post_attention_layernorm.weight")
        fused = fuse_block(attention_norm, attention_layer, mlp_norm, feed_forward)
        return DecoderLayer(attention_norm, attention_layer, mlp_norm, feed_forward, fused)

    def _linear(self, names: list[str], has_bias: bool, num_rotary: int = 0) -> Linear:
        """The projections `names` as one; the rows of the first `num_rotary` are put in rotary pairs."""
        weights = self._parts([name + ".weight" for name in names], num_rotary)
        bias = torch.cat(self._parts([name + ".bias" for name in names], num_rotary)) if has_bias else None
        return linear_of(
            weights, bias, self.dtype, self.device, self.quantization, is_deterministic=self.is_deterministic
        )

    def _parts(self, names: list[str], num_rotary: int) -> list[Tensor]:
        parts = [self.files.read(name) for name in names]
        for index in range(num_rotary):
            parts[index] = interleave_heads(parts[index], self.config.head_dim)
        return parts

    def _qk_norm(self, prefix: str) -> Tensor:
        """The norm's weight for each head of queries and keys: [num_heads + num_kv_heads, head_dim]."""
        q_norm, k_norm = (
            interleave_heads(self._tensor(f"{prefix}{name}.weight"), self.config.head_dim)
            for name in ("q_norm", "k_norm")
        )
        return torch.cat((q_norm.expand(self.config.num_heads, -1), k_norm.expand(self.config.num_kv_heads, -1)))

    def _tensor(self, name: str) -> Tensor:
        return self.files.read(name).to(self.device, self.dtype, copy=True)
