"""ModelConfig: the shape of a llama-family model, read from a Hugging Face config.json."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import InvalidModelConfig, ModelNotFound, UnsupportedArchitecture
from ..json_object import JsonObject
from .rope_scaling import RopeScaling

_ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class ModelConfig:
    """What a decoder is built from."""

    model_type: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope: RopeScaling
    windows: tuple[int | None, ...]
    """The sliding window of each layer; None: it sees everything before."""
    has_tied_embeddings: bool = False
    has_qkv_bias: bool = False
    has_output_bias: bool = False
    has_mlp_bias: bool = False
    has_qk_norm: bool = False
    dtype: torch.dtype = torch.float32
    """What the checkpoint was saved for."""

    @classmethod
    def read(cls, folder: Path) -> "ModelConfig":
        """Read `folder`/config.json.

        Raises `ModelNotFound` where there is none, `UnsupportedArchitecture` for what this runtime does not have,
        `InvalidModelConfig` for a field that is missing or wrong.
        """
        if not folder.is_dir():
            raise ModelNotFound(
                f"expected a folder with a model in it, got {str(folder)!r}, which "
                f"{'is a file' if folder.exists() else 'does not exist'}; give the path of a Hugging Face model folder"
            )
        path = folder / "config.json"
        if not path.is_file():
            names = sorted(entry.name for entry in folder.iterdir())[:10]
            raise ModelNotFound(f"expected {path}, which does not exist; the folder has {names}")
        return cls._parse(JsonObject.read(path))

    @classmethod
    def _parse(cls, config: JsonObject) -> "ModelConfig":
        model_type = config.string("model_type", "")
        _check_supported(config, model_type)
        hidden_size, num_heads = config.integer("hidden_size"), config.integer("num_attention_heads")
        num_layers = config.integer("num_hidden_layers")
        num_kv_heads = config.integer("num_key_value_heads", num_heads if model_type == "llama" else None)
        if num_heads % num_kv_heads:
            raise InvalidModelConfig(
                f"{config.source}: expected num_attention_heads to be a multiple of num_key_value_heads, "
                f"got {num_heads} and {num_kv_heads}"
            )
        head_dim = config.integer("head_dim", 128 if model_type == "qwen3" else hidden_size // num_heads)
        if head_dim % 2:
            raise InvalidModelConfig(f"{config.source}: head_dim: expected an even number, got {head_dim}")
        max_position_embeddings = config.integer("max_position_embeddings")
        has_attention_bias = model_type != "mistral" and config.boolean("attention_bias", False)
        return cls(
            model_type=model_type,
            vocab_size=config.integer("vocab_size"),
            hidden_size=hidden_size,
            intermediate_size=config.integer("intermediate_size"),
            num_layers=num_layers,
            num_heads=num_heads,
            num_kv_heads=num_kv_heads,
            head_dim=head_dim,
            max_position_embeddings=max_position_embeddings,
            rms_norm_eps=config.number("rms_norm_eps", 1e-6),
            rope=RopeScaling.parse(config, max_position_embeddings),
            windows=_windows(config, model_type, num_layers),
            has_tied_embeddings=config.boolean("tie_word_embeddings", False),
            has_qkv_bias=model_type == "qwen2" or has_attention_bias,
            has_output_bias=model_type != "qwen2" and has_attention_bias,
            has_mlp_bias=model_type == "llama" and config.boolean("mlp_bias", False),
            has_qk_norm=model_type == "qwen3",
            dtype=_dtype(config),
        )


def _check_supported(config: JsonObject, model_type: str) -> None:
    known = ", ".join(_ARCHITECTURES)
    if model_type not in _ARCHITECTURES:
        raise UnsupportedArchitecture(f"{config.source}: model_type: expected one of {known}, got {model_type!r}")
    architectures = config.strings("architectures")
    if architectures and _ARCHITECTURES[model_type] not in architectures:
        raise UnsupportedArchitecture(
            f"{config.source}: architectures: expected {_ARCHITECTURES[model_type]} (a model that writes text), "
            f"got {', '.join(architectures)}"
        )
    remote = [name for name in config.child("auto_map").fields if name.startswith("AutoModel")]
    if remote:
        raise UnsupportedArchitecture(
            f"{config.source}: auto_map: the model needs code from its repository ({', '.join(remote)}), which is "
            f"never run here; use a model of one of the types {known}"
        )
    if config.has("quantization_config"):
        method = config.child("quantization_config").fields.get("quant_method")
        raise UnsupportedArchitecture(
            f"{config.source}: quantization_config: expected float weights, got {method!r}; use the unquantised model"
        )
    activation = config.string("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise UnsupportedArchitecture(f"{config.source}: hidden_act: expected 'silu', got {activation!r}")


def _windows(config: JsonObject, model_type: str, num_layers: int) -> tuple[int | None, ...]:
    if model_type == "llama":
        return (None,) * num_layers
    if model_type == "mistral":
        default = None if "sliding_window" in config.fields else 4096
        window = config.integer("sliding_window", default) if default or config.has("sliding_window") else None
        return (window,) * num_layers
    if not config.boolean("use_sliding_window", False) or not config.has("sliding_window"):
        return (None,) * num_layers
    window = config.integer("sliding_window")
    kinds = config.strings("layer_types")
    if not kinds:
        first = config.integer("max_window_layers", num_layers, minimum=0)
        return tuple(window if layer >= first else None for layer in range(num_layers))
    if len(kinds) != num_layers or set(kinds) - {"full_attention", "sliding_attention"}:
        raise config.error("layer_types", f"{num_layers} of full_attention or sliding_attention")
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)


def _dtype(config: JsonObject) -> torch.dtype:
    name = config.string("dtype", config.string("torch_dtype", "float32"))
    if name not in _DTYPES:
        raise UnsupportedArchitecture(f"{config.source}: dtype: expected one of {', '.join(_DTYPES)}, got {name!r}")
    return _DTYPES[name]
