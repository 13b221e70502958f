"""A decoder of the shape of Llama-3.1-8B with random weights, ours and the peer's, for the time of a decode step."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


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


def decode_step(
    num_rows: int, kv_len: int, device: torch.device, shape: Shape = LLAMA_8B, dtype: torch.dtype = torch.bfloat16
) -> tuple[Callable[[], Tensor], int]:
    """(a forward pass of one token a row, without what the host plans for it; bytes it must read)."""
    from palmette.kernels.attention import plan
    from palmette.kernels.attention_rows import AttentionRows
    from palmette.kernels.linear import Linear, linear_of
    from palmette.kernels.rms_norm import rms_norm
    from palmette.kernels.rotary import rotary_table
    from palmette.runtime.cache.kv_pool import KVLayout, KVPool
    from palmette.runtime.layers import AttentionLayer, FeedForward
    from palmette.runtime.models.decoder import DecoderLayer

    num_read = 0

    def linear(out_size: int, in_size: int) -> Linear:
        nonlocal num_read
        num_read += out_size * in_size * dtype.itemsize
        weight = torch.empty((out_size, in_size), dtype=dtype, device=device).normal_(std=in_size**-0.5)
        return linear_of([weight], None, dtype, device)

    hidden, ones = shape.hidden_size, torch.ones(shape.hidden_size, dtype=dtype, device=device)
    num_all = shape.num_heads + 2 * shape.num_kv_heads
    layers = [
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
    ]
    head = linear(shape.vocab_size, hidden)
    page_size, pages_each = 16, -(-kv_len // 16)
    layout = KVLayout(shape.num_layers, shape.num_kv_heads, shape.head_dim, dtype)
    pool = KVPool(layout, num_rows * pages_each, page_size, device)
    table = torch.arange(num_rows * pages_each).view(num_rows, pages_each)
    rows = AttentionRows(
        (1,) * num_rows,
        (kv_len,) * num_rows,
        table,
        page_size,
        shape.num_kv_heads,
        num_heads=shape.num_heads,
        head_dim=shape.head_dim,
    )
    attention_plan = plan(rows, device)
    frequencies = 5e5 ** -torch.linspace(0, 1, shape.head_dim // 2, device=device)
    turns = rotary_table(frequencies, kv_len)[kv_len - 1 :].expand(num_rows, -1).unsqueeze(1).contiguous()
    slots = (table[:, -1] * page_size + (kv_len - 1) % page_size).to(device)
    embedded = torch.randn(num_rows, hidden, device=device, dtype=dtype)
    num_read += num_rows * kv_len * layout.num_bytes_per_token

    def step() -> Tensor:
        states = embedded.clone()
        for index, layer in enumerate(layers):
            states = layer.forward(states, turns, slots, attention_plan, pool.k(index), pool.v(index))
        return head.forward(rms_norm(states, ones, 1e-5)).float()

    return torch.inference_mode()(step), num_read


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
