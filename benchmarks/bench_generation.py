"""Generates under every schema of our set and of the JSON-Schema-Test-Suite, and counts how the generations end.

python benchmarks/bench_generation.py --quick
python benchmarks/bench_generation.py --suite PATH/json-schema-test-suite/draft2020-12 --json generation
python benchmarks/bench_generation.py --only 'suite unique' hard/ --seeds 20 --show
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from environment import describe_environment, environment_line
from generation_cases import Case, own_cases, suite_cases
from generation_run import Attempt, End, generate
from guard_cost import GuardClock
from result_file import write_result
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from palmette.grammar.engines.engine_set import EngineSet
from palmette.grammar.errors import GrammarError, UnsatisfiableConstraint
from palmette.grammar.front import prepare
from palmette.grammar.spec import JsonSchema
from palmette.grammar.vocabulary import Vocabulary
from palmette.runtime.local.embedded import Engine

CHUNK = 40
"""Schemas generated from together: their grammars are alive at once."""


@dataclass
class Figures:
    """One line of the table."""

    group: str
    num_schemas: int
    num_generations: int
    ends: dict[str, int]
    num_rolled_back: int
    """Generations that went back at least once."""
    num_tokens: int
    num_tokens_taken_back: int
    mean_log_mass: float
    """Of the probability that the constraint left, summed over a text: the mean over the texts."""


@dataclass
class Totals:
    """What the aims speak of."""

    num_unsatisfiable: int
    refused: dict[str, str]
    guard_us_per_token: float
    """What guards add on the real-world set, schemas without any counted in."""
    guard_us_per_guarded_token: float
    num_guarded: int


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; `arguments` as on the command line."""
    options = _parse(arguments)
    console = Console(width=None if Console().is_terminal else 150)
    environment = describe_environment()
    console.print(environment_line(environment), soft_wrap=True)
    cases = _chosen(options)
    able, num_unsatisfiable, refused = _satisfiable(cases)
    seeds = range(options.seeds)
    with Engine(max_running_requests=options.running) as engine:
        attempts = _generate_all(console, engine, able, seeds, options)
        costs = _guard_costs(engine, attempts)
    figures = tabulate(attempts)
    totals = Totals(num_unsatisfiable, refused, *costs)
    console.print(table_of(figures))
    for line in verdicts(attempts, totals):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    if options.show:
        _show(console, attempts, totals)
    result = {
        "environment": environment,
        "options": {name: value for name, value in vars(options).items() if name != "suite"},
        "groups": [asdict(each) for each in figures],
        **asdict(totals),
    }
    if options.json is not None:
        console.print(f"written to {write_result(options.json, result)}", soft_wrap=True)
    return result


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, metavar="PATH", help="a draft's folder of the JSON-Schema-Test-Suite")
    parser.add_argument("--seeds", type=int, default=5, help="generations for each schema (5)")
    parser.add_argument("--max-tokens", type=int, default=400, help="where a text is cut (400)")
    parser.add_argument("--running", type=int, default=32, help="generations at a time (32)")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="schemas whose group or name contains one of these")
    parser.add_argument("--every", type=int, default=1, help="of all schemas every so many-th (1)")
    parser.add_argument("--quick", action="store_true", help="every eighth schema, two seeds, 150 tokens")
    parser.add_argument("--show", action="store_true", help="list what was refused, what failed and what went back")
    parser.add_argument("--json", metavar="NAME", help="write results/NAME.json, or a path")
    options = parser.parse_args(arguments)
    if options.quick:
        options.every, options.seeds, options.max_tokens = max(8, options.every), 2, 150
    return options


def _chosen(options: argparse.Namespace) -> list[Case]:
    cases = [*own_cases(), *(suite_cases(options.suite) if options.suite else ())]
    if options.only:
        cases = [case for case in cases if any(part in f"{case.group} {case.name}" for part in options.only)]
    return cases[:: options.every]


def _satisfiable(cases: Sequence[Case]) -> tuple[list[Case], int, dict[str, str]]:
    """Those that something can be generated from, how many nothing is valid by, and those that are refused, and why."""
    able: list[Case] = []
    num_unsatisfiable = 0
    refused: dict[str, str] = {}
    for case in cases:
        try:
            prepare(JsonSchema(case.schema))
            able.append(case)
        except UnsatisfiableConstraint:
            num_unsatisfiable += 1
        except GrammarError as error:
            refused[case.name] = str(error)
    return able, num_unsatisfiable, refused


