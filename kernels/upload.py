"""Sending what the host made to a device, in one copy and without waiting for it."""

from collections.abc import Sequence

import torch
from torch import Tensor

_ALIGNMENT = 16  # bytes


def upload(host: Tensor, device: torch.device) -> Tensor:
    """`host` on `device`; on a CPU `host` itself.

    A copy from ordinary memory makes the host wait until all that was launched before is done. From pinned memory the
    copy is one more thing in the stream. That memory comes from torch's allocator of pinned memory, which hands it out
    again only when the copies from it have been made: so whoever sends need not keep it, or know when that is.
    """
    if device.type == "cpu":
        return host
    return (host if host.is_pinned() else host.pin_memory()).to(device, non_blocking=True)


def upload_joined(parts: Sequence[Tensor], device: torch.device) -> tuple[Tensor, ...]:
    """Tensors of one dimension and dtype, each as a view of one buffer that is sent at once.

    Each begins at a multiple of 16 bytes: for other addresses Triton would compile its kernels once more.
    """
    if device.type == "cpu":
        return tuple(parts)
    alignment = max(1, _ALIGNMENT // parts[0].dtype.itemsize)
    places = [-(-len(part) // alignment) * alignment for part in parts]
    joined = torch.empty(sum(places), dtype=parts[0].dtype, pin_memory=True)
    for part, place in zip(parts, torch.split(joined, places), strict=True):
        place[: len(part)] = part
    sent = torch.split(joined.to(device, non_blocking=True), places)
    return tuple(place[: len(part)] for part, place in zip(parts, sent, strict=True))


def upload_stacked(rows: Sequence[Tensor], device: torch.device) -> Tensor:
    """Rows of one shape as [num_rows, *shape]; they are stacked in the memory that is sent from."""
    if device.type == "cpu":
        return torch.stack(list(rows))
    stacked = torch.empty((len(rows), *rows[0].shape), dtype=rows[0].dtype, pin_memory=True)
    torch.stack(list(rows), out=stacked)
    return stacked.to(device, non_blocking=True)


def upload_into(target: Tensor, parts: Sequence[Tensor]) -> None:
    """Write tensors of one dimension over `target`, which they fill, one behind the other."""
    if target.device.type == "cpu":
        torch.cat(list(parts), out=target)
        return
    joined = torch.empty(len(target), dtype=target.dtype, pin_memory=True)
    torch.cat(list(parts), out=joined)
    target.copy_(joined, non_blocking=True)
