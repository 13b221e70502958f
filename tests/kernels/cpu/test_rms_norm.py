"""RMSNorm in C against the PyTorch twin, on each instruction set."""

import pytest
import torch
from instruction_sets import each_instruction_set, library_for

from palmette.kernels.cpu.instruction_set import InstructionSet
from palmette.kernels.cpu.rms_norm import can_norm, cpu_rms_norm


@each_instruction_set
@pytest.mark.parametrize("size", [1, 15, 16, 100, 257])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_it_equals_the_twin(instruction_set: InstructionSet, size: int, dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(size)
    x = (torch.randn((20, size), generator=generator) * 3).to(dtype)
    x[4] = 0
    weight = torch.randn(size, generator=generator).to(dtype)
    expected = torch.nn.functional.rms_norm(x.double(), (size,), weight.double(), 1e-5)
    out = cpu_rms_norm(library_for(instruction_set), x, weight, 1e-5)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), expected, rtol=tolerance, atol=tolerance)
    for row in (0, 4, 19):
        alone = cpu_rms_norm(library_for(instruction_set), x[row : row + 1], weight, 1e-5)
        assert torch.equal(alone[0], out[row])


def test_what_it_takes() -> None:
    assert can_norm(torch.zeros(2, 3), torch.zeros(3))
    assert not can_norm(torch.zeros(2, 4, 3), torch.zeros(3))
    assert not can_norm(torch.zeros(3, 2).t(), torch.zeros(3))
    assert not can_norm(torch.zeros(2, 3), torch.zeros(1))
    assert not can_norm(torch.zeros((2, 3), dtype=torch.float16), torch.zeros(3))
