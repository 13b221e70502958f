"""The same work with guesses and without, in turns: passes a token, whose guesses were right, tokens a second.

python benchmarks/bench_speculation.py                             # some minutes
python benchmarks/bench_speculation.py --quick
python benchmarks/bench_speculation.py --only json agent --rounds 9 --json my-machine
"""

import argparse
import gc
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from environment import describe_environment, environment_line
from result_file import write_result
from rich.console import Console
from rich.progress import track
from rich.table import Table
from speculation_memory import IndexMemory, index_memory
from speculation_sides import Figures, Pair, Side
from speculation_workloads import FULL, QUICK, TINY, Workload, make_workloads

AMOUNTS = {"full": FULL, "quick": QUICK, "tiny": TINY}
MAX_PASSES_AGAIN = 0.25
MAX_INDEX_SHARE = 0.1


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure, show and keep; returns what `--json` writes."""
    options = _parse(arguments)
    torch.set_num_threads(1)
    console = Console(width=None if Console().is_terminal else 160)
    load_before = os.getloadavg()[0]
    workloads = [
        each for each in make_workloads(AMOUNTS[options.size]) if not options.only or each.name in options.only
    ]
    sides = Side("off"), Side(options.sources)
    gc.freeze()  # what was imported is not looked through by the collector in the middle of a round
    try:
        pairs = [_measure(workload, *sides, options.rounds) for workload in workloads]
        memory = index_memory(sides[1], 4096 if options.size == "tiny" else 65_536)
    finally:
        for side in sides:
            side.close()
    environment = describe_environment()
    load = f"load {load_before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    console.print(f"{environment_line(environment)}; {load}", soft_wrap=True)
    console.print(table_of(pairs))
    aims = [line for pair in pairs for line in _aims(pair)] + [_memory_aim(memory)]
    for line in aims:
        console.print(line, soft_wrap=True, highlight=False)
    result = {
        "environment": environment,
        "options": {**vars(options), "load": load},
        "workloads": [_plain(pair) for pair in pairs],
        "index_memory": asdict(memory),
        "aims": aims,
    }
    if options.json:
        console.print(f"written to {write_result(options.json, result)}", soft_wrap=True)
    return result


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [each.name for each in make_workloads(TINY)]
    parser.add_argument("--size", choices=tuple(AMOUNTS), help="how large the workloads are (default: full)")
    parser.add_argument("--quick", action="store_true", help="the same as --size quick --rounds 3")
    parser.add_argument("--only", nargs="+", choices=names, default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", type=int, help="measured rounds, after one to warm up (default: 5)")
    parser.add_argument("--sources", default="auto", help="who guesses, as in Engine(speculation=...) (default: auto)")
    parser.add_argument("--json", metavar="FILE", help="a path, or a bare name for results/NAME.json")
    options = parser.parse_args(arguments)
    options.size = options.size or ("quick" if options.quick else "full")
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def _measure(workload: Workload, off: Side, on: Side, num_rounds: int) -> Pair:
    """Each round is new to both engines: its cache salt is its own, so nothing of earlier rounds is known there.

    In a round each side runs the work for the first time, then again; who begins changes from round to round.
    """
    pair = Pair(workload)
    for side in (off, on):
        for _ in range(2):
            side.run(workload, "to warm up", Figures())
    for number in track(range(num_rounds), workload.title, transient=True):
        salt = f"{workload.name} {number}"
        order = ((off, pair.off), (on, pair.on)) if number % 2 == 0 else ((on, pair.on), (off, pair.off))
        for turn in ("first", "again"):
            tokens = {side.name: side.run(workload, salt, figures[turn]) for side, figures in order}
            pair.compare(turn, tokens[off.name], tokens[on.name])
    return pair


def table_of(pairs: Sequence[Pair]) -> Table:
    """Two lines a workload: the first run, and the run again."""
    table = Table(title="sprig with guesses and without", title_justify="left")
    table.add_column("workload / run")
    for name in ("passes/token", "steps/token", "without", "tokens/s", "without", "ratio", "CPU ratio"):
        table.add_column(name, justify="right")
    table.add_column("mask µs/token\n(without)", justify="right")
    table.add_column("same\ntexts", justify="right")
    table.add_column("right guesses of 100 tokens, by source")
    for pair in pairs:
        table.add_section()
        table.add_row(f"[bold]{pair.workload.title}")
        for turn in ("first", "again"):
            on, off = pair.on[turn], pair.off[turn]
            table.add_row(
                "first run" if turn == "first" else "run again",
                f"{on.passes_per_token:.2f}",
                f"{on.steps_per_token:.2f}",
                f"{off.steps_per_token:.2f}",
                f"{on.tokens_per_s:,.0f}",
                f"{off.tokens_per_s:,.0f}",
                f"{pair.ratio(turn):.2f}x",
                f"{pair.cpu_ratio(turn):.2f}x",
                f"{on.mask_us_per_token:.0f} ({off.mask_us_per_token:.0f})",
                f"{pair.num_same[turn]}/{pair.num_texts[turn]}",
                ", ".join(f"{source} {100 * share:.0f}" for source, share in on.accepted_shares().items() if share),
            )
    return table


def _aims(pair: Pair) -> list[str]:
    workload, lines = pair.workload, []
    if workload.max_passes is not None:
        lines.append(
            _at_most(
                f"{workload.name}, first run: passes/token", pair.on["first"].passes_per_token, workload.max_passes
            )
        )
    lines.append(_at_least(f"{workload.name}, first run: tokens/s", pair.ratio("first"), workload.min_ratio))
    if workload.is_repeatable:
        again = pair.on["again"].passes_per_token
        lines.append(_at_most(f"{workload.name}, run again: passes/token", again, MAX_PASSES_AGAIN))
    lines.append(_at_least(f"{workload.name}, run again: tokens/s", pair.ratio("again"), 0.97))
    num_other = sum(pair.num_texts.values()) - sum(pair.num_same.values())
    lines.append(
        f"{workload.name}: {num_other} of {sum(pair.num_texts.values())} texts are others than without guesses"
    )
    return lines


def _memory_aim(memory: IndexMemory) -> str:
    what = f"index of {memory.num_tokens:,} tokens, {memory.bytes_per_token:.0f} bytes each where a KV cell takes"
    return _at_most(f"{what} {memory.kv_bytes_per_token:,}: share", memory.share, MAX_INDEX_SHARE)


def _at_most(what: str, value: float, aim: float) -> str:
    return f"{what} {value:.3f} (aim: at most {aim:g}): {'reached' if value <= aim else 'missed'}"


def _at_least(what: str, value: float, aim: float) -> str:
    return f"{what} {value:.2f}x (aim: at least {aim:g}x): {'reached' if value >= aim else 'missed'}"


def _plain(pair: Pair) -> dict[str, Any]:
    return {
        "name": pair.workload.name,
        "title": pair.workload.title,
        "ratio": {turn: pair.ratio(turn) for turn in pair.on},
        "cpu_ratio": {turn: pair.cpu_ratio(turn) for turn in pair.on},
        "num_texts": pair.num_texts,
        "num_same_texts": pair.num_same,
        "with_guesses": {turn: each.plain() for turn, each in pair.on.items()},
        "without": {turn: each.plain() for turn, each in pair.off.items()},
    }


if __name__ == "__main__":
    main()
