import pytest
import torch

from palmette.kernels.rotary import interleave_heads, rotary_table, rotate

FREQUENCIES = torch.tensor([1.0, 0.1, 0.01, 0.001])


def test_turns_each_pair_by_its_angle() -> None:
    x = torch.randn(3, 2, 8)
    positions = torch.tensor([0, 7, 1000])
    turned = rotate(x, rotary_table(FREQUENCIES, 1001)[positions].unsqueeze(1))
    for token, position in enumerate(positions):
        for pair, frequency in enumerate(FREQUENCIES):
            angle = position * frequency
            turn = torch.stack((torch.stack((angle.cos(), -angle.sin())), torch.stack((angle.sin(), angle.cos()))))
            expected = x[token, :, 2 * pair : 2 * pair + 2] @ turn.T
            torch.testing.assert_close(turned[token, :, 2 * pair : 2 * pair + 2], expected, rtol=1e-5, atol=1e-5)


def test_products_depend_on_distance_alone() -> None:
    q, k = torch.randn(1, 1, 8), torch.randn(1, 1, 8)
    table = rotary_table(FREQUENCIES, 64, scale=1.5).unsqueeze(1)
    products = [(rotate(q, table[p + 5 : p + 6]) * rotate(k, table[p : p + 1])).sum() for p in (0, 20, 58)]
    torch.testing.assert_close(products[0], products[1])
    torch.testing.assert_close(products[0], products[2])


def test_interleaving_makes_neighbours_of_the_halves() -> None:
    rows = torch.arange(2 * 6)
    assert interleave_heads(rows, 6).tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
    assert interleave_heads(rows.view(12, 1), 6).tolist() == [[row] for row in interleave_heads(rows, 6).tolist()]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_turned_in_float32(dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 8).to(dtype)
    turns = rotary_table(FREQUENCIES, 600)[[3, 599]].unsqueeze(1)
    out = rotate(x, turns)
    assert out.dtype is dtype
    assert torch.equal(out, rotate(x.float(), turns).to(dtype))


def test_a_part_of_a_wider_tensor() -> None:
    wide = torch.randn(3, 5, 8)
    turns = rotary_table(FREQUENCIES, 3).unsqueeze(1)
    assert torch.equal(rotate(wide[:, 1:4], turns), rotate(wide, turns)[:, 1:4])
