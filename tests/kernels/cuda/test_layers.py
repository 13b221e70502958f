"""The kernels of a layer against their twins: norms, rotary embedding, activation, and all that follows qkv."""

import pytest
import torch

from palmette.kernels import rms_norm, rotary, silu_and_mul, split_qkv
from palmette.kernels.cuda import rms_norm as rms_norm_cuda
from palmette.kernels.cuda import rotary as rotary_cuda
from palmette.kernels.cuda import silu_and_mul as silu_and_mul_cuda
from palmette.kernels.cuda import split_qkv as split_qkv_cuda

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
needs_device = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(autouse=True)
def _twins_in_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The C kernels of a CPU round bfloat16 norms once, PyTorch and the device after each of two steps."""
    monkeypatch.setattr(rms_norm, "cpu_library", lambda: None)


def randn(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator).to(DEVICE, dtype)


def assert_near(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal but for the last bit of some, which a sum in another order may turn."""
    assert actual.dtype == expected.dtype
    step = torch.finfo(expected.dtype).eps
    torch.testing.assert_close(actual.cpu(), expected.cpu(), rtol=4 * step, atol=4 * step)
    assert (actual.cpu() != expected.cpu()).float().mean() < (1 if expected.dtype == torch.float32 else 0.1)


def turns_of(num_tokens: int, head_dim: int) -> torch.Tensor:
    frequencies = 10.0 ** -torch.linspace(0, 3, head_dim // 2)
    return rotary.rotary_table(frequencies, 3 * num_tokens)[::3].unsqueeze(1).contiguous()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rms_norm(dtype: torch.dtype) -> None:
    x, weight = randn(3, 100, dtype=dtype), randn(100, dtype=dtype)
    assert_near(rms_norm_cuda.rms_norm(x, weight, 1e-5), rms_norm.rms_norm(x.cpu(), weight.cpu(), 1e-5))
    heads, weights = randn(2, 5, 16, dtype=dtype)[:, 1:4], randn(3, 16, dtype=dtype)
    assert_near(rms_norm_cuda.rms_norm(heads, weights, 1e-5), rms_norm.rms_norm(heads.cpu(), weights.cpu(), 1e-5))


@pytest.mark.parametrize("dtype", DTYPES)
def test_add_rms_norm(dtype: torch.dtype) -> None:
    x, residual, weight = randn(3, 100, dtype=dtype), randn(4, 100, dtype=dtype)[:3], randn(100, dtype=dtype)
    normed, total = rms_norm_cuda.add_rms_norm(x, residual, weight, 1e-5)
    expected, expected_total = rms_norm.add_rms_norm(x.cpu(), residual.cpu(), weight.cpu(), 1e-5)
    assert torch.equal(total.cpu(), expected_total)
    assert_near(normed, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_silu_and_mul(dtype: torch.dtype) -> None:
    x = randn(3, 1400, dtype=dtype) * 4
    assert_near(silu_and_mul_cuda.silu_and_mul(x), silu_and_mul.silu_and_mul(x.cpu()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("head_dim", [16, 80])
def test_rotate(dtype: torch.dtype, head_dim: int) -> None:
    x, turns = randn(2, 7, head_dim, dtype=dtype)[:, 1:6], turns_of(2, head_dim)
    assert_near(rotary_cuda.rotate(x, turns.to(DEVICE)), rotary.rotate(x.cpu(), turns))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("has_norm", [False, True])
def test_split_qkv(dtype: torch.dtype, has_norm: bool) -> None:
    num_heads, num_kv_heads, head_dim = 6, 2, 16
    qkv = randn(3, (num_heads + 2 * num_kv_heads) * head_dim, dtype=dtype)
    norm = randn(num_heads + num_kv_heads, head_dim, dtype=dtype) if has_norm else None
    turns, slots = turns_of(3, head_dim), torch.tensor([5, 0, 7])
    caches = [torch.zeros(4, 2, num_kv_heads, head_dim, dtype=dtype) for _ in range(2)]
    twins = [cache.clone() for cache in caches]
    on_device = [cache.to(DEVICE) for cache in caches]
    q = split_qkv_cuda.split_qkv(
        qkv, num_heads, turns.to(DEVICE), norm, 1e-6, on_device[0], on_device[1], slots.to(DEVICE)
    )
    twin_norm = None if norm is None else norm.cpu()
    expected = split_qkv.split_qkv(qkv.cpu(), num_heads, turns, twin_norm, 1e-6, twins[0], twins[1], slots)
    assert_near(q, expected)
    for cache, twin in zip(on_device, twins, strict=True):
        assert_near(cache, twin)


@pytest.mark.parametrize("dtype", DTYPES)
def test_split_qkv_into_fp8_cells(dtype: torch.dtype) -> None:
    """Values pass by norm and rotation: every bfloat16 within fp8's range, and some beyond, becomes PyTorch's."""
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16).float()
    within = every[(every.abs() >= 2**-11) & (every.abs() < 512)]  # 20 exponents: 20 * 256 numbers
    edges = torch.tensor([0.0, -0.0, 1e-30, 6e4, -6e4, 1000.0]).repeat(43)[:256]
    odd = torch.randn(256, generator=torch.Generator().manual_seed(0)) / 40
    values = torch.cat((within, edges, odd)).to(dtype)
    num_tokens = len(values) // 256
    qkv = randn(num_tokens, 3 * 256, dtype=dtype)
    qkv[:, 512:] = values.view(num_tokens, 256)
    turns, slots = turns_of(num_tokens, 256), torch.randperm(num_tokens)
    cells = [torch.zeros(num_tokens, 1, 1, 256).to(torch.float8_e4m3fn) for _ in range(4)]
    on_device = [cache.to(DEVICE) for cache in cells[:2]]
    q = split_qkv_cuda.split_qkv(qkv, 1, turns.to(DEVICE), None, 1e-6, *on_device, slots.to(DEVICE))
    expected = split_qkv.split_qkv(qkv.cpu(), 1, turns, None, 1e-6, cells[2], cells[3], slots)
    assert_near(q, expected)
    assert torch.equal(on_device[1].cpu().view(torch.uint8), cells[3].view(torch.uint8))
    off = on_device[0].cpu().float() - cells[2].float()
    assert (off != 0).float().mean() < 0.01, "a turned key may be rounded the other way"
    assert (off.abs() <= cells[2].float().abs() / 7 + 2**-9).all()


def test_the_bits_of_a_row_do_not_depend_on_its_neighbours() -> None:
    x, weight = randn(5, 96), randn(96)
    assert torch.equal(
        rms_norm_cuda.rms_norm(x[3:4].contiguous(), weight, 1e-5)[0], rms_norm_cuda.rms_norm(x, weight, 1e-5)[3]
    )
    assert torch.equal(silu_and_mul_cuda.silu_and_mul(x[3:4])[0], silu_and_mul_cuda.silu_and_mul(x)[3])


def test_what_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"expected a weight of \(8,\) or \(1, 8\), got \(7,\)"):
        rms_norm_cuda.rms_norm(torch.zeros(2, 8), torch.zeros(7), 1e-5)
    with pytest.raises(AssertionError, match=r"expected turns \(2, 1, 4\)"):
        rotary_cuda.rotate(torch.zeros(2, 3, 8), turns_of(3, 8))
    with pytest.raises(AssertionError, match="expected contiguous rows"):
        silu_and_mul_cuda.silu_and_mul(torch.zeros(8, 4).t())


@pytest.mark.gpu
@needs_device
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_real_sizes_on_a_device(dtype: torch.dtype) -> None:
    x, residual, weight = randn(300, 4096, dtype=dtype), randn(301, 4096, dtype=dtype)[:300], randn(4096, dtype=dtype)
    normed, total = rms_norm_cuda.add_rms_norm(x, residual, weight, 1e-5)
    expected, expected_total = rms_norm.add_rms_norm(x.cpu(), residual.cpu(), weight.cpu(), 1e-5)
    assert torch.equal(total.cpu(), expected_total)
    assert_near(normed, expected)
    wide = randn(300, 28_672, dtype=dtype)
    assert_near(silu_and_mul_cuda.silu_and_mul(wide), silu_and_mul.silu_and_mul(wide.cpu()))
