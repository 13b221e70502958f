"""The C kernels for each instruction set that this machine can run, as parameters of a test."""

import pytest

from palmette.kernels.cpu.instruction_set import InstructionSet
from palmette.kernels.cpu.library import CpuLibrary, load_library, supported_instruction_sets

SUPPORTED = supported_instruction_sets()

each_instruction_set = pytest.mark.parametrize(
    "instruction_set",
    [
        pytest.param(each, marks=pytest.mark.skipif(each not in SUPPORTED, reason=f"no {each} here, or no C compiler"))
        for each in InstructionSet
    ],
)


def library_for(instruction_set: InstructionSet) -> CpuLibrary:
    """Compiled at the first call of all."""
    return load_library(instruction_set)
