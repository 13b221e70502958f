"""A decoder of the shape of Llama-3.1-8B with random weights, ours and the peer's, for the time of a decode step."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from palmette.runtime.models.decoder import Decoder


@dataclass(frozen=True)
class Shape:
    """Sizes of a llama."""

    vocab_size: int = 128_256
    hidden_size: int = 4096
    intermediate_size: int = 14_336
    num_layers: int = 32
    num_heads: int = 32
    num_kv_heads: int = 8
    head_dim: int = 128


LLAMA_8B = Shape()


@dataclass(frozen=True)
class DecodeStep:
    """One token a row, in several ways: each call is a whole pass, whose logits are on the device."""

    device_part: Callable[[], Tensor]
    """What the device does, without what the host plans for it."""
    launched: Callable[[], Tensor]
    """Host and device, launch by launch."""
    recorded: Callable[[], Tensor]
    """Host and device, the launches recorded as one graph."""
    num_bytes_read: int
    """Weights and cells: what any such pass must read."""


def decode_step(
    num_rows: int, kv_len: int, device: torch.device, shape: Shape = LLAMA_8B, dtype: torch.dtype = torch.bfloat16
) -> DecodeStep:
    """A decoder of random weights, and a pass of `num_rows` rows whose texts have `kv_len` tokens."""
    from palmette.kernels.attention import plan
    from palmette.runtime.cache.kv_pool import KVPool
    from palmette.runtime.models.batch import Batch
    from palmette.runtime.models.pass_inputs import PassInputs
    from palmette.runtime.step_graphs.buckets import Buckets
    from palmette.runtime.step_graphs.cuda_graph_recorder import CudaGraphRecorder
    from palmette.runtime.step_graphs.graph_recorder import CallAgain, GraphRecorder
    from palmette.runtime.step_graphs.step_graphs import StepGraphs

    decoder, num_read = random_decoder(shape, device, dtype)
    page_size, pages_each = 16, -(-kv_len // 16)
    layout = decoder.kv_layout()
    buckets = Buckets(num_rows, kv_len)
    pool = KVPool(layout, num_rows * pages_each, page_size, device, buckets.max_tokens)
    table = torch.arange(num_rows * pages_each).view(num_rows, pages_each)
    batch = Batch(
        token_ids=torch.arange(num_rows) % shape.vocab_size,
        positions=torch.full((num_rows,), kv_len - 1),
        slots=table[:, -1] * page_size + (kv_len - 1) % page_size,
        query_lens=(1,) * num_rows,
        kv_lens=(kv_len,) * num_rows,
        page_table=table,
        logit_indices=torch.arange(num_rows),
        ancestor_masks=(None,) * num_rows,
    )
    decoder.reserve(kv_len)
    inputs = PassInputs.of(batch, device)
    plans = {window: plan(rows, device) for window, rows in decoder.attention_rows(batch, page_size).items()}
    recorder: GraphRecorder = CudaGraphRecorder(device) if device.type == "cuda" else CallAgain()
    graphs = StepGraphs(decoder, pool, recorder, buckets)
    return DecodeStep(
        device_part=lambda: decoder.compute(inputs, plans, pool),
        launched=lambda: decoder.forward(batch, pool),
        recorded=lambda: graphs.forward(batch, pool),
        num_bytes_read=num_read + num_rows * kv_len * layout.num_bytes_per_token,
    )


def random_decoder(shape: Shape, device: torch.device, dtype: torch.dtype) -> "tuple[Decoder, int]":
    """(a llama of random weights, bytes of those that every pass reads as a whole)."""
    from palmette.kernels.linear import Linear, linear_of
    from palmette.runtime.models.decoder import Decoder, DecoderLayer
    from palmette.runtime.models.layers import AttentionLayer, FeedForward
    from palmette.runtime.models.model_config import ModelConfig
    from palmette.runtime.models.rope_scaling import RopeKind, RopeScaling

    num_read = 0

    def random(out_size: int, in_size: int) -> Tensor:
        return torch.empty((out_size, in_size), dtype=dtype, device=device).normal_(std=in_size**-0.5)

    def linear(out_size: int, in_size: int) -> Linear:
        nonlocal num_read
        num_read += out_size * in_size * dtype.itemsize
        return linear_of([random(out_size, in_size)], None, dtype, device)

    config = ModelConfig(
        model_type="llama",
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_layers=shape.num_layers,
        num_heads=shape.num_heads,
        num_kv_heads=shape.num_kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        rope=RopeScaling(RopeKind.DEFAULT, 5e5),
        windows=(None,) * shape.num_layers,
        dtype=dtype,
    )
    hidden, ones = shape.hidden_size, torch.ones(shape.hidden_size, dtype=dtype, device=device)
    num_all = shape.num_heads + 2 * shape.num_kv_heads
    layers = tuple(
        DecoderLayer(
            ones,
            AttentionLayer(
                shape.num_heads,
                shape.num_kv_heads,
                shape.head_dim,
                None,
                linear(num_all * shape.head_dim, hidden),
                linear(hidden, shape.num_heads * shape.head_dim),
                None,
                1e-5,
            ),
            ones,
            FeedForward(linear(2 * shape.intermediate_size, hidden), linear(hidden, shape.intermediate_size)),
            None,
        )
        for _ in range(shape.num_layers)
    )
    decoder = Decoder(config, random(shape.vocab_size, hidden), layers, ones, linear(shape.vocab_size, hidden))
    return decoder, num_read


def transformers_token_seconds(num_rows: int, prompt_len: int, shape: Shape = LLAMA_8B) -> float:
    """Seconds a token takes transformers' generate, with its static cache, which it compiles for."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=8192,
        rope_theta=5e5,
    )
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        try:
            model = LlamaForCausalLM(config).eval()
        finally:
            torch.set_default_dtype(torch.float32)
    prompt = torch.randint(0, shape.vocab_size, (num_rows, prompt_len), device="cuda")

    def generate(num_tokens: int) -> float:
        torch.cuda.synchronize()
        started = time.perf_counter()
        model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=num_tokens,
            min_new_tokens=num_tokens,
            do_sample=False,
            cache_implementation="static",
            pad_token_id=0,
        )
        torch.cuda.synchronize()
        return time.perf_counter() - started

    # The cache has the length of the whole text, and each length is compiled for: warm both up.
    short, long = 8, 72
    for num_tokens in (short, long):
        generate(num_tokens)
    return (min(generate(long) for _ in range(2)) - min(generate(short) for _ in range(2))) / (long - short)
