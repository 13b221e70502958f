"""The cases of the GPU suite: what is measured, against which bound, with which target."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from gpu_timing import Timed, time_call, time_steps
from torch import Tensor
from torch.nn import functional

NUM_HEADS, NUM_KV_HEADS, HEAD_DIM, PAGE_SIZE = 32, 4, 128, 16
VOCAB_SIZE = 128_256
_REPORTING = "penalties, logprobs and top 5"


@dataclass(frozen=True)
class Bounds:
    """What the device did in the same run."""

    copy_bytes: float  # a second, read and written
    matmul_flops: float  # a second, bfloat16


@dataclass
class Measured:
    """One case: seconds of each side, ours first, and the figure its target is about."""

    seconds: dict[str, float]
    figure: float
    unit: str
    is_met: bool
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """Something to measure."""

    name: str
    target: str
    estimate_s: int  # with compilation
    run: Callable[[Bounds], Measured]


def all_cases() -> list[Case]:
    """The plan, in order of importance: what comes late is left out where time is short."""
    return [
        *(_decode_case(num_rows, kv_len) for num_rows, kv_len in ((32, 4096), (128, 4096), (64, 8192))),
        Case("prefill attention 8k", ">= 60 % of the matrix rate; >= 0.9x SDPA", 20, _prefill),
        Case("shared prefix 4k, 64 rows", ">= 5x the plain path", 15, _shared_prefix),
        *(
            Case(f"mask + sample, {rows} rows x 128k, {kind}", f"<= {limit} us", 20, _sampling_case(rows, kind, limit))
            for rows, limit in ((16, 20), (256, 150))
            for kind in ("plain", "top-k and top-p", "top-p")
        ),
        *(
            Case(f"mask + sample, {rows} rows x 128k, {_REPORTING}", "reported", 20, _sampling_case(rows, _REPORTING))
            for rows in (16, 256)
        ),
        Case("deterministic decode attention", "<= 20 % slower", 15, _deterministic),
        *(
            Case(f"{fmt} linear 4096 -> 28672, {tokens} tokens", "reported", 10, _linear_case(fmt, tokens))
            for fmt in ("int8", "fp8")
            for tokens in (1, 64)
        ),
        *(
            Case(f"decode step, 8B shape, batch {rows}", f">= {share} % of the read bound", 40, _step_case(rows, share))
            for rows, share in ((1, 85), (64, 80))
        ),
        *(
            Case(
                f"decode step with its host part, 8B shape, batch {rows}",
                ">= 1x launch by launch",
                20,
                _host_case(rows),
            )
            for rows in (1, 64)
        ),
        *(
            Case(f"transformers, static cache, compiled, batch {rows}", f">= {ratio}x", 100, _peer_case(rows, ratio))
            for rows, ratio in ((1, 1.5), (64, 3.0))
        ),
        *(
            Case(f"engine, 0.5 B model, {rows} rows: passes ahead", "reported", 40, _engine_case(rows))
            for rows in (1, 64, 256)
        ),
        # FlashInfer compiles when it is first used: these come last, so that they cost no other case its time.
        *(
            Case(f"backends of attention, {shape.name}", "reported", 120, _backends_case(shape))
            for shape in (
                _Shape("decode, 64 rows x 8192", "decode", 64, 8192),
                _Shape("prefill 8k", "prefill", 1, 8192, 8192),
                _Shape("shared prefix 4k, 64 rows", "decode", 64, 4096 + 256, shared_len=4096),
            )
        ),
    ]


@dataclass(frozen=True)
class _Shape:
    """A step for all backends."""

    name: str
    mix: Literal["decode", "prefill"]
    num_rows: int
    kv_len: int
    query_len: int = 1
    shared_len: int = 0


def _paged(
    num_rows: int, kv_len: int, query_len: int = 1, shared_len: int = 0, page_size: int = PAGE_SIZE
) -> tuple[object, Tensor, Tensor, Tensor]:
    """(rows, q, k_cache, v_cache) of rows whose pages lie scattered; the first `shared_len` cells are common."""
    from palmette.kernels.attention_rows import AttentionRows

    num_shared, pages_each = shared_len // page_size, -(-kv_len // page_size)
    num_own = pages_each - num_shared
    num_pages = num_shared + num_rows * num_own
    order = torch.randperm(num_pages, generator=torch.Generator().manual_seed(0))
    own = order[num_shared:].view(num_rows, num_own)
    table = torch.cat((order[:num_shared].expand(num_rows, -1), own), 1)
    shape = (num_pages, page_size, NUM_KV_HEADS, HEAD_DIM)
    k_cache, v_cache = (torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    q = torch.randn(num_rows * query_len, NUM_HEADS, HEAD_DIM, device="cuda", dtype=torch.bfloat16)
    rows = AttentionRows(
        (query_len,) * num_rows,
        (kv_len,) * num_rows,
        table,
        page_size,
        NUM_KV_HEADS,
        num_heads=NUM_HEADS,
        head_dim=HEAD_DIM,
    )
    return rows, q, k_cache, v_cache


def _attend(parts: tuple[object, Tensor, Tensor, Tensor], **options: object) -> Timed:
    from palmette.kernels.cuda.attention_plan import AttentionOptions, plan_paged

    rows, q, k_cache, v_cache = parts
    plan = plan_paged(rows, torch.device("cuda"), AttentionOptions(**options))
    return time_call(lambda: plan.run(q, k_cache, v_cache, HEAD_DIM**-0.5))


def _sdpa(num_rows: int, query_len: int, kv_len: int) -> Timed:
    """torch's attention, on cells that lie in a row, as it wants them: the best of its ways."""
    shapes = ((NUM_HEADS, query_len), (NUM_KV_HEADS, kv_len), (NUM_KV_HEADS, kv_len))
    q, k, v = (
        torch.randn(num_rows, heads, length, HEAD_DIM, device="cuda", dtype=torch.bfloat16) for heads, length in shapes
    )
    from torch.nn.attention import SDPBackend, sdpa_kernel

    best: Timed | None = None
    for backend in (SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION):
        try:
            with sdpa_kernel(backend):
                timed = time_call(
                    lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=query_len > 1, enable_gqa=True)
                )
        except RuntimeError:
            continue  # this way does not serve these shapes on this device
        if best is None or timed.seconds < best.seconds:
            best = timed
    assert best is not None, "expected one of torch's ways of attention to serve bfloat16 heads of 128"
    return best


