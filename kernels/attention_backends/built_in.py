"""The backends that are palmette's own: Triton on CUDA, C on a CPU, PyTorch on any device."""

import torch

from ..attention_plan import AttentionPlan, Planner
from ..attention_reference import plan_reference
from ..attention_rows import AttentionRows
from ..cpu.attention import CpuAttentionPlan
from ..cpu.library import cpu_library
from ..cuda.attention_config import CACHE_DTYPES, MAX_GROUP, MAX_HEAD_DIM, QUERY_DTYPES
from .attention_case import AttentionCase
from .backend import Backend
from .machine import Machine


def _why_not_triton(case: AttentionCase, machine: Machine) -> str | None:
    if machine.device_type != "cuda":
        return f"runs on CUDA devices, and this one is {machine.device_type}"
    if missing := machine.lacks_package("triton"):
        return missing
    if case.dtype not in QUERY_DTYPES or case.cell_dtype not in CACHE_DTYPES:
        return f"has no kernel for {case.dtype} over cells of {case.cell_dtype}"
    if case.cell_dtype == torch.float8_e4m3fn and (too_old := machine.lacks_capability((8, 9))):
        return f"cells of {case.cell_dtype}: {too_old}"
    if case.head_dim > MAX_HEAD_DIM:
        return f"heads have at most {MAX_HEAD_DIM} numbers, and these have {case.head_dim}"
    if case.group > MAX_GROUP:
        return f"at most {MAX_GROUP} query heads share a key head, and here {case.group} do"
    if case.page_size & (case.page_size - 1):
        return f"pages hold a power of 2 of tokens, and these hold {case.page_size}"
    return None


def _triton(case: AttentionCase, device: torch.device) -> Planner:
    # Triton is no dependency of a CPU, and importing it takes a while.
    from ..cuda.attention_plan import AttentionOptions, plan_paged

    options = AttentionOptions(is_deterministic=case.is_deterministic)
    return lambda rows: plan_paged(rows, device, options)


def _why_not_c(case: AttentionCase, machine: Machine) -> str | None:
    if machine.device_type != "cpu":
        return f"runs on CPUs, and this device is {machine.device_type}"
    if machine.cpu_kernels_missing is not None:
        return machine.cpu_kernels_missing
    if case.dtype not in (torch.float32, torch.bfloat16) or case.cell_dtype != case.dtype:
        return f"has no kernel for {case.dtype} over cells of {case.cell_dtype}"
    if case.head_dim % 16:
        return f"heads have a multiple of 16 numbers, and these have {case.head_dim}"
    if case.has_soft_cap or case.has_sinks:
        return "has neither soft caps nor sinks"
    if case.is_deterministic and case.has_window and case.mix == "trees":
        # Its plan hands such rows to PyTorch.
        return "has no ancestor masks under a sliding window, and who has them makes bits depend on the rows beside"
    return None


def _c(_case: AttentionCase, _device: torch.device) -> Planner:
    library = cpu_library()
    assert library is not None, "the kernels in C were there when they were chosen"

    def plan(rows: AttentionRows) -> AttentionPlan:
        return CpuAttentionPlan(rows, library)

    return plan


def _why_not_torch(case: AttentionCase, _machine: Machine) -> str | None:
    if case.is_deterministic:
        return "a token's bits depend on the rows beside it"
    return None


def _torch(_case: AttentionCase, device: torch.device) -> Planner:
    return lambda rows: plan_reference(rows, device)


TRITON = Backend("triton", _why_not_triton, _triton)
C = Backend("c", _why_not_c, _c)
TORCH = Backend("torch", _why_not_torch, _torch)