def _generate_all(
    console: Console, engine: Engine, cases: Sequence[Case], seeds: Sequence[int], options: argparse.Namespace
) -> list[Attempt]:
    attempts: list[Attempt] = []
    columns = (*Progress.get_default_columns()[:1], BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("generations", total=len(cases) * len(seeds))
        for first in range(0, len(cases), CHUNK):
            attempts += generate(
                engine,
                cases[first : first + CHUNK],
                seeds,
                max_new_tokens=options.max_tokens,
                num_running=options.running,
                tell=lambda _: progress.advance(task),
            )
    return attempts


def _guard_costs(engine: Engine, attempts: Sequence[Attempt]) -> tuple[float, float, int]:
    """Microseconds a token that guards add on the real-world set and where there are any, and how many have some."""
    tokenizer = engine.tokenizer
    clock = GuardClock(EngineSet(Vocabulary(tokenizer.token_bytes, frozenset(tokenizer.eos_token_ids))))
    texts: dict[Case, list[tuple[int, ...]]] = {}
    for attempt in attempts:
        if attempt.case.is_real_world and attempt.token_ids:
            texts.setdefault(attempt.case, []).append(attempt.token_ids)
    seconds = 0.0
    num_tokens = num_guarded_tokens = 0
    for case, token_ids in texts.items():
        num_before, count = clock.num_guarded, sum(map(len, token_ids))
        seconds += clock.added_s(case.schema, token_ids)
        num_tokens += count
        num_guarded_tokens += count if clock.num_guarded > num_before else 0
    return 1e6 * seconds / max(1, num_tokens), 1e6 * seconds / max(1, num_guarded_tokens), clock.num_guarded


def tabulate(attempts: Sequence[Attempt]) -> list[Figures]:
    """A line for each group, and one for the real-world set and for all."""
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.case.group, []).append(attempt)
    groups["real-world"] = [attempt for attempt in attempts if attempt.case.is_real_world]
    groups["all"] = list(attempts)
    return [_figures(group, members) for group, members in groups.items() if members]


def _figures(group: str, attempts: Sequence[Attempt]) -> Figures:
    return Figures(
        group,
        num_schemas=len({attempt.case for attempt in attempts}),
        num_generations=len(attempts),
        ends=dict(Counter(attempt.end for attempt in attempts)),
        num_rolled_back=sum(attempt.num_rollbacks > 0 for attempt in attempts),
        num_tokens=sum(len(attempt.token_ids) for attempt in attempts),
        num_tokens_taken_back=sum(attempt.num_tokens_taken_back for attempt in attempts),
        mean_log_mass=sum(attempt.masked_log_mass for attempt in attempts) / len(attempts),
    )


def table_of(figures: Sequence[Figures]) -> Table:
    """The table that is printed."""
    table = Table(title="Generations at temperature 1", title_justify="left")
    table.add_column("group")
    ends = get_args(End)
    for name in ("schemas", "generations", *ends, "went back", "tokens", "taken back", "log mass left"):
        table.add_column(name, justify="right")
    for each in figures:
        if each.group == "real-world":
            table.add_section()
        table.add_row(
            each.group,
            f"{each.num_schemas}",
            f"{each.num_generations}",
            *(f"{each.ends.get(end, 0)}" for end in ends),
            f"{100 * each.num_rolled_back / each.num_generations:.1f}%",
            f"{each.num_tokens:,}",
            f"{each.num_tokens_taken_back:,}",
            f"{each.mean_log_mass:.1f}",
        )
    return table


def verdicts(attempts: Sequence[Attempt], totals: Totals) -> list[str]:
    """What the aims are, and what came of them."""
    ends = Counter(attempt.end for attempt in attempts)
    real = [attempt for attempt in attempts if attempt.case.is_real_world]
    num_back = sum(attempt.num_rollbacks > 0 for attempt in real)
    num_good = ends["valid"] + ends["unjudged"] + ends["cut"]
    return [
        f"valid, unjudged (the judge cannot read the schema) or cut: {num_good} of {len(attempts)} (aim: all)",
        f"dead ends that exhausted the budget: {ends['exhausted']} (aim: 0); invalid: {ends['invalid']} (aim: 0); "
        f"errors: {ends['error']}",
        f"real-world generations that went back: {num_back} of {len(real)}, "
        f"{100 * num_back / max(1, len(real)):.2f}% (aim: under 2%)",
        f"guards add on the real-world set: {totals.guard_us_per_token:.2f} us a token (aim: under 10); "
        f"{totals.guard_us_per_guarded_token:.1f} us over the {totals.num_guarded} schemas that have some",
        f"besides: {totals.num_unsatisfiable} schemas by which nothing is valid, {len(totals.refused)} refused",
    ]


def _show(console: Console, attempts: Sequence[Attempt], totals: Totals) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    for name, reason in totals.refused.items():
        say(f"refused: {name}: {reason}")
    back: dict[Case, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.end not in ("valid", "cut", "unjudged"):
            say(f"{attempt.end}: {attempt.case.name}, seed {attempt.seed}: {attempt.note}")
            say(f"    schema {attempt.case.schema[:1000]}")
            say(f"    text   {attempt.text!r}")
        elif attempt.num_rollbacks:
            back.setdefault(attempt.case, []).append(attempt)
    for case, members in back.items():
        say(f"went back: {case.name}: {[attempt.num_rollbacks for attempt in members]} times")
        say(f"    schema {case.schema[:1000]}")
        say(f"    text   {members[0].text!r}")


if __name__ == "__main__":
    main()
