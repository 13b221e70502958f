"""FlashInferPlan: the rows of a step through FlashInfer's wrappers for paged keys and values."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from ..attention_plan import Planner
from ..attention_rows import AttentionRows
from ..upload import upload
from .attention_case import AttentionCase
from .backend import Backend
from .flashinfer_parts import PageLists, Part, PartKind, flashinfer_parts
from .machine import Machine
from .sink_weight import with_sinks

_WORKSPACE_BYTES: Final = 128 << 20  # what FlashInfer recommends
_HEAD_DIMS: Final = (64, 128, 256)
_MIN_TENSOR_CORE_GROUP: Final = 3  # query heads of a key head from which decode is a matrix product


class Wrapper(Protocol):
    """What FlashInfer's wrappers have in common: a plan for a step, and its run for each layer."""

    def plan(self, *arguments: Any, **options: Any) -> object:
        """Prepare a step."""
        ...

    def run(self, q: Tensor, paged_kv_cache: tuple[Tensor, Tensor], **options: Any) -> Any:
        """Attend."""
        ...


@dataclass
class _Slot:
    """A wrapper, and for what it was last planned: it holds one plan at a time."""

    wrapper: Wrapper
    planned: tuple[Part, float, torch.dtype, torch.dtype] | None = None
    was_sent: torch.cuda.Event | None = None
    """The last plan's tables have left the host's buffer: a wrapper has one, and writes the next plan's over them."""


@dataclass
class Wrappers:
    """The wrappers of one model on one device, each made when it is first needed, and kept, as they hold memory.

    Steps with different windows have wrappers of their own, so that layers that take turns plan once a step.
    """

    make: Callable[[PartKind], Wrapper]
    slots: dict[tuple[PartKind, int | None], _Slot] = field(default_factory=dict)

    def slot(self, kind: PartKind, window: int | None) -> _Slot:
        """The wrapper for parts of a kind."""
        key = (kind, window)
        if key not in self.slots:
            self.slots[key] = _Slot(self.make(kind))
        return self.slots[key]


