"""choose_backend: who attends to a kind of rows here, why, and why nobody else does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .attention_case import ROW_MIXES, AttentionCase, RowMix
from .backend import Backend
from .backend_name import BackendName
from .built_in import TORCH, TRITON, C
from .flash_attn import FLASH_ATTN
from .flashinfer import FLASHINFER
from .flex import FLEX
from .machine import Machine
from .sdpa import SDPA

BACKENDS: dict[BackendName, Backend] = {
    backend.name: backend for backend in (TRITON, C, TORCH, SDPA, FLEX, FLASH_ATTN, FLASHINFER)
}


class BackendCannotServe(ValueError):
    """The backend of attention that was asked for cannot serve this model on this device."""


@dataclass(frozen=True)
class Preference:
    """Who goes first where all that is said here holds; the first of `order` that can serve is taken."""

    device_type: str
    order: tuple[BackendName, ...]
    why: str
    dtypes: tuple[torch.dtype, ...] | None = None  # None, here and below: any
    head_dims: tuple[int, ...] | None = None
    mixes: tuple[RowMix, ...] | None = None

    def is_about(self, case: AttentionCase, machine: Machine) -> bool:
        """Whether it says anything of such rows."""
        return (
            self.device_type == machine.device_type
            and (self.dtypes is None or case.dtype in self.dtypes)
            and (self.head_dims is None or case.head_dim in self.head_dims)
            and (self.mixes is None or case.mix in self.mixes)
        )


PREFERENCES: tuple[Preference, ...] = (
    Preference("cuda", ("triton", "torch"), "palmette's own kernels; no other has been measured beside them"),
    Preference("cpu", ("c", "torch"), "palmette's own kernels; no bit of a token depends on the rows beside it"),
)
"""The first that is about a case decides. After a measurement, a line goes in above these, with its figure as `why`."""

_ANYWHERE = Preference("", ("torch",), "PyTorch runs on any device")


@dataclass(frozen=True)
class Choice:
    """Who attends."""

    name: BackendName
    why: str
    others: tuple[tuple[BackendName, str], ...]  # each of the others, and why not
    instead_of: BackendName | None = None  # who was asked for, where it cannot attend to rows of this mix


def choose_backend(
    case: AttentionCase,
    machine: Machine,
    forced: BackendName | None = None,
    preferences: Sequence[Preference] = PREFERENCES,
) -> Choice:
    """Who attends to rows of one mix. forced: who is to do it.

    Raises: BackendCannotServe where `forced` cannot, or nobody can.
    """
    reasons = {name: backend.why_not(case, machine) for name, backend in BACKENDS.items()}
    able = [name for name, reason in reasons.items() if reason is None]
    if forced is not None:
        if reasons[forced] is not None:
            raise BackendCannotServe(_refusal(forced, reasons[forced] or "", able))
        return Choice(forced, "asked for", _others(forced, reasons))
    if not able:
        raise BackendCannotServe(_refusal("auto", "; ".join(f"{name}: {why}" for name, why in reasons.items()), able))
    preference = next((each for each in preferences if each.is_about(case, machine)), _ANYWHERE)
    order = (*preference.order, *able)
    chosen = next(name for name in order if name in able)
    passed_over = [f"{name}: {reasons[name]}" for name in order[: order.index(chosen)]]
    why = "; ".join(passed_over) if passed_over else preference.why
    return Choice(chosen, why, _others(chosen, reasons))


def choose_backends(case: AttentionCase, machine: Machine, forced: BackendName | None = None) -> dict[RowMix, Choice]:
    """Who attends to each mix of rows. forced: who is to do it, wherever it can.

    Rows under ancestor masks alone may go elsewhere then, to whom would be chosen had nobody been asked for: their
    numbers are the same but for rounding, and `Choice.instead_of` says so.

    Raises: BackendCannotServe where `forced` cannot serve other rows.
    """
    choices: dict[RowMix, Choice] = {}
    for mix in ROW_MIXES:
        of_mix = replace(case, mix=mix)
        reason = None if forced is None else BACKENDS[forced].why_not(of_mix, machine)
        if mix == "trees" and forced is not None and reason is not None:
            own = choose_backend(of_mix, machine)
            choices[mix] = replace(own, why=f"{forced}: {reason}", instead_of=forced)
        else:
            choices[mix] = choose_backend(of_mix, machine, forced)
    return choices


def _others(chosen: BackendName, reasons: dict[BackendName, str | None]) -> tuple[tuple[BackendName, str], ...]:
    able = "can serve, and is not preferred; it can be asked for"
    return tuple((name, reason or able) for name, reason in reasons.items() if name != chosen)


def _refusal(name: str, reason: str, able: Sequence[BackendName]) -> str:
    instead = f"take 'auto', or one of those that can: {', '.join(able)}" if able else "ask for less"
    return (
        f"expected a backend of attention that can serve this model on this device, got {name!r}, which cannot: "
        f"{reason}; {instead}"
    )
