"""The names of the backends of attention; here alone, so that options can be read without PyTorch."""

from typing import Literal, get_args

BackendName = Literal["triton", "c", "torch", "sdpa", "flex", "flash-attn", "flashinfer"]

BACKEND_NAMES: tuple[BackendName, ...] = get_args(BackendName)
