import torch

from palmette.kernels.silu_and_mul import silu_and_mul


def test_equals_its_definition() -> None:
    x = torch.randn(3, 10)
    before = x.clone()
    gate, up = x[:, :5], x[:, 5:]
    torch.testing.assert_close(silu_and_mul(x), gate / (1 + (-gate).exp()) * up)
    assert torch.equal(x, before)
