"""Models to measure a CPU with: sprig, and llamas with random weights, whose speed is that of trained ones."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from model import sprig_path
from safetensors.torch import save_file

from palmette.runtime.models.loader import expected_tensors
from palmette.runtime.models.model_config import ModelConfig


@dataclass(frozen=True)
class Shape:
    """A llama's sizes; embedding and head are tied."""

    name: str
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("28m", 512, 1408, 8, 8, 4, 8192),
        Shape("500m", 896, 4864, 24, 14, 2, 151_936),
    )
}
NAMES = ("sprig", *SHAPES)


def model_folder(name: str, parent: Path) -> Path:
    """The folder of a model, written into `parent` unless it is sprig, whose tokenizer all of them have."""
    if name == "sprig":
        return sprig_path()
    shape = SHAPES[name]
    folder = parent / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(_config(shape)))
    for path in sprig_path().glob("tokenizer*.json"):
        shutil.copy(path, folder)
    generator = torch.Generator().manual_seed(0)
    tensors = {
        key: (torch.randn(size, generator=generator) / size[-1] ** 0.5).bfloat16()
        for key, size in expected_tensors(ModelConfig.read(folder))
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _config(shape: Shape) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_kv_heads,
        "head_dim": shape.hidden_size // shape.num_heads,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
    }
