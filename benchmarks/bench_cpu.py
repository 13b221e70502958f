"""Decoding and prefill on a CPU: palmette in C and in PyTorch, transformers, and llama.cpp where it is, in turns.

python benchmarks/bench_cpu.py --quick
python benchmarks/bench_cpu.py --threads 2 --json cpu-two-threads
python benchmarks/bench_cpu.py --models sprig 28m 500m --rounds 5
"""

import argparse
import importlib.util
import os
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from cpu_models import NAMES, model_folder
from cpu_sides import PalmetteSide, Side, TransformersSide
from environment import describe_environment, environment_line
from llama_cpp_side import LlamaCppSide
from masking_cost import masking_costs
from measure import Timing, interleave
from result_file import write_result
from rich.console import Console
from rich.table import Table

PROMPT_LEN = 16
PREFILL_LEN = 1024
VOCAB_SIZE = 152_000
NUM_PROMPT_IDS = 2000  # prompts are random ids below


@dataclass(frozen=True)
class Workload:
    """So many rows, each with a prompt and with tokens to be generated."""

    name: str
    num_rows: int
    prompt_len: int
    num_tokens: int
    """Of each row."""

    @property
    def num_counted(self) -> int:
        """The tokens that the figures speak of: of the prompt where one is all that is generated."""
        return self.num_rows * (self.prompt_len if self.num_tokens == 1 else self.num_tokens)

    def prompts(self, seed: int) -> list[list[int]]:
        """Random token ids."""
        draw = random.Random(seed)
        return [[draw.randrange(3, NUM_PROMPT_IDS) for _ in range(self.prompt_len)] for _ in range(self.num_rows)]


@dataclass(frozen=True)
class Result:
    """One side on one workload of one model."""

    model: str
    workload: Workload
    side: str
    timing: Timing

    @property
    def tokens_per_s(self) -> float:
        """By the clock, the median of the rounds."""
        return self.workload.num_counted / self.timing.median_wall_s

    @property
    def tokens_per_cpu_s(self) -> float:
        """By processor time."""
        return self.workload.num_counted / self.timing.median_cpu_s


def main() -> None:
    """Measure, show and keep."""
    options = _options()
    torch.set_num_threads(options.threads)
    console = Console(width=130)
    load_before = os.getloadavg()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="palmette-bench-") as parent:
        for name in options.models:
            results += _measure(name, model_folder(name, Path(parent)), Path(parent), options)
    costs = masking_costs(VOCAB_SIZE, options.rounds)
    environment = describe_environment()
    load = f"load {load_before[0]:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    console.print(table_of(results))
    console.print(masking_table(costs))
    console.print(environment_line(environment) + "; " + load, soft_wrap=True)
    if options.json:
        shown = {**vars(options), "load": load}
        path = write_result(options.json, to_json(results, costs, environment, shown))
        console.print(f"written to {path}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=NAMES, default=["sprig", "28m"])
    parser.add_argument("--threads", type=int, default=1, help="of every side")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=64, help="that a row generates")
    parser.add_argument("--quick", action="store_true", help="3 rounds, 16 tokens")
    parser.add_argument("--json", help="a path, or a bare name for results/NAME.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.tokens = 3, 16
    return options


def _measure(name: str, folder: Path, parent: Path, options: argparse.Namespace) -> list[Result]:
    dtype = "float32" if name == "sprig" else "bfloat16"
    workloads = [
        Workload("decode, batch 1", 1, PROMPT_LEN, options.tokens),
        Workload("decode, batch 8", 8, PROMPT_LEN, options.tokens),
        Workload("prefill of 1,024", 1, PREFILL_LEN, 1),
    ]
    sides: list[Side] = [
        PalmetteSide(folder, dtype, "auto"),
        PalmetteSide(folder, dtype, "auto", "int8"),
        PalmetteSide(folder, dtype, "off"),
        TransformersSide(folder, dtype),
    ]
    if importlib.util.find_spec("llama_cpp") is not None:  # optional: it has to be built
        sides += [LlamaCppSide(folder, kind, parent, options.threads) for kind in ("bf16", "q8_0")]
    results: list[Result] = []
    for workload in workloads:
        contestants: dict[str, Callable[[], object]] = {
            side.name: partial(side.run, workload.prompts(seed=1), workload.num_tokens) for side in sides
        }
        for run in contestants.values():
            run()
        timings = interleave(contestants, options.rounds)
        results += [Result(name, workload, side.name, timings[side.name]) for side in sides]
    for side in sides:
        side.close()
    return results


def table_of(results: Sequence[Result]) -> Table:
    """One block for each workload of each model; ratios are the first side's over the others'."""
    table = Table(title="Tokens a second on the CPU", title_justify="left")
    table.add_column("model, workload / side")
    for name in ("tokens/s", "ratio", "tokens/CPU s", "CPU ratio"):
        table.add_column(name, justify="right")
    first: Result | None = None
    for result in results:
        if first is None or (result.model, result.workload) != (first.model, first.workload):
            first = result
            table.add_section()
            table.add_row(f"[bold]{result.model}, {result.workload.name}")
        table.add_row(
            result.side,
            f"{result.tokens_per_s:,.0f}",
            f"{first.tokens_per_s / result.tokens_per_s:.2f}x",
            f"{result.tokens_per_cpu_s:,.0f}",
            f"{first.tokens_per_cpu_s / result.tokens_per_cpu_s:.2f}x",
        )
    return table


def masking_table(costs: dict[str, float]) -> Table:
    """Milliseconds a token, and what the mask adds."""
    table = Table(title=f"Choosing a token of {VOCAB_SIZE:,}, ms of CPU time", title_justify="left")
    for name in ("kernels", "without a mask", "with one", "the mask adds"):
        table.add_column(name, justify="left" if name == "kernels" else "right")
    for name in [key.removesuffix(", no mask") for key in costs if key.endswith(", no mask")]:
        plain, masked = costs[f"{name}, no mask"], costs[f"{name}, mask"]
        table.add_row(name, f"{plain:.3f}", f"{masked:.3f}", f"{masked - plain:.3f}")
    return table


def to_json(
    results: Sequence[Result], costs: dict[str, float], environment: dict[str, str | int], options: dict[str, Any]
) -> dict[str, Any]:
    """Every round of every side."""
    return {
        "environment": environment,
        "options": options,
        "results": [
            {
                "model": each.model,
                "workload": each.workload.name,
                "side": each.side,
                "tokens_per_s": each.tokens_per_s,
                "tokens_per_cpu_s": each.tokens_per_cpu_s,
                "wall_s": each.timing.wall_s,
                "cpu_s": each.timing.cpu_s,
            }
            for each in results
        ],
        "masking_ms": costs,
    }


if __name__ == "__main__":
    main()
