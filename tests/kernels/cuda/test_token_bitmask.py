"""The packed mask on the device, bit for bit."""

import pytest
import torch

from palmette.kernels import token_bitmask
from palmette.kernels.cuda.token_bitmask import apply_token_bitmask

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    "vocab_size",
    [
        31,
        2100,
        pytest.param(
            151_936,
            marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
        ),
    ],
)
def test_equals_the_twin(vocab_size: int) -> None:
    generator = torch.Generator().manual_seed(vocab_size)
    wide = torch.randint(-(2**31), 2**31, (3, token_bitmask.mask_words(vocab_size) + 2), generator=generator).int()
    logits, bitmask = torch.randn(3, vocab_size, generator=generator), wide[:, 1:-1]
    on_device = logits.to(DEVICE)
    apply_token_bitmask(on_device, bitmask.to(DEVICE))
    expected = logits.clone()
    token_bitmask.apply_token_bitmask(expected, bitmask)
    assert torch.equal(on_device.cpu(), expected)


def test_the_wrong_shape_is_our_bug() -> None:
    with pytest.raises(AssertionError, match=r"expected a bitmask of shape \(2, 2\)"):
        apply_token_bitmask(torch.zeros(2, 64), torch.zeros(2, 3, dtype=torch.int32))
