"""Runs the simulation against every mutant and prints which it kills: `make mutants`."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mutants.catalogue import CATALOGUE, REASONS
from mutants.mutation import Mutation
from mutants.package_copy import copy_package, copy_simulation, copy_with_fault
from mutants.results_table import Result, write_table

TRIAL = Path(__file__).with_name("trial.py")
WANTED_SHARE = 0.95
FIRST_SEED = 0
"""The same in every call, so that the table can be made again."""


@dataclass(frozen=True)
class Options:
    """What every trial is told."""

    tests: Path
    first: int
    seconds: float


def main() -> int:
    """Returns the exit status: 1 where fewer than 95 % are killed, 2 where the package fails as it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="trials at once (1)")
    parser.add_argument("--only", action="append", metavar="NAME", help="just the mutant of that name; may be repeated")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds for each (60)")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help=f"first seed ({FIRST_SEED})")
    parser.add_argument("--no-baseline", action="store_true", help="take it for granted that the package passes")
    parser.add_argument("--write-table", action="store_true", help="put the results into the README of the folder")
    arguments = parser.parse_args()
    chosen = [each for each in CATALOGUE if arguments.only is None or each.name in arguments.only]
    if arguments.only is not None and len(chosen) < len(set(arguments.only)):
        parser.error(f"expected names out of {', '.join(each.name for each in CATALOGUE)}, got {arguments.only}")
    if arguments.write_table and arguments.only is not None:
        parser.error("the table is written of a complete run, leave out --only")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        base = copy_package(Path(folder) / "base")
        options = Options(copy_simulation(Path(folder) / "base"), arguments.first, arguments.seconds)
        for mutation in chosen:
            mutation.patched_file(base)  # a stale patch is told before anything runs
        if not arguments.no_baseline:
            baseline = run_trial(base.parent, options)
            if baseline["failure"] is not None:
                console.print(f"the package fails without a fault, seed {baseline['seed']}: {baseline['failure']}")
                return 2
            console.print(f"without a fault: {baseline['num_good']} runs in {baseline['seconds']} CPU s, all good")
        results = run_all(chosen, base, Path(folder), options, arguments.jobs, console)
    return _report(console, results, is_written=arguments.write_table)


def run_all(
    chosen: list[Mutation], base: Path, folder: Path, options: Options, num_jobs: int, console: Console
) -> list[Result]:
    """Every mutant's result, in the order of the catalogue."""
    columns = (TextColumn("{task.completed}/{task.total} {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(num_jobs) as pool:
        task = progress.add_task("mutants", total=len(chosen))

        def run_one(mutation: Mutation) -> Result:
            home = folder / mutation.name
            copy_with_fault(base, home, mutation)
            report = run_trial(home, options)
            failure = None if report["failure"] is None else str(report["failure"])
            result = Result(mutation, failure, int(str(report["num_good"])), float(str(report["seconds"])))
            progress.console.print(_line(result))
            progress.advance(task)
            return result

        return list(pool.map(run_one, chosen))


def run_trial(home: Path, options: Options) -> dict[str, object]:
    """The report of a process that runs seeds against the package in `home`.

    One that gives no report in ten times its CPU seconds is ended, and has killed nothing.
    """
    command = [sys.executable, str(TRIAL), str(home), str(options.tests), str(options.first), str(options.seconds)]
    environment = os.environ | {"PYTHONPATH": str(home), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    start = time.monotonic()
    try:
        done = subprocess.run(
            command, env=environment, cwd=home, capture_output=True, text=True, timeout=10 * options.seconds + 60
        )
    except subprocess.TimeoutExpired:
        return {"num_good": 0, "seed": options.first, "failure": None, "seconds": round(time.monotonic() - start, 1)}
    if done.returncode != 0:
        raise RuntimeError(f"the trial in {home} ended with status {done.returncode}:\n{done.stderr[-3000:]}")
    report: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return report


def _line(result: Result) -> Text:
    style = "green" if result.is_killed else "bold red"
    verdict = f"killed by {result.cause}" if result.is_killed else "SURVIVED"
    return Text(
        f"{result.mutation.name}: {verdict} ({result.num_good} good runs, {result.seconds:.0f} CPU s)", style=style
    )


def _report(console: Console, results: list[Result], *, is_written: bool) -> int:
    table = Table("mutant", "in", "killed by", "good runs before", "CPU s", title="mutants", show_lines=False)
    for result in results:
        cause = result.cause or "survived"
        style = "" if result.is_killed else "bold red"
        name, file = result.mutation.name, result.mutation.file
        table.add_row(name, file, Text(cause), str(result.num_good), f"{result.seconds:.0f}", style=style)
    console.print(table)
    num_killed = sum(result.is_killed for result in results)
    share = num_killed / max(len(results), 1)
    is_enough = share >= WANTED_SHARE
    console.print(f"{num_killed} of {len(results)} killed, {share:.1%}", style="green" if is_enough else "bold red")
    if is_written:
        write_table(results, REASONS)
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
