"""RMSNorm by the C kernel: one vector after the other, each summed in the same order."""

import ctypes
from typing import Final

import torch
from torch import Tensor

from .library import CpuLibrary

_TYPES: Final = {torch.float32: 0, torch.bfloat16: 1}


def can_norm(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernel takes x: vectors of a type it knows, in one piece, with a weight for each channel."""
    is_plain = x.dim() == 2 and weight.shape == x.shape[1:] and x.is_contiguous()
    return is_plain and x.dtype in _TYPES and x.device.type == "cpu"


def cpu_rms_norm(library: CpuLibrary, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """See `rms_norm.rms_norm`; x: [num_tokens, size], weight: [size]. Rounded to the dtype of x once, at the end."""
    assert can_norm(x, weight), f"expected contiguous [num_tokens, size] and [size], got {x.shape} and {weight.shape}"
    scale = weight.float().contiguous()
    out = torch.empty_like(x)
    norm = library.functions.palmette_rms_norm
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    norm.argtypes = (pointer, number, pointer, number, ctypes.c_double, number, pointer, number)
    norm.restype = None
    num_threads = torch.get_num_threads() if library.has_threads else 1
    norm(x.data_ptr(), _TYPES[x.dtype], scale.data_ptr(), x.shape[1], eps, x.shape[0], out.data_ptr(), num_threads)
    return out
