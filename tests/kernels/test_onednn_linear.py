"""The oneDNN product against torch's own, and the conditions under which it is used."""

import pytest
import torch

from palmette.kernels.onednn_linear import has_many_rows, onednn_linear, onednn_linear_add


@pytest.mark.skipif(not has_many_rows(torch.zeros(64, 8)), reason="this torch or processor has no such operator")
@pytest.mark.parametrize("num_tokens", [4, 7, 64])
@pytest.mark.parametrize("has_bias", [False, True])
def test_it_is_the_product(num_tokens: int, has_bias: bool) -> None:
    generator = torch.Generator().manual_seed(num_tokens)
    x = torch.randn(num_tokens, 24, generator=generator)
    weight = torch.randn(24, 40, generator=generator)
    bias = torch.randn(40, generator=generator) if has_bias else None
    residual = torch.randn(num_tokens, 40, generator=generator)
    expected = x @ weight + (0 if bias is None else bias)
    torch.testing.assert_close(onednn_linear(x, weight, bias), expected)
    torch.testing.assert_close(onednn_linear_add(residual, x, weight, bias), residual + expected)


def test_few_rows_and_other_types_keep_torchs_product() -> None:
    assert not has_many_rows(torch.zeros(3, 8))
    assert not has_many_rows(torch.zeros(64, 8, dtype=torch.bfloat16))