def _decode_case(num_rows: int, kv_len: int) -> Case:
    def run(bounds: Bounds) -> Measured:
        ours, peer = _attend(_paged(num_rows, kv_len)), _sdpa(num_rows, 1, kv_len)
        num_bytes = 2 * num_rows * kv_len * NUM_KV_HEADS * HEAD_DIM * 2
        share = 100 * num_bytes / ours.seconds / bounds.copy_bytes
        seconds = {"palmette": ours.seconds, "sdpa": peer.seconds}
        return Measured(seconds, share, "% of copy", share >= 80 and ours.seconds <= peer.seconds, _notes(ours))

    name = f"decode attention, {num_rows} rows x {kv_len}"
    return Case(name, ">= 80 % of copy bandwidth; >= 1.0x SDPA", 20, run)


def _backends_case(shape: _Shape) -> Callable[[Bounds], Measured]:
    """Each backend that can serve, on pages as it likes them best; who cannot says why in the notes."""

    def run(_bounds: Bounds) -> Measured:
        from palmette.kernels.attention_backends.attention_case import AttentionCase
        from palmette.kernels.attention_backends.choice import BACKENDS
        from palmette.kernels.attention_backends.flash_attn import PAGE_UNIT
        from palmette.kernels.attention_backends.machine import find_machine

        device = torch.device("cuda")
        machine = find_machine(device)
        seconds, notes = {}, []
        for name, backend in BACKENDS.items():
            page_size = PAGE_UNIT if name == "flash-attn" else PAGE_SIZE
            case = AttentionCase(torch.bfloat16, NUM_HEADS, NUM_KV_HEADS, HEAD_DIM, page_size, shape.mix)
            reason = backend.why_not(case, machine)
            if reason is not None:
                notes.append(f"{name}: {reason}")
                continue
            rows, q, k_cache, v_cache = _paged(
                shape.num_rows, shape.kv_len, shape.query_len, shape.shared_len, page_size
            )
            try:
                plan = backend.planner(case, device)(rows)
                timed = time_call(lambda plan=plan, q=q, k=k_cache, v=v_cache: plan.run(q, k, v, HEAD_DIM**-0.5))
            except RuntimeError as error:
                notes.append(f"{name}: {error}"[:500])
                continue
            seconds[name] = timed.seconds
            notes += [f"{name}: {note}" for note in _notes(timed)]
        others = [each for name, each in seconds.items() if name != "triton"]
        return Measured(seconds, min(others) / seconds["triton"], "x (best other to triton)", True, notes)

    return run


