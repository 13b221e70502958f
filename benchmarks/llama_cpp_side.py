"""The optional peer llama.cpp, through llama-cpp-python: the same weights in its own file format."""

import ctypes
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import load_file
from torch import Tensor

_FLOAT32, _BFLOAT16, _ALIGNMENT = 0, 30, 32  # types and layout of GGUF
_LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_QUANTIZED = {"q8_0": 7}  # enum llama_ftype
_MAX_ROWS, _MAX_LEN = 8, 1100


class LlamaCppSide:
    """Greedy decoding by `llama_decode`, one batch a step, the argmax taken here."""

    def __init__(self, folder: Path, kind: str, parent: Path, num_threads: int) -> None:
        """kind: bf16 or q8_0; the files go into `parent`. Raises: ImportError without llama-cpp-python."""
        import llama_cpp

        self.name = f"llama.cpp, {kind}"
        self._lib: Any = llama_cpp
        self._log = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._log, ctypes.c_void_p(0))
        path = parent / f"{folder.name}-bf16.gguf"
        if not path.is_file():
            write_gguf(folder, path)
        if kind in _QUANTIZED:
            params = llama_cpp.llama_model_quantize_default_params()
            params.ftype, params.nthread = _QUANTIZED[kind], num_threads
            made = parent / f"{folder.name}-{kind}.gguf"
            failed = llama_cpp.llama_model_quantize(str(path).encode(), str(made).encode(), ctypes.byref(params))
            assert not failed, f"llama_model_quantize: expected 0, got {failed}"
            path = made
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        assert self._model, f"{path}: llama.cpp does not load it"
        context = llama_cpp.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = _MAX_ROWS * _MAX_LEN, 2048, 512
        context.n_seq_max, context.n_threads, context.n_threads_batch = _MAX_ROWS, num_threads, num_threads
        self._context = llama_cpp.llama_init_from_model(self._model, context)
        self._batch = llama_cpp.llama_batch_init(2048, 0, 1)
        self._vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))

    def run(self, prompts: list[list[int]], num_tokens: int) -> None:
        """See `cpu_sides.Side`."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        last = len(prompts[0]) - 1
        entries = [
            (token, place, row, place == last) for row, ids in enumerate(prompts) for place, token in enumerate(ids)
        ]
        ends = [index for index, entry in enumerate(entries) if entry[3]]
        for step in range(num_tokens):
            tokens = self._decode(entries, ends)
            entries = [(token, last + 1 + step, row, True) for row, token in enumerate(tokens)]
            ends = list(range(len(prompts)))

    def _decode(self, entries: list[tuple[int, int, int, bool]], ends: list[int]) -> list[int]:
        batch = self._batch
        batch.n_tokens = len(entries)
        for index, (token, place, row, is_wanted) in enumerate(entries):
            batch.token[index], batch.pos[index] = token, place
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, row
            batch.logits[index] = is_wanted
        failed = self._lib.llama_decode(self._context, batch)
        assert not failed, f"llama_decode: expected 0, got {failed}"
        return [int(self._logits(index).argmax()) for index in ends]

    def _logits(self, index: int) -> Tensor:
        pointer = self._lib.llama_get_logits_ith(self._context, index)
        array = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float * self._vocab_size)).contents
        return torch.frombuffer(array, dtype=torch.float32)

    def close(self) -> None:
        """See `cpu_sides.Side`."""
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)


def write_gguf(folder: Path, path: Path) -> None:
    """A llama with tied embeddings, matrices in bfloat16, without a tokenizer.

    The channels of queries and keys stay in the order of the checkpoint, so texts differ, and speed does not.
    """
    config = json.loads((folder / "config.json").read_text())
    tensors = list(_tensors(load_file(folder / "model.safetensors"), config["num_hidden_layers"]))
    facts: list[tuple[str, str | int | float]] = [
        ("general.architecture", "llama"),
        ("llama.vocab_size", config["vocab_size"]),
        ("llama.context_length", config["max_position_embeddings"]),
        ("llama.embedding_length", config["hidden_size"]),
        ("llama.block_count", config["num_hidden_layers"]),
        ("llama.feed_forward_length", config["intermediate_size"]),
        ("llama.attention.head_count", config["num_attention_heads"]),
        ("llama.attention.head_count_kv", config["num_key_value_heads"]),
        ("llama.rope.dimension_count", config["head_dim"]),
        ("llama.attention.layer_norm_rms_epsilon", float(config["rms_norm_eps"])),
        ("llama.rope.freq_base", float(config["rope_theta"])),
        ("tokenizer.ggml.model", "no_vocab"),
    ]
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts)))
        for name, value in facts:
            _write_fact(file, name, value)
        offset = 0
        for name, tensor in tensors:
            kind = _BFLOAT16 if tensor.dtype == torch.bfloat16 else _FLOAT32
            sizes = tuple(reversed(tensor.shape))
            file.write(_text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset))
            offset += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
        file.write(bytes(-file.tell() % _ALIGNMENT))
        for _, tensor in tensors:
            file.write(tensor.contiguous().view(torch.uint8).numpy().tobytes())
            file.write(bytes(-file.tell() % _ALIGNMENT))


def _tensors(saved: dict[str, Tensor], num_layers: int) -> Iterator[tuple[str, Tensor]]:
    yield "token_embd.weight", saved["model.embed_tokens.weight"]
    yield "output_norm.weight", saved["model.norm.weight"].float()
    for layer in range(num_layers):
        for theirs, ours in _LAYER_NAMES.items():
            tensor = saved[f"model.layers.{layer}.{theirs}.weight"]
            yield f"blk.{layer}.{ours}.weight", tensor.float() if tensor.dim() == 1 else tensor


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _write_fact(file: BinaryIO, name: str, value: str | int | float) -> None:
    if isinstance(value, str):
        file.write(_text(name) + struct.pack("<I", 8) + _text(value))
    elif isinstance(value, int):
        file.write(_text(name) + struct.pack("<II", 4, value))
    else:
        file.write(_text(name) + struct.pack("<If", 6, value))
