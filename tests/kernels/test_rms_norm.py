import pytest
import torch

from palmette.kernels.rms_norm import rms_norm


@pytest.mark.parametrize("shape", [(1, 16), (5, 16), (3, 4, 16)])
def test_equals_its_definition(shape: tuple[int, ...]) -> None:
    x, weight = torch.randn(shape), torch.randn(16)
    before = x.clone()
    wide = x.double()
    expected = wide / (wide.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight.double()
    torch.testing.assert_close(rms_norm(x, weight, 1e-5), expected.float())
    assert torch.equal(x, before)


def test_a_weight_for_each_head() -> None:
    x, weight = torch.randn(3, 4, 16), torch.randn(4, 16)
    heads = [rms_norm(x[:, head], weight[head], 1e-6) for head in range(4)]
    torch.testing.assert_close(rms_norm(x, weight, 1e-6), torch.stack(heads, 1))


def test_eps_keeps_zero_at_zero() -> None:
    assert torch.equal(rms_norm(torch.zeros(2, 8), torch.ones(8), 1e-6), torch.zeros(2, 8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    x = torch.full((1, 4096), 100.0, dtype=dtype)  # the sum of squares is past the largest float16
    out = rms_norm(x, torch.ones(4096, dtype=dtype), 1e-6)
    assert out.dtype is dtype
    torch.testing.assert_close(out, torch.ones_like(x))