def _prefill(bounds: Bounds) -> Measured:
    length = 8192
    ours, peer = _attend(_paged(1, length, query_len=length)), _sdpa(1, length, length)
    flops = 2 * NUM_HEADS * HEAD_DIM * length * length  # two products, half of each masked
    share = 100 * flops / ours.seconds / bounds.matmul_flops
    is_met = share >= 60 and ours.seconds * 0.9 <= peer.seconds
    return Measured({"palmette": ours.seconds, "sdpa": peer.seconds}, share, "% of matmul", is_met, _notes(ours))


def _shared_prefix(_bounds: Bounds) -> Measured:
    parts = _paged(64, 4096 + 128, shared_len=4096)
    shared, plain = _attend(parts), _attend(parts, sharing="never")
    ratio = plain.seconds / shared.seconds
    return Measured({"palmette": shared.seconds, "plain": plain.seconds}, ratio, "x plain", ratio >= 5, _notes(shared))


def _deterministic(_bounds: Bounds) -> Measured:
    parts = _paged(64, 4096)
    fixed, free = _attend(parts, is_deterministic=True), _attend(parts)
    slower = 100 * (fixed.seconds / free.seconds - 1)
    seconds = {"palmette": fixed.seconds, "default": free.seconds}
    return Measured(seconds, slower, "% slower", slower <= 20, _notes(fixed))


def _sampling_choices(num_rows: int, kind: str) -> list[Any]:
    """Rows of an engine's step: all under a grammar's mask, and what `kind` says besides."""
    from palmette.kernels.choice import Adjustments, Choice
    from palmette.kernels.draw import Draw
    from palmette.kernels.token_bitmask import mask_words

    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(-(2**31), 2**31, (num_rows, mask_words(VOCAB_SIZE)), generator=generator).int()
    top_k, top_p = {"top-k and top-p": (50, 0.9), "top-p": (None, 0.9)}.get(kind, (None, 1.0))
    seen = torch.randint(VOCAB_SIZE, (num_rows, 512), generator=generator).tolist()
    adjusted = [Adjustments(1.1, ids, 0.5, 0.1, dict.fromkeys(ids, 1), {2: 1.0}, (3,)) for ids in seen]
    return [
        Choice(
            Draw(0.8, top_k, top_p, 0.0, row, row, row),
            masks[row],
            adjusted[row] if kind == _REPORTING else Adjustments(),
            wants_logprob=kind == _REPORTING,
            num_top_logprobs=5 if kind == _REPORTING else 0,
        )
        for row in range(num_rows)
    ]


def _sampling_case(num_rows: int, kind: str, limit_us: float = math.inf) -> Callable[[Bounds], Measured]:
    """The device's part of a step, in either form, against the bound; and all of it, as the engine calls it."""

    def run(bounds: Bounds) -> Measured:
        from palmette.kernels.cuda.sample_table import SampleTable
        from palmette.kernels.cuda.sampling import SampleWorkspace, sample_rows
        from palmette.kernels.token_sampler import TokenSampler

        device = torch.device("cuda")
        logits = torch.randn(num_rows, VOCAB_SIZE, device=device) * 3
        choices = _sampling_choices(num_rows, kind)
        table = SampleTable.build(choices, VOCAB_SIZE, device)
        workspace = SampleWorkspace(num_rows, VOCAB_SIZE, device)
        sides = {
            name: time_call(lambda fused=fused: sample_rows(logits, table, workspace, fused))
            for name, fused in (("palmette", None), ("one launch", True), ("phases", False))
        }
        figure = sides["palmette"].seconds * 1e6
        seconds = {name: timed.seconds for name, timed in sides.items()}
        sampler = TokenSampler(VOCAB_SIZE)
        seconds["table, launch and copy back"] = time_steps(lambda: sampler.sample(logits, choices))
        seconds["read bound"] = (logits.nbytes + table.bitmasks.nbytes) / bounds.copy_bytes
        return Measured(seconds, figure, "us", figure <= limit_us, _notes(sides["palmette"]))

    return run


