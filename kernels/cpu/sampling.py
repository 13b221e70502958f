"""Tokens of several rows by the C kernel: mask, temperature, noise and argmax in one pass."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from .library import CpuLibrary

_BITS_PER_WORD: Final = 32


@dataclass(frozen=True, slots=True)
class CpuDraw:
    """What one row's token is chosen by."""

    logits: Tensor  # [vocab_size] float32, contiguous
    bitmask: Tensor | None  # [mask_words] int32, contiguous; None: every token is allowed
    temperature: float  # 0: the most likely token
    seed: int  # 64 bits
    path: int  # 64 bits
    position: int  # 32 bits


class _Row(ctypes.Structure):
    """`struct palmette_row` of sampling.c."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("mask", ctypes.c_void_p),
        ("temperature", ctypes.c_double),
        ("seed", ctypes.c_uint64),
        ("path", ctypes.c_uint64),
        ("position", ctypes.c_int64),
        ("token_id", ctypes.c_int64),
        ("best", ctypes.c_float),
    )


def choose_tokens(library: CpuLibrary, draws: Sequence[CpuDraw]) -> tuple[list[int], list[float]]:
    """The token of each row, as `sampling.draw_tokens` and `sampling.greedy_tokens` choose it, and its best logit.

    The best logit is the largest that the mask allows, NaN where one of these is. Where it is not finite the token is
    not to be used.
    """
    rows = _rows(draws)
    sample = library.functions.palmette_sample
    sample.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    sample.restype = None
    sample(ctypes.addressof(rows), len(draws), _vocab_size(draws), _num_threads(library))
    return [row.token_id for row in rows], [row.best for row in rows]


def log_masses(library: CpuLibrary, draws: Sequence[CpuDraw]) -> list[float]:
    """The log of the probability that the mask of each row leaves: logsumexp over it less logsumexp over all, <= 0."""
    rows = _rows(draws)
    masses = (ctypes.c_double * len(draws))()
    weigh = library.functions.palmette_log_masses
    weigh.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
    weigh.restype = None
    weigh(ctypes.addressof(rows), len(draws), _vocab_size(draws), ctypes.addressof(masses), _num_threads(library))
    return list(masses)


def _rows(draws: Sequence[CpuDraw]) -> "ctypes.Array[_Row]":
    vocab_size = _vocab_size(draws)
    rows = (_Row * len(draws))()
    for row, draw in zip(rows, draws, strict=True):
        _check("logits", draw.logits, torch.float32, vocab_size)
        if draw.bitmask is not None:
            _check("bitmask", draw.bitmask, torch.int32, -(-vocab_size // _BITS_PER_WORD))
            row.mask = draw.bitmask.data_ptr()
        row.logits = draw.logits.data_ptr()
        row.temperature = draw.temperature
        row.seed, row.path, row.position = draw.seed, draw.path, draw.position
    return rows


def _check(name: str, values: Tensor, dtype: torch.dtype, size: int) -> None:
    assert values.shape == (size,), f"{name}: expected [{size}], got {list(values.shape)}"
    assert values.dtype == dtype, f"{name}: expected {dtype}, got {values.dtype}"
    assert values.device.type == "cpu", f"{name}: expected it on the CPU, got {values.device}"
    assert values.is_contiguous(), f"{name}: expected it contiguous, got strides {values.stride()}"


def _vocab_size(draws: Sequence[CpuDraw]) -> int:
    assert draws, "expected at least one row, got none"
    return draws[0].logits.shape[0]


def _num_threads(library: CpuLibrary) -> int:
    return torch.get_num_threads() if library.has_threads else 1
