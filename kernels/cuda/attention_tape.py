"""Carrying the tables of a plan to the device in one copy."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ALIGNMENT = 4  # numbers: 16 bytes, the pointer alignment that kernels are compiled for


def upload(tables: dict[str, NDArray[np.int32]], device: torch.device) -> dict[str, Tensor]:
    """The tables on the device as views of one int32 buffer, sent from pinned memory without waiting."""
    staging = _staged(tables, device)
    buffer = staging.to(device, non_blocking=True)
    views: dict[str, Tensor] = {}
    start = 0
    for name, table in tables.items():
        views[name] = buffer[start : start + table.size]
        start += _padded_size(table)
    return views


def fill(views: dict[str, Tensor], tables: dict[str, NDArray[np.int32]]) -> None:
    """Send tables of the sizes that `upload` sent into the same places."""
    first = next(iter(views.values()))
    staging = _staged(tables, first.device)
    assert {name: len(view) for name, view in views.items()} == {name: table.size for name, table in tables.items()}
    torch.as_strided(first, (len(staging),), (1,)).copy_(staging, non_blocking=True)


def _staged(tables: dict[str, NDArray[np.int32]], device: torch.device) -> Tensor:
    size = sum(_padded_size(table) for table in tables.values())
    staging = torch.empty(size, dtype=torch.int32, pin_memory=device.type == "cuda")
    tape = staging.numpy()
    start = 0
    for table in tables.values():
        tape[start : start + table.size] = table.reshape(-1)
        start += _padded_size(table)
    return staging


def _padded_size(table: NDArray[np.int32]) -> int:
    return -(-max(table.size, 1) // _ALIGNMENT) * _ALIGNMENT
