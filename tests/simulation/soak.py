"""Runs seeds until the time is up and prints how to replay those that fail: `make soak MINUTES=10`."""

import argparse
import multiprocessing
import sys
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import guessing
import paths
import torch
from guessing import GuessCounts
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from run import RunCounts, replay_command, run_seed

HANG_SECONDS = 120
"""A run that takes longer hangs; one takes a fraction of a second."""

COMPARE_EVERY = 4
"""Of so many seeds one compares an engine that guesses with one that does not; the others are runs of the world."""

Report = tuple[int, RunCounts | GuessCounts | str]
"""(seed, what it was made of, or the traceback of its failure)."""


def play(seed: int) -> RunCounts | GuessCounts:
    """What belongs to a seed."""
    return run_seed(seed) if seed % COMPARE_EVERY else guessing.compare_seed(seed)


def command(seed: int) -> str:
    """What shows it again."""
    return replay_command(seed) if seed % COMPARE_EVERY else guessing.replay_command(seed)


def work(connection: Connection, first: int, stride: int) -> None:
    """One process: runs every `stride`-th seed from `first` on, reports each, and stops when nobody listens."""
    assert paths.SUPPORT
    torch.set_num_threads(1)
    seed = first
    while True:
        try:
            report: Report = (seed, play(seed))
        except Exception:  # noqa: BLE001 - whatever a run fails with is what is looked for
            report = (seed, traceback.format_exc())
        try:
            connection.send(report)
        except OSError:
            return
        seed += stride


@dataclass
class Worker:
    """A process and the seed that it is at."""

    process: SpawnProcess
    connection: Connection
    seed: int
    since: float = field(default_factory=time.monotonic)


class Soak:
    """Keeps the processes going, and gathers what they report."""

    def __init__(self, first: int, num_jobs: int) -> None:
        self.num_runs = self.num_steps = self.num_requests = self.num_compared = 0
        self.failures: dict[int, str] = {}
        self._num_jobs = num_jobs
        self._workers = [self._start(first + index) for index in range(num_jobs)]

    def listen(self, seconds: float) -> None:
        """Take reports for so long; a process whose run hangs is ended, and another goes on behind it."""
        ready = wait([worker.connection for worker in self._workers], timeout=seconds)
        for index, worker in enumerate(self._workers):
            if worker.connection in ready:
                if not self._receive(worker):
                    self.failures[worker.seed] = "the process died"
                    self._workers[index] = self._start(worker.seed + self._num_jobs)
            elif time.monotonic() - worker.since > HANG_SECONDS:
                self.failures[worker.seed] = f"the run did not end within {HANG_SECONDS} s"
                worker.process.kill()
                self._workers[index] = self._start(worker.seed + self._num_jobs)

    def stop(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()

    def _start(self, seed: int) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(theirs, seed, self._num_jobs), daemon=True)
        process.start()
        theirs.close()
        return Worker(process, ours, seed)

    def _receive(self, worker: Worker) -> bool:
        try:
            seed, result = worker.connection.recv()
        except EOFError:
            return False
        if isinstance(result, RunCounts):
            self.num_steps += result.num_steps
            self.num_requests += result.num_requests + result.num_plans
        elif isinstance(result, GuessCounts):
            self.num_compared += result.num_positions
        else:
            self.failures[seed] = result
        self.num_runs += 1
        worker.seed, worker.since = seed + self._num_jobs, time.monotonic()
        return True


def main() -> int:
    """Returns the exit status: 1 where a run has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at work (1)")
    parser.add_argument("--first", type=int, default=int(time.time()) * 1000, help="first seed (of the day and hour)")
    parser.add_argument("--stop-at-first", action="store_true", help="end with the first failure")
    arguments = parser.parse_args()
    console = Console()
    console.print(f"seeds from {arguments.first} on, {arguments.minutes:g} minutes, {arguments.jobs} jobs")
    soak = Soak(arguments.first, arguments.jobs)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            _run(soak, progress, arguments.minutes * 60, is_impatient=arguments.stop_at_first)
    finally:
        soak.stop()
    for seed, failure in sorted(soak.failures.items())[:20]:
        console.print(failure, markup=False, highlight=False)
        console.print(f"replay: {command(seed)}", style="bold red", soft_wrap=True)
    console.print(_summary(soak), style="red" if soak.failures else "green")
    return 1 if soak.failures else 0


def _run(soak: Soak, progress: Progress, seconds: float, *, is_impatient: bool) -> None:
    task: TaskID = progress.add_task(_summary(soak), total=seconds)
    start, num_known = time.monotonic(), 0
    while time.monotonic() - start < seconds and not (is_impatient and soak.failures):
        soak.listen(0.5)
        for seed in list(soak.failures)[num_known:]:
            progress.console.print(f"seed {seed} failed: {command(seed)}", style="red", soft_wrap=True)
        num_known = len(soak.failures)
        progress.update(task, completed=time.monotonic() - start, description=_summary(soak))


def _summary(soak: Soak) -> str:
    return (
        f"{soak.num_runs:,} runs, {soak.num_requests:,} requests and plans, {soak.num_steps:,} steps, "
        f"{soak.num_compared:,} tokens with guesses and without, "
        f"{len(soak.failures)} failures"
    )


if __name__ == "__main__":
    sys.exit(main())
