"""LaunchedPass: a forward pass that the device was given, and whose logits somebody is about to read."""

from collections.abc import Sequence
from dataclasses import dataclass

from .model_runner import RowLogits
from .row import RowShare


@dataclass(frozen=True)
class LaunchedPass:
    """What a pass computes, row by row, and what comes of it."""

    shares: Sequence[RowShare]
    logits: Sequence[RowLogits]
    """Of each share."""
