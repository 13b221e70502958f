"""How many steps a second the engine makes on the hash model, and what they are spent on: run as a script."""

import argparse
import cProfile
import pstats
import sys
from collections import defaultdict
from time import process_time

import paths
import torch
from engine_harness import Harness, gen, tokens
from rich.console import Console
from rich.table import Table
from tiny_language import COMPILER, TOKENIZER

PARTS = {
    "the hash model": ("hash_model.py",),
    "scheduling": ("scheduler.py", "scheduling", "policy.py", "row.py", "ticket.py"),
    "memory": ("memory.py", "kv_pool.py", "cache"),
    "making the batch": ("model_runner.py", "batch.py"),
    "sampling": ("sampler.py", "sampling.py", "philox.py", "token_bitmask.py"),
    "operations": ("operations", "detokenizer.py", "stop_checker.py", "branch.py", "task.py"),
    "the loop": ("engine.py", "live_branches.py", "live_branch.py", "stopwatch.py"),
}


def make_engine(num_rows: int, temperature: float) -> Harness:
    """An engine whose rows all write, one token a step each."""
    harness = Harness(num_pages=4096, page_size=16, token_budget=256, tokenizer=TOKENIZER, compiler=COMPILER)
    for seed in range(num_rows):
        branch_id = harness.core.open_branch(seed, "")
        harness.submit(branch_id, [tokens(*[1, 2, 3] * 8, seed), gen(900, temperature=temperature)])
    for _ in range(10):
        harness.core.step()
    return harness


def steps_per_second(num_rows: int, temperature: float, num_steps: int = 100) -> float:
    """Of one core's time; the best of several stretches, since others may be using the machine's caches."""
    harness = make_engine(num_rows, temperature)
    seconds = []
    for _ in range(8):
        start = process_time()
        for _ in range(num_steps):
            harness.core.step()
        seconds.append(process_time() - start)
    return num_steps / min(seconds)


def shares(num_rows: int, temperature: float, num_steps: int = 300) -> dict[str, float]:
    """Of the time of a step, by part: each function's own time, and that of the built-ins that it calls."""
    harness = make_engine(num_rows, temperature)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(num_steps):
        harness.core.step()
    profile.disable()
    seconds: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if file.startswith(("~", "<")) or "torch" in file:
            for (caller, _, _), figures in callers.items():
                seconds[part_of(caller)] += figures[2]
        else:
            seconds[part_of(file)] += own
    whole = sum(seconds.values())
    return {part: each / whole for part, each in sorted(seconds.items(), key=lambda item: -item[1])}


def part_of(file: str) -> str:
    """The part of a step that a file belongs to."""
    places = file.split("/")
    return next((part for part, names in PARTS.items() if any(name in places for name in names)), "other")


def main() -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=16, help="that write at once (16)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    table = Table("temperature", "steps/s", "most of it is spent on", title=f"{arguments.rows} rows, one core")
    for temperature in (0.0, 1.0):
        rate = steps_per_second(arguments.rows, temperature)
        parts = ", ".join(f"{part} {share:.0%}" for part, share in shares(arguments.rows, temperature).items())
        table.add_row(str(temperature), f"{rate:,.0f}", parts)
    console.print(table)
    return 0


if __name__ == "__main__":
    assert paths.SUPPORT
    sys.exit(main())
