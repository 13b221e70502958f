"""InstructionSet: the sets of vector instructions that the C sources are compiled for."""

from enum import StrEnum


class InstructionSet(StrEnum):
    """What a library may use, from the most to the least."""

    AVX512BF16 = "avx512bf16"
    AVX512 = "avx512"
    AVX2 = "avx2"
    BASELINE = "baseline"
    """What every processor of the compiler's default target has."""

    @property
    def flags(self) -> tuple[str, ...]:
        """For the compiler."""
        return _FLAGS[self]


_AVX512 = ("-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq")

_FLAGS: dict[InstructionSet, tuple[str, ...]] = {
    InstructionSet.AVX512BF16: (*_AVX512, "-mavx512bf16", "-mavx512vnni"),
    InstructionSet.AVX512: _AVX512,
    InstructionSet.AVX2: ("-mavx2", "-mfma"),
    InstructionSet.BASELINE: (),
}
