"""A decoder block in C against the same block of PyTorch operators, on each instruction set."""

import pytest
import torch
from instruction_sets import SUPPORTED, each_instruction_set, library_for
from torch import Tensor

from palmette.kernels.cpu.block import CpuBlock, CpuBlockParts
from palmette.kernels.cpu.instruction_set import InstructionSet
from palmette.kernels.cpu.linear import CpuLinear
from palmette.kernels.rms_norm import rms_norm
from palmette.kernels.rotary import rotary_table, rotate
from palmette.kernels.silu_and_mul import silu_and_mul

NUM_HEADS, NUM_KV_HEADS, HEAD_DIM, HIDDEN_SIZE, SIZE, PAGE_SIZE = 4, 2, 12, 37, 50, 4
EPS = 1e-5
# Between operators the twin rounds to the dtype, the kernel to float32.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 6e-2}


class Twin:
    """The weights, and what PyTorch makes of them in float32."""

    def __init__(self, dtype: torch.dtype, has_qk_norm: bool, has_bias: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        hidden_size = HIDDEN_SIZE + (dtype == torch.bfloat16)  # which comes in pairs

        def draw(*shape: int) -> Tensor:
            return (torch.randn(shape, generator=generator) / shape[-1] ** 0.5).to(dtype)

        heads, kv_heads = NUM_HEADS * HEAD_DIM, NUM_KV_HEADS * HEAD_DIM
        sizes = (
            (heads + 2 * kv_heads, hidden_size),
            (hidden_size, heads),
            (2 * SIZE, hidden_size),
            (hidden_size, SIZE),
        )
        self.weights = [draw(*size) for size in sizes]
        self.biases = [draw(size[0]) if has_bias else None for size in sizes]
        self.attention_norm, self.mlp_norm = draw(hidden_size) + 1, draw(hidden_size) + 1
        self.qk_norm = draw(NUM_HEADS + NUM_KV_HEADS, HEAD_DIM) + 1 if has_qk_norm else None
        self.hidden_size = hidden_size
        self.dtype = dtype

    def block(self, instruction_set: InstructionSet) -> CpuBlock:
        library = library_for(instruction_set)
        linears = [CpuLinear(library, weight, bias) for weight, bias in zip(self.weights, self.biases, strict=True)]
        parts = CpuBlockParts(
            *linears, self.attention_norm, self.mlp_norm, self.qk_norm, NUM_HEADS, NUM_KV_HEADS, HEAD_DIM, EPS
        )
        return CpuBlock(library, parts)

    def linear(self, index: int, x: Tensor) -> Tensor:
        bias = self.biases[index]
        return x @ self.weights[index].float().T + (0 if bias is None else bias.float())

    def before(self, hidden: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads = self.linear(0, rms_norm(hidden, self.attention_norm.float(), EPS)).view(len(hidden), -1, HEAD_DIM)
        rotated = heads[:, : NUM_HEADS + NUM_KV_HEADS]
        if self.qk_norm is not None:
            rotated = rms_norm(rotated, self.qk_norm.float(), EPS)
        rotated = rotate(rotated.contiguous(), turns)
        return rotated[:, :NUM_HEADS], rotated[:, NUM_HEADS:], heads[:, NUM_HEADS + NUM_KV_HEADS :]

    def after(self, hidden: Tensor, attended: Tensor) -> Tensor:
        hidden = hidden + self.linear(1, attended.flatten(1))
        return hidden + self.linear(3, silu_and_mul(self.linear(2, rms_norm(hidden, self.mlp_norm.float(), EPS))))


@each_instruction_set
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("has_qk_norm", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_it_equals_the_operators(
    instruction_set: InstructionSet, dtype: torch.dtype, has_qk_norm: bool, has_bias: bool
) -> None:
    twin = Twin(dtype, has_qk_norm, has_bias)
    block = twin.block(instruction_set)
    generator = torch.Generator().manual_seed(1)
    table = rotary_table(torch.rand(HEAD_DIM // 2, generator=generator), 100)
    for num_tokens in (1, 3, 21):
        hidden = torch.randn((num_tokens, twin.hidden_size), generator=generator).to(dtype)
        attended = torch.randn((num_tokens, NUM_HEADS, HEAD_DIM), generator=generator).to(dtype)
        turns = table[torch.randint(0, 100, (num_tokens,), generator=generator)].unsqueeze(1)
        slots = torch.randperm(10 * PAGE_SIZE, generator=generator)[:num_tokens]
        caches = [torch.full((10, PAGE_SIZE, NUM_KV_HEADS, HEAD_DIM), 7.0, dtype=dtype) for _ in range(2)]
        q = block.before_attention(hidden, turns, slots, *caches)
        expected_q, *expected_cells = twin.before(hidden.float(), turns)
        torch.testing.assert_close(q.float(), expected_q, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
        for cache, cells in zip(caches, expected_cells, strict=True):
            found = cache.flatten(0, 1)
            torch.testing.assert_close(found[slots].float(), cells, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
            others = torch.ones(10 * PAGE_SIZE, dtype=torch.bool)
            others[slots] = False
            assert found[others].eq(7).all()
        out = block.after_attention(hidden, attended)
        expected = twin.after(hidden.float(), attended.float())
        torch.testing.assert_close(out.float(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@each_instruction_set
def test_a_token_is_the_same_in_any_company(instruction_set: InstructionSet) -> None:
    twin = Twin(torch.bfloat16, has_qk_norm=True, has_bias=True)
    block = twin.block(instruction_set)
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn((30, twin.hidden_size), generator=generator).bfloat16()
    attended = torch.randn((30, NUM_HEADS, HEAD_DIM), generator=generator).bfloat16()
    turns = rotary_table(torch.rand(HEAD_DIM // 2, generator=generator), 30).unsqueeze(1)
    caches = [torch.zeros((10, PAGE_SIZE, NUM_KV_HEADS, HEAD_DIM), dtype=torch.bfloat16) for _ in range(4)]
    slots = torch.arange(30)
    together = block.before_attention(hidden, turns, slots, *caches[:2])
    after = block.after_attention(hidden, attended)
    for first, last in ((0, 1), (1, 3), (3, 16), (16, 30)):
        part = slice(first, last)
        alone = block.before_attention(hidden[part], turns[part], slots[part], *caches[2:])
        assert torch.equal(alone, together[part])
        assert torch.equal(block.after_attention(hidden[part], attended[part]), after[part])
    assert torch.equal(caches[0], caches[2])
    assert torch.equal(caches[1], caches[3])


@each_instruction_set
def test_gates_far_from_zero(instruction_set: InstructionSet) -> None:
    twin = Twin(torch.float32, has_qk_norm=False, has_bias=False)
    hidden = torch.randn((2, twin.hidden_size), generator=torch.Generator().manual_seed(1))
    attended = torch.zeros(2, NUM_HEADS, HEAD_DIM)
    twin.weights[2][:SIZE] *= 300  # gates of some hundred, both ways
    expected = twin.after(hidden, attended)
    out = twin.block(instruction_set).after_attention(hidden, attended)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-3)


def test_wrong_arguments_are_refused() -> None:
    if not SUPPORTED:
        pytest.skip("no C compiler")
    twin = Twin(torch.float32, has_qk_norm=False, has_bias=False)
    block = twin.block(SUPPORTED[0])
    caches = [torch.zeros(10, PAGE_SIZE, NUM_KV_HEADS, HEAD_DIM) for _ in range(2)]
    turns = torch.zeros((2, 1, HEAD_DIM // 2), dtype=torch.complex64)
    hidden, slots = torch.zeros(2, twin.hidden_size), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(AssertionError, match=r"slots: expected torch.int64, got torch.int32|slots: expected int64"):
        block.before_attention(hidden, turns, slots.int(), *caches)
    with pytest.raises(AssertionError, match="turns: expected 2, got"):
        block.before_attention(hidden, turns[:1], slots, *caches)
    with pytest.raises(AssertionError, match=r"hidden: expected \[num_tokens, 37\], got \[2, 36\]"):
        block.before_attention(hidden[:, :36], turns, slots, *caches)
    with pytest.raises(AssertionError, match=r"cache: expected torch\.float32, got torch\.bfloat16"):
        block.before_attention(hidden, turns, slots, caches[0].bfloat16(), caches[1])
    with pytest.raises(AssertionError, match="attended: got"):
        block.after_attention(hidden, torch.zeros(2, 3, HEAD_DIM))
