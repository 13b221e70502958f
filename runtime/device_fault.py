"""What it means for a pass that its device reports faults late, and some of them for good."""

from collections.abc import Callable

import torch


class DeviceLost(Exception):
    """The device does nothing more for this process: no request can be answered, and the engine ends.

    Whose fault it was cannot be told. A device computes after the host has gone on, so a fault in a kernel is reported
    by whatever asks it next; but such a fault is also its last. What a call refuses at once (memory that is not there,
    a launch that cannot be) is no such fault, and belongs to the pass that made the call.
    """


def check_device(
    error: Exception, device: torch.device, synchronize: Callable[[torch.device], None] = torch.cuda.synchronize
) -> None:
    """Raise `DeviceLost` where `error`, raised by what uses the device, was its last; `synchronize`: asks it."""
    if device.type != "cuda":
        return
    try:
        synchronize(device)
    except RuntimeError as again:
        raise DeviceLost(
            f"the device {device} has failed and answers no more ({again}); start the process again"
        ) from error
