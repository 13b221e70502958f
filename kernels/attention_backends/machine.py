"""Machine: what was found here that backends of attention need, as plain data."""

import importlib.metadata
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..cpu.library import VARIABLE, cpu_kernels

_PACKAGES = ("triton", "flash-attn", "flashinfer-python", "flashinfer-jit-cache")


@dataclass(frozen=True)
class Machine:
    """A device, and what is installed beside it."""

    device_type: str
    capability: tuple[int, int] | None = None  # of a CUDA device
    packages: Mapping[str, str] = field(default_factory=dict)  # distribution -> version
    cpu_kernels_missing: str | None = None  # why there are no kernels in C; None: there are, or nobody asks
    nvcc: str | None = None  # where the compiler of CUDA is

    def lacks_capability(self, needed: tuple[int, int]) -> str | None:
        """Why a device is too old, None if it is not."""
        if self.device_type != "cuda":
            return f"runs on CUDA devices, and this one is {self.device_type}"
        if self.capability is not None and self.capability >= needed:
            return None
        found = "unknown" if self.capability is None else ".".join(map(str, self.capability))
        return f"needs a CUDA device of capability {needed[0]}.{needed[1]} or more, and this one's is {found}"

    def lacks_package(self, name: str) -> str | None:
        """Why a package cannot be used, None if it is there."""
        return None if name in self.packages else f"the package {name} is not installed"


def find_machine(device: torch.device) -> Machine:
    """Look around. On a CPU this compiles the kernels in C, the first time.

    Raises: ValueError where PALMETTE_CPU_KERNELS is none of its values.
    """
    missing: str | None = None
    if device.type == "cpu":
        found = cpu_kernels(os.environ.get(VARIABLE, "auto"))
        missing = None if found.library is not None else found.reason
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    packages = {name: version for name in _PACKAGES if (version := _version(name)) is not None}
    return Machine(device.type, capability, packages, missing, _nvcc())


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _nvcc() -> str | None:
    """Where FlashInfer would find it, too."""
    homes = (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda")
    known = next((path for home in homes if home and (path := Path(home) / "bin" / "nvcc").exists()), None)
    return shutil.which("nvcc") if known is None else str(known)