def _linear_case(weight_format: str, num_tokens: int) -> Callable[[Bounds], Measured]:
    def run(bounds: Bounds) -> Measured:
        from palmette.kernels.quantized_linear import quantized_linear
        from palmette.kernels.quantized_weight import quantize_weight

        weight = torch.randn(28_672, 4096, device="cuda", dtype=torch.bfloat16)
        x = torch.randn(num_tokens, 4096, device="cuda", dtype=torch.bfloat16)
        rounded = quantize_weight(weight, "int8" if weight_format == "int8" else "fp8")
        ours, plain = time_call(lambda: quantized_linear(x, rounded)), time_call(lambda: x @ weight.t())
        share = 100 * rounded.values.nbytes / ours.seconds / bounds.copy_bytes
        seconds = {"palmette": ours.seconds, "bfloat16": plain.seconds}
        return Measured(seconds, share, "% of copy", True, _notes(ours))

    return run


def _step_seconds(num_rows: int, kv_len: int) -> tuple[Timed, int]:
    """(a decode step, bytes of weights and cells that it must read)."""
    from gpu_model import decode_step

    step = decode_step(num_rows, kv_len, torch.device("cuda"))
    return time_call(step.device_part, min_seconds=0.05), step.num_bytes_read


def _step_case(num_rows: int, share_wanted: int) -> Callable[[Bounds], Measured]:
    def run(bounds: Bounds) -> Measured:
        ours, num_bytes = _step_seconds(num_rows, 1024)
        share = 100 * num_bytes / bounds.copy_bytes / ours.seconds
        seconds = {"palmette": ours.seconds, "read bound": num_bytes / bounds.copy_bytes}
        return Measured(seconds, share, "% of bound", share >= share_wanted, _notes(ours))

    return run


def _host_case(num_rows: int) -> Callable[[Bounds], Measured]:
    def run(_bounds: Bounds) -> Measured:
        from gpu_model import decode_step

        step = decode_step(num_rows, 1024, torch.device("cuda"))
        recorded, launched = time_steps(step.recorded), time_steps(step.launched)
        device = time_call(step.device_part, min_seconds=0.05)
        ratio = launched / recorded
        seconds = {"palmette": recorded, "launch by launch": launched, "device alone": device.seconds}
        notes = [*_notes(device), "host and device: plan, copies, launch, and the wait for the logits"]
        return Measured(seconds, ratio, "x launch by launch", ratio >= 1, notes)

    return run


def _peer_case(num_rows: int, ratio_wanted: float) -> Callable[[Bounds], Measured]:
    def run(_bounds: Bounds) -> Measured:
        from gpu_model import transformers_token_seconds

        peer = transformers_token_seconds(num_rows, 1024)
        torch.cuda.empty_cache()
        ours, _ = _step_seconds(num_rows, 1024)
        ratio = peer / ours.seconds
        notes = [*_notes(ours), "a step of ours, forward pass alone, against a step of generate, greedy"]
        return Measured({"palmette": ours.seconds, "transformers": peer}, ratio, "x", ratio >= ratio_wanted, notes)

    return run


def _engine_case(num_rows: int) -> Callable[[Bounds], Measured]:
    def run(_bounds: Bounds) -> Measured:
        from gpu_engine import engine_step_seconds

        seconds = engine_step_seconds(num_rows, "cuda")
        ratio = seconds["when known"] / seconds["ahead"]
        return Measured(seconds, ratio, "x launched when known", True, ["a step of the whole engine, events included"])

    return run


def _notes(timed: Timed) -> list[str]:
    return [] if timed.is_graph else ["not recorded as a graph: the host's time is in it"]


def names(cases: list[Case]) -> Iterator[tuple[str, str, str]]:
    """What a dry run prints of each case."""
    for case in cases:
        yield case.name, case.target, f"{case.estimate_s} s"
