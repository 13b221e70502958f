"""CpuLinear: products with weights that are packed for the C kernel, in float32, bfloat16 or int8."""

import ctypes
from typing import Final

import torch
from torch import Tensor

from .library import CpuLibrary

_PANEL: Final = 32  # outputs that lie together, as in linear.c
_TYPES: Final = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
_ROWS_AT_A_TIME: Final = 4096  # that are quantized together, which bounds the memory it takes

INPUT_DTYPES: Final = frozenset({torch.float32, torch.bfloat16})


class _Linear(ctypes.Structure):
    """`struct palmette_linear` of linear.c."""

    _fields_ = (
        ("weights", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("in_size", ctypes.c_int64),
        ("out_size", ctypes.c_int64),
        ("weight_type", ctypes.c_int64),
    )


class CpuLinear:
    """`x @ weight.T + bias` with sums in float32; no row's result depends on the other rows of a call, to the last bit.

    Weights may be of a smaller type than the inputs: bfloat16 weights of float32 inputs are widened as they are read,
    which loses nothing where the checkpoint has bfloat16. int8 weights have a scale for each output; the inputs are
    then rounded to 16 bits in blocks of 256, which is finer than bfloat16 is.
    """

    def __init__(self, library: CpuLibrary, weight: Tensor, bias: Tensor | None, scales: Tensor | None = None) -> None:
        """weight: [out_size, in_size] float32, bfloat16 or int8; bias: [out_size]; scales: [out_size], for int8."""
        assert weight.dtype in _TYPES, f"weight: expected one of {sorted(map(str, _TYPES))}, got {weight.dtype}"
        assert (scales is not None) == (weight.dtype == torch.int8), f"scales: expected them with int8, got {scales}"
        self.out_size, self.in_size = weight.shape
        assert can_pack(weight), f"weight: expected an even number of inputs, got {self.in_size}"
        self.weight = _pack(weight)
        """As packed, on the CPU."""
        self._bias = None if bias is None else bias.float().contiguous()
        self._scales = None if scales is None else scales.float().contiguous()
        for name, values in (("bias", self._bias), ("scales", self._scales)):
            assert values is None or values.shape == (self.out_size,), (
                f"{name}: expected [{self.out_size}], got {list(values.shape)}"
            )
        self._arguments = _Linear(
            self.weight.data_ptr(),
            0 if self._scales is None else self._scales.data_ptr(),
            0 if self._bias is None else self._bias.data_ptr(),
            self.in_size,
            self.out_size,
            _TYPES[weight.dtype],
        )
        self.pointer = ctypes.addressof(self._arguments)
        """The `struct palmette_linear`, which lives as long as this does."""
        self._run = _function(library)
        self._has_threads = library.has_threads

    def forward(self, x: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        """x: [num_tokens, in_size] float32 or bfloat16 -> [num_tokens, out_size] in `out_dtype` (None: that of x)."""
        out = torch.empty((x.shape[0], self.out_size), dtype=out_dtype or x.dtype)
        self._multiply(x, 0, out)
        return out

    def add_to(self, residual: Tensor, x: Tensor) -> Tensor:
        """`residual + forward(x)`; residual: [num_tokens, out_size], contiguous, in the dtype of the result."""
        assert residual.shape == (x.shape[0], self.out_size), (
            f"residual: expected {[x.shape[0], self.out_size]}, got {list(residual.shape)}"
        )
        assert residual.is_contiguous(), f"residual: expected it contiguous, got strides {residual.stride()}"
        assert residual.dtype in INPUT_DTYPES, f"residual: expected float32 or bfloat16, got {residual.dtype}"
        out = torch.empty_like(residual)
        self._multiply(x, residual.data_ptr(), out)
        return out

    def _multiply(self, x: Tensor, residual: int, out: Tensor) -> None:
        assert x.dtype in INPUT_DTYPES, f"x: expected float32 or bfloat16, got {x.dtype}"
        assert x.dim() == 2, f"x: expected [num_tokens, {self.in_size}], got {list(x.shape)}"
        assert x.shape[1] == self.in_size, f"x: expected [num_tokens, {self.in_size}], got {list(x.shape)}"
        assert x.stride(1) == 1, f"x: expected rows in one piece, got strides {x.stride()}"
        assert x.device.type == "cpu", f"x: expected it on the CPU, got {x.device}"
        num_threads = torch.get_num_threads() if self._has_threads else 1
        failed = self._run(
            self.pointer,
            x.data_ptr(),
            _TYPES[x.dtype],
            x.stride(0),
            x.shape[0],
            residual,
            out.data_ptr(),
            _TYPES[out.dtype],
            num_threads,
        )
        if failed:
            raise MemoryError(f"linear product of {list(x.shape)}: no memory left to pack it")


def can_pack(weight: Tensor) -> bool:
    """Whether the kernel takes weights [out_size, in_size] of this shape: inputs come in pairs, but for float32."""
    return weight.dtype == torch.float32 or weight.shape[1] % 2 == 0


def quantize_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric rounding with a scale for each output, the largest weight of an output being 127.

    weight: [out_size, in_size] floating. Returns ([out_size, in_size] int8, [out_size] float32) with
    weight ~ int8 * scale, wrong by half a scale at most.
    """
    rounded = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    scales = torch.empty(weight.shape[0], dtype=torch.float32, device=weight.device)
    for first in range(0, weight.shape[0], _ROWS_AT_A_TIME):
        rows = slice(first, first + _ROWS_AT_A_TIME)
        part = weight[rows].float()
        scale = part.abs().amax(dim=1) / 127
        scales[rows] = scale
        # A row of zeros has the scale 0.
        rounded[rows] = (part / torch.where(scale > 0, scale, 1)[:, None]).round_().to(torch.int8)
    return rounded, scales


def _pack(weight: Tensor) -> Tensor:
    """[num_panels, in_size, 32] float32, or [num_panels, in_size / 2, 32, 2]; outputs past the last are zeros."""
    out_size, in_size = weight.shape
    num_panels = -(-out_size // _PANEL)
    shape = (num_panels, in_size, _PANEL) if weight.dtype == torch.float32 else (num_panels, in_size // 2, _PANEL, 2)
    packed = torch.empty(shape, dtype=weight.dtype)
    num_full = out_size // _PANEL
    _pack_panels(weight[: num_full * _PANEL], packed[:num_full])
    if num_full < num_panels:
        last = weight.new_zeros((_PANEL, in_size))
        last[: out_size - num_full * _PANEL] = weight[num_full * _PANEL :]
        _pack_panels(last, packed[num_full:])
    return packed


def _pack_panels(weight: Tensor, packed: Tensor) -> None:
    if packed.dim() == 3:
        packed.copy_(weight.view(-1, _PANEL, packed.shape[1]).transpose(1, 2))
    else:
        packed.copy_(weight.view(-1, _PANEL, packed.shape[1], 2).transpose(1, 2))


def _function(library: CpuLibrary) -> "ctypes._NamedFuncPointer":
    function = library.functions.palmette_linear
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = (pointer, pointer, number, number, number, pointer, pointer, number, number)
    function.restype = ctypes.c_int
    return function
