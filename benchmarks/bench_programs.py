"""Runs the same work through palmette and through transformers on the same weights, and prints the ratios.

python benchmarks/bench_programs.py            # or: make bench
python benchmarks/bench_programs.py --quick
python benchmarks/bench_programs.py --only fork --rounds 9 --json final
"""

import argparse
import json
from pathlib import Path

import torch
from catalogue import make_catalogue
from comparison import Comparison, compare
from environment import describe_environment, environment_line
from memory import measure_memory
from model import count_tokens_of, sprig_path
from palmette_side import PalmetteSide
from report import summary_lines, table_of, to_json
from rich.console import Console
from transformers_peer import TransformersPeer
from workloads import SIZES

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> list[Comparison]:
    """Run the benchmark; `arguments` as on the command line."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    console = Console(width=None if Console().is_terminal else 150)
    environment = describe_environment()
    console.print(environment_line(environment), soft_wrap=True)
    comparisons = _compare_all(options, console)
    console.print(table_of(comparisons))
    for line in summary_lines(comparisons):
        console.print(line, soft_wrap=True)
    if options.json is not None:
        path = RESULTS / f"{options.json}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(to_json(comparisons, environment, vars(options)), indent=2) + "\n")
        console.print(f"written to {path}", soft_wrap=True)
    return comparisons


def _compare_all(options: argparse.Namespace, console: Console) -> list[Comparison]:
    model_path = sprig_path()
    workloads = make_catalogue(options.size, count_tokens_of(model_path))
    chosen = [each for each in workloads if not options.only or each.name in options.only]
    comparisons = []
    ours, peer = PalmetteSide(model_path), TransformersPeer(model_path)
    try:
        for workload in chosen:
            with console.status(workload.title):
                comparisons.append(compare(workload, ours, peer, options.rounds))
    finally:
        ours.close()
    if options.memory:
        with console.status("peak memory, a process for each contestant"):
            comparisons = [
                each.with_memory(
                    lambda side, name=each.workload.name: measure_memory(side, name, options.size, options.threads)
                )
                for each in comparisons
            ]
    return comparisons


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [each.name for each in make_catalogue("tiny", len)]
    parser.add_argument("--size", choices=tuple(SIZES), help="how large the workloads are (default: full)")
    parser.add_argument("--quick", action="store_true", help="the same as --size quick --rounds 3 --no-memory")
    parser.add_argument("--only", nargs="+", choices=names, default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", type=int, help="measured rounds, after one to warm up (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads, of both sides (default: 1)")
    parser.add_argument(
        "--memory",
        action=argparse.BooleanOptionalAction,
        help="measure peak memory, in processes of their own (default: yes)",
    )
    parser.add_argument("--json", metavar="NAME", help="write benchmarks/results/NAME.json")
    options = parser.parse_args(arguments)
    if options.json is not None and Path(options.json).name != options.json:
        parser.error(f"--json: expected a name, which becomes results/NAME.json, got the path {options.json!r}")
    options.size = options.size or ("quick" if options.quick else "full")
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.memory = not options.quick if options.memory is None else options.memory
    return options


if __name__ == "__main__":
    main()
