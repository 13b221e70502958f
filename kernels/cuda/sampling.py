"""Sampling on a CUDA device: mask, penalties, bias, temperature, filters, noise, choice and report, without a sort.

    scan_chunk    adjusts the logits, masks them, finds the chunk's best             (all rows)
    count_chunk   adds up how many tokens, of what weight, lie how far behind        (rows with top-k or top-p)
    search_chunk  the chunk's winner with noise; or lists who may pass the filters   (rows with a temperature)
    choose_token  filters what was listed, exactly; draws; reports                   (all rows)

A phase reads what all chunks of the row wrote in the one before. Scores are -distance, and
distance = (best - logit) / temperature in float64, as in the twin `kernels.sampling.draw_tokens`; everything that
decides between tokens is either that, an integer, or an estimate with a margin behind which the exact number is taken.
With many rows a program takes a row from end to end, in one launch; with few the phases are launches of their own, so
that a row's chunks spread over the device. Which of the two it is changes no bit: the chunks, and the order in which
their parts are merged, are the same.
"""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .aot_case import AotCase
from .sample_choose import choose_token
from .sample_filters import count_chunk
from .sample_row import MASK, NUM_BINS, NUM_FIELDS
from .sample_scan import scan_chunk
from .sample_search import search_chunk
from .sample_table import SampleTable

_BLOCK = 2048
_LIST_BLOCK = 512
_NUM_WARPS = 8
_MIN_FUSED_ROWS = 128
"""From here on the rows alone fill a device of some 130 multiprocessors."""

# Without fused multiply-add: the twin rounds a penalised logit before it adds to it.
_OPTIONS = {"enable_fp_fusion": False}

_ALL, _SCAN, _COUNT, _SEARCH, _CHOOSE = range(5)


@dataclass(frozen=True)
class SampledRows:
    """What was chosen, in one tensor, which one copy brings to the host."""

    lines: Tensor  # [num_rows, 4 + 2 * num_top] int64: the fields below, reals as the bits of a float64

    @property
    def token_ids(self) -> Tensor:
        """[num_rows] int64; a token of the vocabulary even where `best` says that there is none."""
        return self.lines[:, 0]

    @property
    def best(self) -> Tensor:
        """[num_rows] float64, largest adjusted logit; +inf: a NaN or +inf is there; -inf: nothing is allowed."""
        return self.lines.view(torch.float64)[:, 1]

    @property
    def log_mass(self) -> Tensor:
        """[num_rows, 2] float64: log-probability of the token, and of all that the mask allows, in the logits as they
        came; means nothing where no row of the table wants a report."""
        return self.lines.view(torch.float64)[:, 2:4]

    @property
    def top_ids(self) -> Tensor:
        """[num_rows, num_top] int64, most likely first; of each row as many as it wants mean something."""
        return self.lines[:, 4::2]

    @property
    def top_logprobs(self) -> Tensor:
        """[num_rows, num_top] float64, of `top_ids`."""
        return self.lines.view(torch.float64)[:, 5::2]

    def start_copy(self) -> "RowsUnderWay":
        """Begin to copy everything to the host."""
        return RowsUnderWay(self.lines)


class RowsUnderWay:
    """What was chosen, on its way to the host."""

    def __init__(self, lines: Tensor) -> None:
        """`lines`: see `SampledRows`."""
        self._lines = lines
        self._is_there: torch.cuda.Event | None = None
        if lines.is_cuda:
            self._lines = torch.empty(lines.shape, dtype=lines.dtype, pin_memory=True)
            self._lines.copy_(lines, non_blocking=True)
            self._is_there = torch.cuda.Event()
            self._is_there.record(torch.cuda.current_stream(lines.device))

    def wait(self) -> SampledRows:
        """Wait until the copy is made; what was launched after it goes on."""
        if self._is_there is not None:
            self._is_there.synchronize()
        return SampledRows(self._lines)


