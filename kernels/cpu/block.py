"""CpuBlock: a decoder block in two calls, around attention; nothing between them goes through Python."""

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from .library import CpuLibrary
from .linear import CpuLinear

_TYPES = {torch.float32: 0, torch.bfloat16: 1}


class _Block(ctypes.Structure):
    """`struct palmette_block` of block.c."""

    _fields_ = (
        ("qkv", ctypes.c_void_p),
        ("output", ctypes.c_void_p),
        ("gate_up", ctypes.c_void_p),
        ("down", ctypes.c_void_p),
        ("attention_norm", ctypes.c_void_p),
        ("mlp_norm", ctypes.c_void_p),
        ("qk_norm", ctypes.c_void_p),
        ("num_heads", ctypes.c_int64),
        ("num_kv_heads", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("eps", ctypes.c_double),
    )


@dataclass(frozen=True)
class CpuBlockParts:
    """The weights of a block, and its shape."""

    qkv: CpuLinear
    output: CpuLinear
    gate_up: CpuLinear  # gate above up
    down: CpuLinear
    attention_norm: Tensor  # [hidden_size]
    mlp_norm: Tensor  # [hidden_size]
    qk_norm: Tensor | None  # [num_heads + num_kv_heads, head_dim]
    num_heads: int
    num_kv_heads: int
    head_dim: int
    eps: float

    def __post_init__(self) -> None:
        hidden_size, heads = self.output.out_size, self.num_heads * self.head_dim
        sizes = (self.qkv.in_size, self.qkv.out_size, self.output.in_size, self.gate_up.in_size, self.down.out_size)
        expected = (hidden_size, heads + 2 * self.num_kv_heads * self.head_dim, heads, hidden_size, hidden_size)
        assert sizes == expected, f"expected a block of sizes {expected}, got {sizes}"
        assert self.gate_up.out_size == 2 * self.down.in_size, f"{self.gate_up.out_size} is not 2 * {self.down.in_size}"
        assert self.head_dim % 2 == 0, f"head_dim: expected an even number for rotary pairs, got {self.head_dim}"
        for norm in (self.attention_norm, self.mlp_norm):
            assert norm.shape == (hidden_size,), f"norm: expected [{hidden_size}], got {list(norm.shape)}"
        shape = (self.num_heads + self.num_kv_heads, self.head_dim)
        assert self.qk_norm is None or self.qk_norm.shape == shape, f"qk_norm: expected {shape}, got {self.qk_norm}"


class CpuBlock:
    """See `palmette_before_attention` and `palmette_after_attention` in block.c.

    No token's result depends on the other tokens of a call, to the last bit.
    """

    def __init__(self, library: CpuLibrary, parts: CpuBlockParts) -> None:
        self._library = library
        self._parts = parts
        norms = (parts.attention_norm, parts.mlp_norm, parts.qk_norm)
        self._norms = [None if norm is None else norm.float().contiguous() for norm in norms]
        linears = (parts.qkv, parts.output, parts.gate_up, parts.down)
        self._block = _Block(
            *(linear.pointer for linear in linears),
            *(0 if norm is None else norm.data_ptr() for norm in self._norms),
            parts.num_heads,
            parts.num_kv_heads,
            parts.head_dim,
            parts.eps,
        )
        self._pointer = ctypes.addressof(self._block)
        self._before, self._after = _functions(library)

    def before_attention(
        self, hidden: Tensor, turns: Tensor, slots: Tensor, k_cache: Tensor, v_cache: Tensor
    ) -> Tensor:
        """Write the tokens' keys and values to their cells and return their queries.

        hidden: [num_tokens, hidden_size] float32 or bfloat16; turns: [num_tokens, 1, head_dim / 2] complex64;
        slots: [num_tokens] int64; caches: [num_pages, page_size, num_kv_heads, head_dim] in the dtype of hidden.
        Returns [num_tokens, num_heads, head_dim] in the same dtype.
        """
        parts = self._parts
        num_tokens = self._check("hidden", hidden, parts.qkv.in_size)
        assert turns.numel() == num_tokens * parts.head_dim // 2, f"turns: expected {num_tokens}, got {turns.shape}"
        assert turns.dtype == torch.complex64, f"turns: expected complex64, got {turns.dtype}"
        assert turns.is_contiguous(), f"turns: expected them contiguous, got strides {turns.stride()}"
        assert slots.shape == (num_tokens,), f"slots: expected [{num_tokens}], got {list(slots.shape)}"
        assert slots.dtype == torch.int64, f"slots: expected int64, got {slots.dtype}"
        assert slots.is_contiguous(), f"slots: expected them contiguous, got strides {slots.stride()}"
        for cache in (k_cache, v_cache):
            assert cache.dtype == hidden.dtype, f"cache: expected {hidden.dtype}, got {cache.dtype}"
            assert cache.is_contiguous(), f"cache: expected it contiguous, got strides {cache.stride()}"
            assert cache.shape[2:] == (parts.num_kv_heads, parts.head_dim), f"cache: got {list(cache.shape)}"
        q = torch.empty((num_tokens, parts.num_heads, parts.head_dim), dtype=hidden.dtype)
        failed = self._before(
            self._pointer,
            hidden.data_ptr(),
            _TYPES[hidden.dtype],
            num_tokens,
            turns.data_ptr(),
            slots.data_ptr(),
            k_cache.data_ptr(),
            v_cache.data_ptr(),
            q.data_ptr(),
            self._num_threads(),
        )
        if failed:
            raise MemoryError(f"block of {num_tokens} tokens: no memory left")
        return q

    def after_attention(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """h + feed-forward(norm(h)) with h = hidden + output(attended): [num_tokens, hidden_size].

        hidden: [num_tokens, hidden_size]; attended: [num_tokens, num_heads, head_dim] in the same dtype.
        """
        num_tokens = self._check("hidden", hidden, self._parts.output.out_size)
        assert attended.numel() == num_tokens * self._parts.output.in_size, f"attended: got {list(attended.shape)}"
        assert attended.dtype == hidden.dtype, f"attended: expected {hidden.dtype}, got {attended.dtype}"
        attended = attended.contiguous()
        out = torch.empty_like(hidden)
        failed = self._after(
            self._pointer,
            hidden.data_ptr(),
            attended.data_ptr(),
            _TYPES[hidden.dtype],
            num_tokens,
            out.data_ptr(),
            self._num_threads(),
        )
        if failed:
            raise MemoryError(f"block of {num_tokens} tokens: no memory left")
        return out

    def _check(self, name: str, x: Tensor, size: int) -> int:
        assert x.dtype in _TYPES, f"{name}: expected float32 or bfloat16, got {x.dtype}"
        assert x.dim() == 2, f"{name}: expected [num_tokens, {size}], got {list(x.shape)}"
        assert x.shape[1] == size, f"{name}: expected [num_tokens, {size}], got {list(x.shape)}"
        assert x.is_contiguous(), f"{name}: expected it contiguous, got strides {x.stride()}"
        return x.shape[0]

    def _num_threads(self) -> int:
        return torch.get_num_threads() if self._library.has_threads else 1


def _functions(library: CpuLibrary) -> "tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer]":
    before, after = library.functions.palmette_before_attention, library.functions.palmette_after_attention
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    before.argtypes = (pointer, pointer, number, number, *(pointer,) * 5, number)
    after.argtypes = (pointer, pointer, pointer, number, number, pointer, number)
    before.restype = after.restype = ctypes.c_int
    return before, after
