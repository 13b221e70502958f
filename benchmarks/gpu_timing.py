"""Timing on a CUDA device: what a call takes there, with or without what the host takes to launch it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timed:
    """Median of the rounds, and whether the launches were recorded as a graph; if not, the host's time is in it."""

    seconds: float
    is_graph: bool


def time_call(call: Callable[[], object], num_rounds: int = 7, min_seconds: float = 0.02) -> Timed:
    """The time of one call of `call`, which allocates and launches the same each time.

    Calls are recorded as one CUDA graph, so many that a round takes `min_seconds`; a call that cannot be recorded (it
    waits for the device, say) is launched as it is.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    once = _elapsed(call)
    num_calls = max(1, min(200, int(min_seconds / max(once, 1e-6))))

    def calls() -> None:
        for _ in range(num_calls):
            call()

    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            calls()
        run: Callable[[], object] = graph.replay
        is_graph = True
    except RuntimeError:
        torch.cuda.synchronize()
        run, is_graph = calls, False
    run()
    torch.cuda.synchronize()
    return Timed(statistics.median(_elapsed(run) for _ in range(num_rounds)) / num_calls, is_graph)


def time_steps(call: Callable[[], object], num_calls: int = 40) -> float:
    """The median seconds of one call and the wait for what it launched, as an engine's step has it: host and device."""
    seconds: list[float] = []
    for _ in range(num_calls + 3):
        started = time.perf_counter()
        call()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[3:])


def _elapsed(call: Callable[[], object]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000


def copy_bandwidth(num_bytes: int = 4 * 2**30) -> float:
    """Bytes read plus bytes written, a second, by a copy."""
    source = torch.empty(num_bytes // 2, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return num_bytes / time_call(lambda: target.copy_(source)).seconds


def matmul_rate(size: int = 8192) -> float:
    """Operations a second of a bfloat16 product of two square matrices."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / time_call(lambda: a @ b).seconds
