"""CpuLibrary: the C sources of this folder, compiled for this processor and loaded; or why they are not.

`PALMETTE_CPU_KERNELS` chooses: `auto` (where nothing is said), `off` (PyTorch serves), or an instruction set by name.
"""

import ctypes
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .compiler import CannotCompile, find_compiler
from .instruction_set import InstructionSet
from .openmp import find_openmp

VARIABLE = "PALMETTE_CPU_KERNELS"

_FOLDER = Path(__file__).parent
_PROBE = _FOLDER / "probe.c"


@dataclass(frozen=True)
class CpuLibrary:
    """Functions in C, for one instruction set."""

    functions: ctypes.CDLL
    instruction_set: InstructionSet
    path: Path
    compiler: str
    has_threads: bool
    """Whether PyTorch's OpenMP runtime was found, whose threads are used; else there is one thread."""


@dataclass(frozen=True)
class CpuKernels:
    """What was found: a library, or the reason why there is none."""

    library: CpuLibrary | None
    reason: str


def cpu_library() -> CpuLibrary | None:
    """The library to use, compiled the first time; None where PyTorch serves."""
    return cpu_kernels(os.environ.get(VARIABLE, "auto")).library


@lru_cache
def cpu_kernels(choice: str) -> CpuKernels:
    """What `choice`, a value of `PALMETTE_CPU_KERNELS`, comes to on this machine."""
    names = [each.value for each in InstructionSet]
    if choice == "off":
        return CpuKernels(None, f"switched off by {VARIABLE}")
    if choice not in ("", "auto", *names):
        raise ValueError(f"{VARIABLE}: expected auto, off or one of {', '.join(names)}, got {choice!r}")
    try:
        best = _best_instruction_set()
        if choice in names:
            if names.index(choice) < names.index(best):
                return CpuKernels(None, f"{VARIABLE} is {choice}, which this processor does not have")
            return CpuKernels(load_library(InstructionSet(choice)), f"asked for by {VARIABLE}")
        if best is InstructionSet.BASELINE:
            return CpuKernels(None, "the processor has no AVX2 with FMA, for which PyTorch is as fast")
        return CpuKernels(load_library(best), "the best that this processor has")
    except CannotCompile as error:
        return CpuKernels(None, str(error))


@lru_cache
def load_library(instruction_set: InstructionSet) -> CpuLibrary:
    """Compile (once) and load the sources for an instruction set, which the processor must have.

    Raises: CannotCompile.
    """
    compiler = find_compiler(os.environ)
    sources = [path for path in sorted(_FOLDER.glob("*.c")) if path != _PROBE]
    path = compiler.build(f"cpu-{instruction_set}", sources, _FOLDER.glob("*.h"), instruction_set.flags)
    functions = _load(path)
    openmp = find_openmp()
    if openmp is not None:
        functions.palmette_set_team(ctypes.c_void_p(openmp))
    return CpuLibrary(
        functions, instruction_set, path, f"{compiler.command[0]} ({compiler.version})", openmp is not None
    )


@lru_cache
def supported_instruction_sets() -> tuple[InstructionSet, ...]:
    """Those this processor has, the best first; none where nothing can be compiled."""
    try:
        best = _best_instruction_set()
    except CannotCompile:
        return ()
    every = list(InstructionSet)
    return tuple(every[every.index(best) :])


@lru_cache
def _best_instruction_set() -> InstructionSet:
    # The compiler's own run-time check: unlike /proc/cpuinfo it is everywhere, and asks the system too.
    functions = _load(find_compiler(os.environ).build("probe", [_PROBE], (), ()))
    index: int = functions.palmette_best_instruction_set()
    return list(InstructionSet)[index]


def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CannotCompile(f"{path} cannot be loaded: {error}") from error
