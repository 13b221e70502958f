"""What wrong model folders get."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from palmette.runtime.errors import (
    CorruptWeights,
    InvalidModelConfig,
    MissingTokenizer,
    ModelLoadError,
    ModelNotFound,
    UnsupportedArchitecture,
)
from palmette.runtime.models.loader import expected_tensors, load_decoder, load_model
from palmette.runtime.models.model_config import ModelConfig
from palmette.runtime.models.rope_scaling import RopeKind

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 260,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
CPU = torch.device("cpu")


def write_config(folder: Path, **changes: object) -> None:
    config = {name: value for name, value in {**CONFIG, **changes}.items() if value != "leave out"}
    (folder / "config.json").write_text(json.dumps(config))


def tensors(folder: Path) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = expected_tensors(ModelConfig.read(folder))
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_config(tmp_path)
    save_file(tensors(tmp_path), tmp_path / "model.safetensors")
    tokenizer = {
        "added_tokens": [],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    return tmp_path


def test_a_whole_folder(folder: Path) -> None:
    loaded = load_model(folder)
    assert loaded.model.vocab_size == 260
    assert loaded.dtype is torch.float32
    assert loaded.chat_template is None
    assert loaded.generation_config.temperature is None
    assert loaded.tokenizer.encode("ab", has_special=False) == [0, 1]


def test_a_sharded_checkpoint_equals_a_whole_one(folder: Path) -> None:
    whole = load_decoder(folder, ModelConfig.read(folder), torch.float32, CPU)
    parts = tensors(folder)
    names = list(parts)
    (folder / "model.safetensors").unlink()
    shards = {"model-1-of-2.safetensors": names[:7], "model-2-of-2.safetensors": names[7:]}
    for shard, own in shards.items():
        save_file({name: parts[name] for name in own}, folder / shard)
    index = {"weight_map": {name: shard for shard, own in shards.items() for name in own}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    sharded = load_decoder(folder, ModelConfig.read(folder), torch.float32, CPU)
    for one, other in zip(whole._layers, sharded._layers, strict=True):
        assert torch.equal(one.attention.qkv.weight, other.attention.qkv.weight)
        assert torch.equal(one.mlp.gate_up.weight, other.mlp.gate_up.weight)

    (folder / "model-2-of-2.safetensors").unlink()
    with pytest.raises(CorruptWeights, match=r"1 of 2 files are missing: model-2-of-2.safetensors"):
        load_model(folder)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def config(**changes: object) -> Callable[[Path], None]:
    return lambda folder: write_config(folder, **changes)


def write(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


def truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pickles_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def reshape(folder: Path) -> None:
    parts = load_file(folder / "model.safetensors")
    parts["model.norm.weight"] = torch.zeros(15)
    save_file(parts, folder / "model.safetensors")


def rename(folder: Path) -> None:
    parts = load_file(folder / "model.safetensors")
    parts["model.final.weight"] = parts.pop("model.norm.weight")
    save_file(parts, folder / "model.safetensors")


def as_integers(folder: Path) -> None:
    parts = load_file(folder / "model.safetensors")
    parts["model.norm.weight"] = torch.zeros(16, dtype=torch.int8)
    save_file(parts, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (remove("config.json"), ModelNotFound, r"config.json, which does not exist; the folder has \['model"),
        (write("config.json", "{"), InvalidModelConfig, "expected JSON, got Expecting property name"),
        (write("config.json", "[]"), InvalidModelConfig, "expected a JSON object, got a list"),
        (config(model_type="gpt2"), UnsupportedArchitecture, "one of llama, mistral, qwen2, qwen3, got 'gpt2'"),
        (config(model_type="leave out"), UnsupportedArchitecture, "model_type: expected one of"),
        (config(architectures=["LlamaForTokenClassification"]), UnsupportedArchitecture, "expected LlamaForCausalLM"),
        (config(auto_map={"AutoModelForCausalLM": "x.Y"}), UnsupportedArchitecture, "never run here"),
        (config(quantization_config={"quant_method": "awq"}), UnsupportedArchitecture, "got 'awq'"),
        (config(hidden_act="gelu"), UnsupportedArchitecture, "expected 'silu', got 'gelu'"),
        (config(rope_scaling={"type": "dynamic"}), UnsupportedArchitecture, r"one of \['default', .* got 'dynamic'"),
        (config(partial_rotary_factor=0.5), UnsupportedArchitecture, "expected 1.0, got 0.5"),
        (config(hidden_size="16"), InvalidModelConfig, "hidden_size: expected an integer >= 1, got '16'"),
        (config(vocab_size="leave out"), InvalidModelConfig, "vocab_size: expected an integer >= 1, got nothing"),
        (config(num_key_value_heads=3), InvalidModelConfig, "multiple of num_key_value_heads, got 4 and 3"),
        (config(torch_dtype="float8"), UnsupportedArchitecture, "float32, float16, bfloat16, got 'float8'"),
        (remove("model.safetensors"), ModelNotFound, "expected model.safetensors or"),
        (pickles_only, UnsupportedArchitecture, "got pytorch_model.bin; such files are pickles"),
        (write("model.safetensors.index.json", '{"a": 1}'), CorruptWeights, "expected JSON with a weight_map"),
        (write("model.safetensors.index.json", '{"weight_map": {"a": "../x"}}'), CorruptWeights, "got '../x'"),
        (truncate, CorruptWeights, "expected a whole safetensors file"),
        (write("model.safetensors", "hello"), CorruptWeights, "got 5 bytes that cannot be read"),
        (reshape, CorruptWeights, r"model.norm.weight: expected \[16\], got \[15\]"),
        (rename, CorruptWeights, "missing: model.norm.weight; unknown: model.final.weight"),
        (as_integers, UnsupportedArchitecture, "model.norm.weight: expected one of F32"),
        (config(num_hidden_layers=3), CorruptWeights, "missing: model.layers.2.input_layernorm.weight, .* and 1 more"),
        (remove("tokenizer.json"), MissingTokenizer, "tokenizer.json, which does not exist"),
        (write("tokenizer.json", "{}"), MissingTokenizer, "expected a tokenizer of the tokenizers library"),
        (write("tokenizer_config.json", "!"), InvalidModelConfig, "tokenizer_config.json: expected JSON"),
    ],
)
def test_wrong_folders(folder: Path, change: Callable[[Path], None], error: type[ModelLoadError], message: str) -> None:
    change(folder)
    with pytest.raises(error, match=message):
        load_model(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="which does not exist; give the path"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ModelNotFound, match="which is a file"):
        load_model(tmp_path / "file")


def test_both_spellings_of_rope(folder: Path) -> None:
    scaling: dict[str, Any] = {"rope_type": "linear", "factor": 2.0}
    write_config(folder, rope_theta=5e5, rope_scaling=scaling)
    old = ModelConfig.read(folder).rope
    write_config(folder, rope_parameters={**scaling, "rope_theta": 5e5})
    assert ModelConfig.read(folder).rope == old
    assert (old.kind, old.theta, old.factor) == (RopeKind.LINEAR, 5e5, 2.0)


def test_windows_of_layers(folder: Path) -> None:
    write_config(folder, model_type="mistral", architectures=None, sliding_window=None)
    assert ModelConfig.read(folder).windows == (None, None)
    write_config(folder, model_type="mistral", architectures=None)
    assert ModelConfig.read(folder).windows == (4096, 4096)
    qwen = {"model_type": "qwen2", "architectures": None, "sliding_window": 8}
    write_config(folder, **qwen)
    assert ModelConfig.read(folder).windows == (None, None)
    write_config(folder, **qwen, use_sliding_window=True, max_window_layers=1)
    assert ModelConfig.read(folder).windows == (None, 8)
    write_config(folder, **qwen, use_sliding_window=True, layer_types=["sliding_attention", "full_attention"])
    assert ModelConfig.read(folder).windows == (8, None)