class SampleWorkspace:
    """What the phases hand on; made once for the largest batch, and used by one call after another of a stream."""

    def __init__(self, max_num_rows: int, vocab_size: int, device: torch.device, block: int | None = None) -> None:
        """`block`: tokens of a chunk, a power of two >= 16; None: as many as are fast."""
        assert vocab_size >= 2, f"SampleWorkspace: expected at least two tokens, got {vocab_size}"
        self.max_num_rows = max_num_rows
        self.vocab_size = vocab_size
        self.block = block or _BLOCK
        self.num_chunks = triton.cdiv(vocab_size, self.block)

        def empty(width: int, dtype: torch.dtype) -> Tensor:
            return torch.empty((max_num_rows, width), dtype=dtype, device=device)

        self.part_best = empty(self.num_chunks, torch.float32)
        self.part_best_id = empty(self.num_chunks, torch.int32)
        self.part_mass = empty(4 * self.num_chunks, torch.float32)
        self.part_weight = empty(self.num_chunks, torch.int64)
        self.part_winner = empty(self.num_chunks, torch.int32)
        self.counts = empty(NUM_BINS.value, torch.int32)
        self.list_ids = empty(vocab_size, torch.int32)
        self.list_len = empty(1, torch.int32)


# How many entries there are and how much is reported changes from step to step: that must not mean to compile again.
@triton.jit(do_not_specialize=["num_entries", "out_stride"])
def sample_kernel(
    logits,
    logits_stride,
    bitmask,
    bitmask_stride,
    entry_ids,
    entry_values,
    saved,
    num_entries,
    table,
    part_best,
    part_best_id,
    part_mass,
    part_weight,
    part_winner,
    counts,
    list_ids,
    list_len,
    out,
    out_stride,
    vocab_size,
    num_chunks,
    PHASE: tl.constexpr,
    HAS_REPORT: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
    LIST_BLOCK: tl.constexpr,
):
    """One phase (1 to 4) of one chunk of a row, or (0) all of a row."""
    row = tl.program_id(0).to(tl.int64)
    logits += row * logits_stride
    table += row * NUM_FIELDS
    bitmask += tl.maximum(tl.load(table + MASK) - 1, 0) * bitmask_stride
    out += row * out_stride
    part_best += row * num_chunks
    part_best_id += row * num_chunks
    part_mass += row * 4 * num_chunks
    part_weight += row * num_chunks
    part_winner += row * num_chunks
    counts += row * NUM_BINS
    list_ids += row * vocab_size
    list_len += row
    first, end = tl.program_id(1), tl.program_id(1) + 1
    if PHASE == 0:
        first, end = 0, num_chunks
    if PHASE == 0 or PHASE == 1:
        for chunk in range(first, end):
            scan_chunk(
                logits, bitmask, entry_ids, entry_values, saved, num_entries, table, part_best, part_best_id,
                part_mass, counts, list_len, vocab_size, num_chunks, chunk, HAS_REPORT, BLOCK,
            )  # fmt: skip
    if PHASE == 0:
        tl.debug_barrier()
    if PHASE == 0 or PHASE == 2:
        for chunk in range(first, end):
            count_chunk(
                logits, bitmask, table, part_best, part_weight, counts, vocab_size, num_chunks, chunk, BLOCK, CHUNKS
            )
    if PHASE == 0:
        tl.debug_barrier()
    if PHASE == 0 or PHASE == 3:
        for chunk in range(first, end):
            search_chunk(
                logits, bitmask, table, part_best, part_weight, part_winner, counts, list_ids, list_len, vocab_size,
                num_chunks, chunk, BLOCK, CHUNKS,
            )  # fmt: skip
    if PHASE == 0:
        tl.debug_barrier()
    if PHASE == 0 or PHASE == 4:
        choose_token(
            logits, bitmask, entry_ids, saved, table, part_best, part_best_id, part_mass, part_weight, part_winner,
            list_ids, list_len, out, vocab_size, num_chunks, HAS_REPORT, BLOCK, CHUNKS, LIST_BLOCK,
        )  # fmt: skip


