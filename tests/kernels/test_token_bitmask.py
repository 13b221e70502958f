"""Packed masks: every bit in its place, bits past the vocabulary without effect."""

import pytest
import torch

from palmette.kernels.token_bitmask import apply_token_bitmask, mask_words, pack_token_bitmask, unpack_token_bitmask


@pytest.mark.parametrize(("vocab_size", "expected"), [(1, 1), (32, 1), (33, 2), (2048, 64), (151_936, 4748)])
def test_mask_words(vocab_size: int, expected: int) -> None:
    assert mask_words(vocab_size) == expected


@pytest.mark.parametrize("vocab_size", [1, 7, 31, 32, 33, 64, 100, 2048])
def test_bits_are_where_the_format_says(vocab_size: int) -> None:
    generator = torch.Generator().manual_seed(vocab_size)
    shape = (3, mask_words(vocab_size))
    bitmask = torch.randint(-(2**31), 2**31, shape, generator=generator).to(torch.int32)
    expected = [
        [bool((row[token_id // 32] >> (token_id % 32)) & 1) for token_id in range(vocab_size)]
        for row in bitmask.tolist()
    ]
    assert unpack_token_bitmask(bitmask, vocab_size).tolist() == expected

    logits = torch.randn(3, vocab_size, generator=generator)
    logits[0, 0] = -torch.inf
    masked = logits.clone()
    apply_token_bitmask(masked, bitmask)
    assert torch.equal(masked, torch.where(torch.tensor(expected), logits, -torch.inf))

    packed = pack_token_bitmask(torch.tensor(expected))
    assert packed.shape == shape
    assert unpack_token_bitmask(packed, vocab_size).tolist() == expected


def test_a_mask_may_be_a_view() -> None:
    wide = torch.zeros(2, 8, dtype=torch.int32)
    wide[:, 3] = 0b101
    logits = torch.zeros(2, 60)
    apply_token_bitmask(logits, wide[:, 3:5])
    assert logits[1].isfinite().nonzero()[:, 0].tolist() == [0, 2]


def test_the_wrong_shape_or_type_is_our_bug() -> None:
    logits = torch.zeros(2, 64)
    with pytest.raises(AssertionError, match=r"expected a bitmask of shape \(2, 2\)"):
        apply_token_bitmask(logits, torch.zeros(2, 3, dtype=torch.int32))
    with pytest.raises(AssertionError, match="expected int32 words"):
        apply_token_bitmask(logits, torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(AssertionError, match="expected float32 logits"):
        apply_token_bitmask(logits.bfloat16(), torch.zeros(2, 2, dtype=torch.int32))
