"""Times the scheduler's decisions, and compares its policies by what they take from the cache, waits, and fairness.

python benchmarks/bench_scheduler.py
python benchmarks/bench_scheduler.py --quick
python benchmarks/bench_scheduler.py --queued 100 10000 --seeds 1 2 3 --json scheduler
"""

import argparse
import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from environment import describe_environment, environment_line
from result_file import write_result
from rich.console import Console
from rich.table import Table
from scheduler_replay import Figures, Replay, replay
from scheduler_trace import TraceShape, make_trace

from palmette.runtime.config import PolicyName, SchedulerOptions
from palmette.runtime.scheduling.fair_prefix_match import FairPrefixMatch

POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)
AIM_MS = 1.0  # a decision at the longest queue, at most; the median, and 99 in 100
AIM_HITS = 0.95  # of what lpm takes from the cache, at least

NUM_CHOICES = 200
NUM_STEPS = 300
NUM_FIRST_STEPS = 20  # not measured: nothing runs yet, and dozens of rows are let in at once
TOKEN_BUDGET = 2048


@dataclass(frozen=True)
class DecisionTimes:
    """Milliseconds of CPU time, with `num_queued` requests waiting all the time."""

    policy: str
    num_queued: int
    choice: float
    """To say which row is next, and to take note that it was let in; the median."""
    decision: float
    """To decide on a whole step: all that `schedule()` does but the memory's work for the rows that run; the median."""
    decision_p99: float
    step: float
    """The whole of `schedule()`: memory for the rows that run and those let in, too; the median."""
    step_p99: float
    add: float
    """To take in a request; the mean."""
    changes: float
    """All else that a step does to the cache, waiting rows' matches kept up to date; the mean."""


@dataclass(frozen=True)
class PolicyFigures:
    """What a policy made of the traces."""

    policy: str
    num_cache_tokens: int
    hit_share: float
    share_of_lpm: float
    """The lowest over the seeds."""
    wait_p50: float
    wait_p99: float
    wait_max: int