def sample_rows(
    logits: Tensor, table: SampleTable, workspace: SampleWorkspace, is_fused: bool | None = None
) -> SampledRows:
    """The token of each row, without waiting for the device; see `runtime.sampler.Sampler` for the order of things.

    logits: [num_rows, vocab_size] float32, the last dimension contiguous; changed while this runs, and put back.
    is_fused: one launch or one for each phase; None: by the number of rows.

    The tokens are those of the twins (`LogitEntries.apply`, `apply_token_bitmask`, `draw_tokens`, `greedy_tokens`) to
    the last one, given the same float64 exp and log. Between a device and a CPU these may differ in the last of 53
    bits: then a noise may be one float32 step off (about one in 10**8 tokens), and a token on the very edge of top-p or
    min-p may fall on the other side. Log-probabilities and log-masses are made of float32 exponentials: within 1e-5 of
    the twin's, and the same in any batch.
    """
    num_rows, vocab_size = logits.shape
    assert logits.dtype == torch.float32, f"sample_rows: expected float32 logits, got {logits.dtype}"
    assert logits.stride(1) == 1, f"sample_rows: expected contiguous rows, got strides {logits.stride()}"
    assert table.rows.shape[0] == num_rows, f"sample_rows: expected {num_rows} rows, got {table.rows.shape[0]}"
    assert vocab_size == workspace.vocab_size, (
        f"sample_rows: expected the vocabulary of the workspace, {workspace.vocab_size}, got {vocab_size}"
    )
    assert num_rows <= workspace.max_num_rows, (
        f"sample_rows: expected at most {workspace.max_num_rows} rows, got {num_rows}; make a larger workspace"
    )
    out = SampledRows(torch.empty((num_rows, 4 + 2 * table.num_top), dtype=torch.int64, device=logits.device))
    if num_rows == 0:
        return out
    num_entries = table.entry_ids.shape[0]
    saved = torch.empty(max(num_entries, 1), dtype=torch.float32, device=logits.device)
    num_chunks = workspace.num_chunks
    for phase in _phases(num_rows >= _MIN_FUSED_ROWS if is_fused is None else is_fused, table):
        grid = (num_rows,) if phase in (_ALL, _CHOOSE) else (num_rows, num_chunks)
        sample_kernel[grid](
            logits, logits.stride(0), table.bitmasks, table.bitmasks.stride(0), table.entry_ids, table.entry_values,
            saved, num_entries, table.rows, workspace.part_best, workspace.part_best_id, workspace.part_mass,
            workspace.part_weight, workspace.part_winner, workspace.counts, workspace.list_ids, workspace.list_len,
            out.lines, out.lines.stride(0), vocab_size, num_chunks, PHASE=phase, HAS_REPORT=table.has_report,
            BLOCK=workspace.block, CHUNKS=triton.next_power_of_2(num_chunks),
            LIST_BLOCK=min(_LIST_BLOCK, workspace.block), num_warps=_NUM_WARPS, **_OPTIONS,
        )  # fmt: skip
    return out


def _phases(is_fused: bool, table: SampleTable) -> tuple[int, ...]:
    if is_fused:
        return (_ALL,)
    if table.is_greedy:
        return (_SCAN, _CHOOSE)
    return (_SCAN, _COUNT, _SEARCH, _CHOOSE) if table.has_ranks else (_SCAN, _SEARCH, _CHOOSE)


_SIGNATURE = {
    "logits": "*fp32", "logits_stride": "i32", "bitmask": "*i32", "bitmask_stride": "i32", "entry_ids": "*i32",
    "entry_values": "*fp32", "saved": "*fp32", "num_entries": "i32", "table": "*i64", "part_best": "*fp32",
    "part_best_id": "*i32", "part_mass": "*fp32", "part_weight": "*i64", "part_winner": "*i32", "counts": "*i32",
    "list_ids": "*i32", "list_len": "*i32", "out": "*i64", "out_stride": "i32", "vocab_size": "i32",
    "num_chunks": "i32",
}  # fmt: skip


def _aot_case(name: str, phase: int, has_report: bool = True) -> AotCase:
    constants: dict[str, Any] = {
        "PHASE": phase,
        "HAS_REPORT": has_report,
        "BLOCK": _BLOCK,
        "CHUNKS": 64,
        "LIST_BLOCK": _LIST_BLOCK,
    }
    # Of 255 registers it takes 64, so it is not for want of them.
    reason = "a few words around the subroutines of float64 division and logarithm" if phase == _CHOOSE else None
    return AotCase(f"sample {name}", sample_kernel, _SIGNATURE, constants, _NUM_WARPS, 3, reason, _OPTIONS)


AOT_CASES = (
    _aot_case("whole row", _ALL),
    _aot_case("whole row, no report", _ALL, has_report=False),
    _aot_case("scan", _SCAN),
    _aot_case("count", _COUNT),
    _aot_case("search", _SEARCH),
    _aot_case("choose", _CHOOSE),
    _aot_case("choose, no report", _CHOOSE, has_report=False),
)
