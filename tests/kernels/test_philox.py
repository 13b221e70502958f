"""The generator against its published answers, and what the noise promises."""

import math

import numpy as np
import pytest
import torch

from palmette.kernels.philox import GUMBEL_RANGE, branch_path, gumbel, gumbel_at, gumbel_of_token, philox4x32

ONES = 0xFFFFFFFF
KNOWN_ANSWERS = [  # counter, key, output: the test vectors that come with Random123
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
SEEDS = [0, 2**64 - 1, 0x0123456789ABCDEF]
PATHS = [2**63 + 5, 0, 77]
POSITIONS = [0, 2**32 - 1, 12]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert philox4x32(counter, key) == expected
    c0, c1, c2, c3, k0, k1 = (np.array([word], dtype=np.int64) for word in (*counter, *key))
    assert tuple(int(word[0]) for word in philox4x32((c0, c1, c2, c3), (k0, k1))) == expected
    t0, t1, t2, t3, s0, s1 = (torch.tensor([word]) for word in (*counter, *key))
    assert tuple(int(word[0]) for word in philox4x32((t0, t1, t2, t3), (s0, s1))) == expected


@pytest.mark.parametrize("vocab_size", [1, 4, 5, 1003])
def test_noise_is_where_the_counter_says(vocab_size: int) -> None:
    noise = gumbel(SEEDS, PATHS, POSITIONS, vocab_size)
    assert noise.shape == (3, vocab_size)
    assert noise.dtype == torch.float32
    for row in range(3):
        for token_id in {0, vocab_size // 2, vocab_size - 1}:
            counter = (PATHS[row] & ONES, PATHS[row] >> 32, POSITIONS[row], token_id // 4)
            word = philox4x32(counter, (SEEDS[row] & ONES, SEEDS[row] >> 32))[token_id % 4]
            uniform = ((word >> 9) + 0.5) / 2**23
            assert noise[row, token_id] == np.float32(-math.log(-math.log(uniform)))


def test_single_tokens_get_the_numbers_of_the_whole_row() -> None:
    noise = gumbel(SEEDS, PATHS, POSITIONS, 1003)
    generator = torch.Generator().manual_seed(0)
    for num_tokens in (0, 1, 2, 3, 7, 8, 15, 64, 500):
        row_ids = torch.randint(0, 3, (num_tokens,), generator=generator)
        token_ids = torch.randint(0, 1003, (num_tokens,), generator=generator)
        assert torch.equal(gumbel_at(SEEDS, PATHS, POSITIONS, row_ids, token_ids), noise[row_ids, token_ids])


def test_one_token_alone_has_its_number_too() -> None:
    seed, path, position = 2**63 + 5, 2**40 + 3, 77
    row = gumbel([seed], [path], [position], 50)[0]
    for token_id in range(50):
        alone = gumbel_of_token(seed, path, position, token_id)
        assert torch.tensor(alone, dtype=torch.float32) == row[token_id]


def test_a_row_does_not_depend_on_its_neighbours_or_on_earlier_calls() -> None:
    together = gumbel(SEEDS, PATHS, POSITIONS, 101)
    for row in (2, 0, 1):
        alone = gumbel(SEEDS[row : row + 1], PATHS[row : row + 1], POSITIONS[row : row + 1], 101)
        assert torch.equal(alone[0], together[row])


def test_tensors_give_the_numbers_of_arrays() -> None:
    """The path that accelerators take, run on the CPU: int64 tensors, where products wrap."""
    blocks = torch.arange(300)[None, :]
    seed, path, position = 0xFEDCBA9876543210, 0x8000000080000001, 41
    words = [torch.tensor([[word]]) for word in (path & ONES, path >> 32, position, seed & ONES, seed >> 32)]
    lanes = torch.stack(philox4x32((words[0], words[1], words[2], blocks), (words[3], words[4])), dim=-1).flatten()
    uniform = ((lanes >> 9).double() + 0.5) / 2**23
    assert torch.equal((-torch.log(-torch.log(uniform))).float(), gumbel([seed], [path], [position], 1200)[0])


def test_every_part_of_the_key_and_counter_matters() -> None:
    base = gumbel([5], [6], [7], 64)
    for seed, path, position in ((4, 6, 7), (5 + 2**32, 6, 7), (5, 7, 7), (5, 6 + 2**32, 7), (5, 6, 8)):
        assert (gumbel([seed], [path], [position], 64) != base).float().mean() > 0.9


def test_the_noise_is_gumbel_and_bounded() -> None:
    noise = gumbel(list(range(50)), [0] * 50, [0] * 50, 20_000).double()
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.005)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.01)
    largest = -math.log(-math.log1p(-(2.0**-24)))
    smallest = -math.log(-math.log(2.0**-24))
    assert noise.max() <= largest
    assert noise.min() >= smallest
    assert largest - smallest < GUMBEL_RANGE


def test_branch_paths_do_not_collide() -> None:
    paths = {0}
    level = [0]
    for _ in range(3):
        level = [branch_path(parent, child) for parent in level for child in range(20)]
        paths.update(level)
    assert len(paths) == 1 + 20 + 400 + 8000
    assert all(0 <= path < 2**64 for path in paths)
    assert branch_path(branch_path(0, 1), 2) != branch_path(branch_path(0, 2), 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_gives_the_same_noise() -> None:
    expected = gumbel(SEEDS, PATHS, POSITIONS, 5000)
    on_device = gumbel(SEEDS, PATHS, POSITIONS, 5000, device="cuda")
    torch.testing.assert_close(on_device.cpu(), expected, rtol=2e-7, atol=0)
    row_ids, token_ids = torch.tensor([2, 0, 1]), torch.tensor([4999, 3, 17])
    at = gumbel_at(SEEDS, PATHS, POSITIONS, row_ids.cuda(), token_ids.cuda())
    assert torch.equal(at, on_device[row_ids.cuda(), token_ids.cuda()])