@dataclass(frozen=True)
class Fairness:
    """Tokens computed for each tenant while all of them had requests waiting, of the first trace."""

    policy: str
    served: dict[str, int]
    gap: int
    bound: int | None


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; `arguments` as on the command line."""
    options = _parse(arguments)
    console = Console(width=None if Console().is_terminal else 150)
    environment = describe_environment()
    console.print(environment_line(environment), soft_wrap=True)
    times = [measure_decisions(name, count) for count in options.queued for name in options.policies]
    console.print(decision_table(times))
    figures, fairness = compare_policies(options)
    console.print(policy_table(figures))
    console.print(fairness_table(fairness))
    for line in verdicts(times, figures):
        console.print(line, soft_wrap=True)
    result = {
        "environment": environment,
        "options": vars(options),
        "decisions": [asdict(each) for each in times],
        "policies": [asdict(each) for each in figures],
        "fairness": [asdict(each) for each in fairness],
    }
    if options.json is not None:
        console.print(f"written to {write_result(options.json, result)}", soft_wrap=True)
    return result


def measure_decisions(name: PolicyName, num_queued: int) -> DecisionTimes:
    """Keep a queue filled to `num_queued` while steps are scheduled."""
    trace = make_trace(TraceShape(num_requests=num_queued + 4 * (NUM_FIRST_STEPS + NUM_STEPS), requests_per_step=1e9))
    machine = Replay(SchedulerOptions(TOKEN_BUDGET, 64, name), num_tokens=64_000)
    before = time.thread_time()
    for request in trace[:num_queued]:
        machine.submit(request)
    add_s = (time.thread_time() - before) / num_queued
    rest = trace[num_queued:]
    # The collector would go through the millions of token ids of the queue again and again, and be measured instead.
    gc.collect()
    gc.freeze()
    try:
        for number in range(NUM_FIRST_STEPS + NUM_STEPS):
            if number == NUM_FIRST_STEPS:
                machine.figures = Figures(num_steps=machine.figures.num_steps)
            while len(machine.scheduler.waiting) < num_queued and rest:
                machine.submit(rest.pop())
            machine.step()
        choice_s = _time_choices(machine, min(NUM_CHOICES, num_queued // 2))
    finally:
        gc.unfreeze()
    figures = machine.figures
    return DecisionTimes(
        name,
        num_queued,
        choice=1e3 * choice_s,
        decision=1e3 * _percentile(figures.decisions_s, 0.5),
        decision_p99=1e3 * _percentile(figures.decisions_s, 0.99),
        step=1e3 * _percentile(figures.steps_s, 0.5),
        step_p99=1e3 * _percentile(figures.steps_s, 0.99),
        add=1e3 * add_s,
        changes=1e3 * statistics.fmean(figures.changes_s),
    )


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]


def _time_choices(machine: Replay, num_choices: int) -> float:
    """The policy alone."""
    policy = machine.scheduler.policy
    seconds = []
    for _ in range(num_choices):
        before = time.thread_time()
        row = policy.first()
        if row is None:
            break
        policy.remove(row)
        policy.serve(row, row.num_pending)
        seconds.append(time.thread_time() - before)
    return statistics.median(seconds)


def compare_policies(options: argparse.Namespace) -> tuple[list[PolicyFigures], list[Fairness]]:
    """Replay the same traces under each policy."""
    shape = TraceShape(num_requests=options.requests)
    traces = [make_trace(shape, seed) for seed in options.seeds]
    found: list[PolicyFigures] = []
    fairness: list[Fairness] = []
    for num_tokens in options.cache_tokens:
        by_policy: dict[PolicyName, list[Figures]] = {}
        for name in ("lpm", *[each for each in options.policies if each != "lpm"]):
            scheduling = SchedulerOptions(TOKEN_BUDGET, 16, name)
            by_policy[name] = [replay(trace, scheduling, num_tokens=num_tokens) for trace in traces]
        for name, runs in by_policy.items():
            waits = sorted(wait for run in runs for wait in run.waits)
            found.append(
                PolicyFigures(
                    name,
                    num_tokens,
                    statistics.fmean(run.hit_share for run in runs),
                    min(run.hit_share / best.hit_share for run, best in zip(runs, by_policy["lpm"], strict=True)),
                    waits[len(waits) // 2],
                    waits[int(0.99 * len(waits))],
                    waits[-1],
                )
            )
        if num_tokens == options.cache_tokens[-1]:
            fairness = [_fairness(name, runs, traces) for name, runs in by_policy.items()]
    return found, fairness


def _fairness(name: PolicyName, runs: Sequence[Figures], traces: Sequence[Any]) -> Fairness:
    bound = None
    if name == "fair-lpm":
        max_charge = max(len(each.token_ids) + each.num_to_write for trace in traces for each in trace)
        bound = FairPrefixMatch(quantum=SchedulerOptions.quantum).service_gap_bound(max_charge, 16)
    first = runs[0].served
    return Fairness(name, dict(sorted(first.items())), max(first.values()) - min(first.values()), bound)


def decision_table(times: Sequence[DecisionTimes]) -> Table:
    """One line for each policy and length of the queue."""
    table = Table(title="Decisions, in ms of CPU time", title_justify="left")
    table.add_column("policy")
    for name in ("queued", "next row", "decision", "p99", "with memory", "p99", "one arrival", "tree changes"):
        table.add_column(name, justify="right")
    for each in times:
        decision = (each.choice, each.decision, each.decision_p99)
        figures = (*decision, each.step, each.step_p99, each.add, each.changes)
        style = "bold" if each.policy == SchedulerOptions.policy else None
        table.add_row(each.policy, f"{each.num_queued:,}", *[f"{figure:.3f}" for figure in figures], style=style)
    return table


def policy_table(figures: Sequence[PolicyFigures]) -> Table:
    """One line for each policy and size of the cache."""
    table = Table(title="Policies on the same traces", title_justify="left")
    table.add_column("policy")
    for name in ("cache", "from the cache", "of lpm's", "wait p50", "p99", "longest"):
        table.add_column(name, justify="right")
    for each in figures:
        waits = [f"{each.wait_p50:g}", f"{each.wait_p99:g}", f"{each.wait_max} steps"]
        cells = [f"{each.num_cache_tokens:,}", f"{each.hit_share:.1%}", f"{each.share_of_lpm:.1%}", *waits]
        table.add_row(each.policy, *cells, style="bold" if each.policy == SchedulerOptions.policy else None)
    return table


def fairness_table(fairness: Sequence[Fairness]) -> Table:
    """One line a policy, one column a tenant."""
    title = "Tokens computed for each tenant while all had requests waiting; the first sends 40 % of them"
    table = Table(title=title, title_justify="left")
    table.add_column("policy")
    for tenant in fairness[0].served:
        table.add_column(tenant, justify="right")
    table.add_column("most less least", justify="right")
    table.add_column("bound", justify="right")
    for each in fairness:
        bound = "none" if each.bound is None else f"{each.bound:,}"
        table.add_row(each.policy, *[f"{each.served[name]:,}" for name in each.served], f"{each.gap:,}", bound)
    return table


def verdicts(times: Sequence[DecisionTimes], figures: Sequence[PolicyFigures]) -> list[str]:
    """A line for each aim of the default policy."""
    name = SchedulerOptions.policy
    longest = max(times, key=lambda each: (each.policy == name, each.num_queued))
    lines = [
        f"{longest.policy}: with {longest.num_queued:,} queued the next row takes {longest.choice:.3f} ms, a decision "
        f"{longest.decision:.3f} ms (aim {AIM_MS:g} ms: {_verdict(longest.decision <= AIM_MS)}), 99 in 100 at most "
        f"{longest.decision_p99:.3f} ms ({_verdict(longest.decision_p99 <= AIM_MS)})"
    ]
    shares = [each.share_of_lpm for each in figures if each.policy == name]
    if shares:
        lines.append(
            f"{name}: at least {min(shares):.1%} of what lpm takes from the cache "
            f"(aim {AIM_HITS:.0%}: {_verdict(min(shares) >= AIM_HITS)})"
        )
    return lines


def _verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "missed"


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queued", type=int, nargs="+", help="lengths of the queue (default: 100 1000 10000)")
    parser.add_argument("--requests", type=int, help="requests of a trace (default: 2000)")
    parser.add_argument("--seeds", type=int, nargs="+", help="traces, by their seeds (default: 1 2 3)")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=list(POLICIES), help="default: all")
    cache_help = "tokens the cache holds (default: 16000 32000)"
    parser.add_argument("--cache-tokens", type=int, nargs="+", default=[16_000, 32_000], help=cache_help)
    parser.add_argument("--quick", action="store_true", help="the same as --queued 100 1000 --requests 300 --seeds 1")
    parser.add_argument("--json", metavar="PATH", help="write all figures there; a bare NAME is results/NAME.json")
    options = parser.parse_args(arguments)
    options.queued = options.queued or ([100, 1000] if options.quick else [100, 1000, 10_000])
    options.requests = options.requests or (300 if options.quick else 2000)
    options.seeds = options.seeds or ([1] if options.quick else [1, 2, 3])
    return options


if __name__ == "__main__":
    main()
