"""Backend: a way to attend to rows, what it cannot do, and how it prepares a step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..attention_plan import Planner
from .attention_case import AttentionCase
from .backend_name import BackendName
from .machine import Machine


@dataclass(frozen=True)
class Backend:
    """One way to attend."""

    name: BackendName
    why_not: Callable[[AttentionCase, Machine], str | None]
    """Why it cannot serve a case here; None: it can."""
    planner: Callable[[AttentionCase, torch.device], Planner]
    """For a case that it can serve, of any mix of rows."""
