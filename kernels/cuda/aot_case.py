"""AotCase: one configuration of a kernel that is compiled, and checked for spills, without a device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AotCase:
    """A kernel with the types of its arguments and the values of its constants.

    Each module of this folder has `AOT_CASES: tuple[AotCase, ...]`, the configurations that its launcher may pick.
    """

    name: str
    kernel: Any  # a triton.jit function: triton has no type that holds both it and the interpreted one
    signature: Mapping[str, str]  # argument -> "*bf16", "i32", "fp32", ...; of all arguments that are not constants
    constants: Mapping[str, Any]  # constexpr argument -> value
    num_warps: int
    num_stages: int
    spill_reason: str | None = None  # why this configuration may spill registers; None: it may not
    options: Mapping[str, Any] = field(default_factory=dict)  # of the compiler, besides warps and stages
    aligned_numbers: tuple[str, ...] = ()  # numbers that are multiples of 16, as the launcher finds of its arguments

    @property
    def aligned(self) -> tuple[str, ...]:
        """Arguments that the compiler may take for multiples of 16: all pointers, as torch allocates them, too."""
        pointers = [name for name, type_name in self.signature.items() if type_name.startswith("*")]
        return (*pointers, *self.aligned_numbers)
