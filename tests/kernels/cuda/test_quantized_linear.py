"""Linear products with 8-bit weights: the rounding against its bound, the kernel against the twin."""

import pytest
import torch

from palmette.kernels.cuda.quantized_linear import quantized_linear
from palmette.kernels.fixed_tile_linear import FixedTileLinear
from palmette.kernels.quantization import Quantization
from palmette.kernels.quantized_linear import quantized_linear as twin
from palmette.kernels.quantized_weight import QuantizedWeight, quantize_weight

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def on_device(weight: QuantizedWeight) -> QuantizedWeight:
    return QuantizedWeight(weight.values.to(DEVICE), weight.scales.to(DEVICE), weight.block_out, weight.block_in)


@pytest.mark.parametrize("quantization", ["int8", "fp8"])
@pytest.mark.parametrize(("block_out", "block_in"), [(1, None), (1, 64), (32, 128)])
def test_rounding_stays_within_its_step(quantization: Quantization, block_out: int, block_in: int | None) -> None:
    weight = randn(70, 200)
    weight[3] = 0
    rounded = quantize_weight(weight, quantization, block_out, block_in)
    spread = rounded.scales.repeat_interleave(block_out, 0)[:70].repeat_interleave(rounded.block_in, 1)[:, :200]
    # Half a step: of 1 for integers; of 1/8 of the value, and at least of 2**-9, for e4m3.
    step = spread if quantization == "int8" else torch.maximum(weight.abs() / 8, spread * 2**-9)
    assert ((rounded.dequantized() - weight).abs() <= step * 0.501).all()


@pytest.mark.parametrize("quantization", ["int8", "fp8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("block_out", "block_in"), [(1, None), (32, 128)])
def test_equals_the_twin(quantization: Quantization, dtype: torch.dtype, block_out: int, block_in: int | None) -> None:
    weight = quantize_weight(randn(70, 300), quantization, block_out, block_in)
    x, bias, residual = randn(3, 300).to(dtype), randn(70).to(dtype), randn(3, 70).to(dtype)
    out = quantized_linear(x.to(DEVICE), on_device(weight), bias.to(DEVICE), residual.to(DEVICE)).cpu()
    tolerance = {"rtol": 1e-5, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-2, "atol": 2e-2}
    torch.testing.assert_close(out, twin(x, weight, bias, residual), **tolerance)
    plain = quantized_linear(x.to(DEVICE), on_device(weight), out_dtype=torch.float32).cpu()
    torch.testing.assert_close(plain, twin(x, weight, out_dtype=torch.float32), rtol=1e-5, atol=1e-4)


def test_every_e4m3_number() -> None:
    """All 254 finite values, through a product with the identity."""
    values = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn)
    values = torch.where(values.float().isnan(), 0.0, values.float()).to(torch.float8_e4m3fn)
    weight = QuantizedWeight(values.view(4, 64).contiguous(), torch.ones(4, 1), 1, 64)
    out = quantized_linear(torch.eye(64).to(DEVICE), on_device(weight)).cpu()
    assert torch.equal(out.t(), values.float().view(4, 64))


def test_the_bits_of_a_row_do_not_depend_on_its_neighbours() -> None:
    weight = on_device(quantize_weight(randn(70, 520), "int8"))
    x = randn(18, 520).to(DEVICE)
    assert torch.equal(quantized_linear(x[17:], weight)[0], quantized_linear(x, weight)[17])


def test_what_is_refused() -> None:
    weight = quantize_weight(randn(8, 128), "int8")
    with pytest.raises(AssertionError, match="expected 128 inputs, got 64"):
        quantized_linear(torch.zeros(1, 64), weight)
    with pytest.raises(ValueError, match="block_in: expected a power of two >= 64"):
        quantize_weight(randn(8, 128), "fp8", block_in=48)
    with pytest.raises(AssertionError, match=r"expected scales of \(8, 1\)"):
        QuantizedWeight(weight.values, weight.scales[:4], 1, 128)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("quantization", ["int8", "fp8"])
@pytest.mark.parametrize("num_tokens", [1, 64, 500])
def test_real_sizes_on_a_device(quantization: Quantization, num_tokens: int) -> None:
    weight = quantize_weight(randn(6144, 4096), quantization)
    x = randn(num_tokens, 4096).bfloat16()
    out = quantized_linear(x.cuda(), on_device(weight), out_dtype=torch.float32).cpu()
    torch.testing.assert_close(out, twin(x, weight, out_dtype=torch.float32), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_plain_weights_in_tiles_of_one_size(dtype: torch.dtype) -> None:
    weight, x = randn(70, 520).to(dtype), randn(37, 520).to(dtype)
    bias, residual = randn(70).to(dtype), randn(37, 70).to(dtype)
    linear = FixedTileLinear(weight.to(DEVICE), bias.to(DEVICE))
    out = linear.add_to(residual.to(DEVICE), x.to(DEVICE))
    expected = x.float() @ weight.float().t() + bias.float() + residual.float()
    tolerance = {"rtol": 1e-5, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-2, "atol": 2e-2}
    torch.testing.assert_close(out.cpu(), expected.to(dtype), **tolerance)
    whole = linear.forward(x.to(DEVICE), torch.float32)
    assert whole.dtype == torch.float32
    for first, last in ((0, 1), (5, 6), (3, 20), (36, 37)):
        assert torch.equal(linear.forward(x[first:last].to(DEVICE), torch.float32), whole[first:last])
    assert linear.forward(x[:0].to(DEVICE)).shape == (0, 70)


def test_a_plain_weight_of_another_type_is_refused() -> None:
    linear = FixedTileLinear(randn(70, 128), None)
    with pytest.raises(AssertionError, match=r"expected a weight of torch\.bfloat16, got torch\.float32"):
        linear.forward(randn(3, 128).bfloat16())