class FlashInferPlan:
    """The parts of a step. A wrapper is planned when the first layer runs, which says scale and types."""

    def __init__(
        self, rows: AttentionRows, device: torch.device, wrappers: Wrappers, *, can_share: bool = True
    ) -> None:
        assert rows.num_heads is not None, "rows.num_heads: expected the number of query heads, got None"
        assert rows.head_dim is not None, "rows.head_dim: expected the numbers of a head, got None"
        self._shape = (rows.num_heads, rows.num_kv_heads, rows.head_dim, rows.page_size)
        self._soft_cap = rows.soft_cap
        self._window = rows.window
        self._num_tokens = sum(rows.query_lens)
        self._device = device
        self._wrappers = wrappers
        self._parts = flashinfer_parts(rows, can_share=can_share)
        self._tokens = [
            None if part.tokens is None else upload(torch.from_numpy(part.tokens), device) for part in self._parts
        ]

    def run(
        self,
        q: Tensor,
        k_cache: Tensor,
        v_cache: Tensor,
        scale: float,
        sinks: Tensor | None = None,
        v_scale: float = 1.0,
    ) -> Tensor:
        """See `attention.attention`."""
        assert q.shape[0] == self._num_tokens, f"q: expected {self._num_tokens} tokens, got {q.shape[0]}"
        results = []
        for part, tokens in zip(self._parts, self._tokens, strict=True):
            queries = q if tokens is None else q.index_select(0, tokens)
            results.append(self._attend(part, queries, k_cache, v_cache, scale, sinks))
        if len(results) == 1 and self._tokens[0] is None:
            out = results[0]
        else:
            out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
            for result, tokens in zip(results, self._tokens, strict=True):
                assert tokens is not None, "one of several parts says which tokens it has"
                out.index_copy_(0, tokens, result)
        return out if v_scale == 1.0 else out.mul_(v_scale)

    def _attend(
        self, part: Part, q: Tensor, k_cache: Tensor, v_cache: Tensor, scale: float, sinks: Tensor | None
    ) -> Tensor:
        slot = self._wrappers.slot(part.kind, self._window)
        planned = slot.planned
        wanted = (part, scale, q.dtype, k_cache.dtype)
        if planned is None or planned[0] is not part or planned[1:] != wanted[1:]:
            if slot.was_sent is not None:
                slot.was_sent.synchronize()
            self._plan(slot.wrapper, part, scale, q.dtype, k_cache.dtype)
            slot.planned = wanted
            if q.is_cuda:
                slot.was_sent = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no types for it
                slot.was_sent.record(torch.cuda.current_stream(q.device))
        if sinks is None:
            out: Tensor = slot.wrapper.run(q, (k_cache, v_cache))
            return out
        assert part.kind != "shared", "rows with sinks share nothing, as the cascade does not tell its sums"
        out, log_sum = slot.wrapper.run(q, (k_cache, v_cache), return_lse=True)
        return with_sinks(out, log_sum * math.log(2), sinks)  # FlashInfer's logarithms have base 2

    def _plan(self, wrapper: Wrapper, part: Part, scale: float, q_dtype: torch.dtype, kv_dtype: torch.dtype) -> None:
        options: dict[str, Any] = {
            "sm_scale": scale,
            "window_left": -1 if part.window_left is None else part.window_left,
            "logits_soft_cap": self._soft_cap,
            "q_data_type": q_dtype,
            "kv_data_type": kv_dtype,
        }
        levels = [self._tensors(level) for level in part.levels]
        if part.kind == "shared":
            wrapper.plan(*map(list, zip(*levels, strict=True)), *self._shape, causal=True, **options)
        elif part.kind == "decode":
            wrapper.plan(*levels[0][1:], *self._shape, **options)
        elif part.mask is not None:
            # Masks are packed on the device.
            mask = upload(torch.from_numpy(part.mask), self._device)
            wrapper.plan(*levels[0], *self._shape, custom_mask=mask, **options)
        else:
            wrapper.plan(*levels[0], *self._shape, causal=True, **options)

    def _tensors(self, level: PageLists) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a plan is made from on the host stays there; the pages go to the device."""
        starts, page_starts, last_page_lens = (
            torch.from_numpy(array) for array in (level.query_starts, level.page_starts, level.last_page_lens)
        )
        return starts, page_starts, upload(torch.from_numpy(level.pages), self._device), last_page_lens


def make_wrapper(kind: PartKind, device: torch.device, group: int) -> Wrapper:
    """One of FlashInfer's. group: query heads of a key head."""
    import flashinfer  # an extra, which only CUDA has

    # A buffer each: the decode wrapper keeps counters in its own. It must be zero at first.
    workspace = torch.zeros(_WORKSPACE_BYTES, dtype=torch.uint8, device=device)
    wrapper: Wrapper
    if kind == "decode":
        wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(
            workspace, "NHD", use_tensor_cores=group >= _MIN_TENSOR_CORE_GROUP, backend="fa2"
        )
    elif kind == "shared":
        wrapper = flashinfer.MultiLevelCascadeAttentionWrapper(2, workspace, "NHD")
    else:
        wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace, "NHD")
    return wrapper


def _why_not(case: AttentionCase, machine: Machine) -> str | None:
    needed = (8, 0) if case.dtype == torch.bfloat16 else (7, 5)
    if reason := machine.lacks_capability(needed) or machine.lacks_package("flashinfer-python"):
        return reason
    if machine.nvcc is None and machine.lacks_package("flashinfer-jit-cache"):
        return "compiles its kernels when they are first used, and nvcc was not found (nor flashinfer-jit-cache)"
    if case.dtype not in (torch.float16, torch.bfloat16):
        return f"computes in float16 and bfloat16, and this model in {case.dtype}"
    if case.cell_dtype not in (case.dtype, torch.float8_e4m3fn):
        return f"reads cells of {case.dtype} or {torch.float8_e4m3fn}, and these are {case.cell_dtype}"
    if case.head_dim not in _HEAD_DIMS:
        return f"heads have one of {_HEAD_DIMS} numbers, and these have {case.head_dim}"
    if case.is_deterministic:
        return "a token's bits depend on how the cells of its step are split"
    return None


def _planner(case: AttentionCase, device: torch.device) -> Planner:
    wrappers = Wrappers(lambda kind: make_wrapper(kind, device, case.group))
    return lambda rows: FlashInferPlan(rows, device, wrappers, can_share=not case.has_sinks)


FLASHINFER = Backend("flashinfer", _why_not, _planner)
