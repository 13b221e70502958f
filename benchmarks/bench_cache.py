"""Times match, use, insert and evict of the prefix cache as it grows from ten thousand tokens to a million.

python benchmarks/bench_cache.py
python benchmarks/bench_cache.py --quick
python benchmarks/bench_cache.py --sizes 10000 3000000 --own-len 512 --json cache
"""

import argparse
import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cache_sides import BlockTableSide, CacheSide, RadixSide, read_once
from environment import describe_environment, environment_line
from result_file import write_result
from rich.console import Console
from rich.table import Table

AIM = 2.0  # an operation's cost at the largest size over that at the smallest, at most
BATCH = 32  # operations between two looks at the clock
NUM_SHARERS = 16  # texts that begin alike
EVERY_TEXT_USED = "evict, every text used since the last"
OPERATIONS = {
    "match, hit": "the whole text is known",
    "match, miss": "its beginning is known",
    "use": "match, lock, unlock",
    "insert": "of a text whose beginning is known",
    "evict": "the pages of one text",
    EVERY_TEXT_USED: "the same, after all texts were used",
}


@dataclass
class Texts:
    """Texts with shared beginnings, made as they are asked for."""

    head_len: int
    own_len: int
    random: random.Random
    heads: list[list[int]] = field(default_factory=list)
    known: list[list[int]] = field(default_factory=list)

    def new(self) -> list[int]:
        """A text nobody knows yet, whose beginning others share."""
        if len(self.known) >= NUM_SHARERS * len(self.heads):
            self.heads.append(self._draw(self.head_len))
        return [*self.random.choice(self.heads), *self._draw(self.own_len)]

    def _draw(self, length: int) -> list[int]:
        return [self.random.randrange(32_000) for _ in range(length)]


class Contest:
    """One side at one size, and the seconds its operations took, a mean of a batch for each round."""

    def __init__(self, side: CacheSide, num_tokens: int, options: argparse.Namespace) -> None:
        self.side = side
        self.num_tokens = num_tokens
        self.seconds: dict[str, list[float]] = {name: [] for name in OPERATIONS}
        self.num_hits = 0
        self._num_own_pages = options.own_len // options.page_size
        self._texts = Texts(options.head_len, options.own_len, random.Random(num_tokens))
        num_texts = round(num_tokens / (options.own_len + options.head_len / NUM_SHARERS))
        for _ in range(num_texts):
            self._insert(self._texts.new())

    def run_round(self) -> None:
        """Time a batch of every operation."""
        draw, known = self._texts.random, self._texts.known
        hits = [list(draw.choice(known[-len(known) // 2 :])) for _ in range(BATCH)]
        news = [self._texts.new() for _ in range(BATCH)]
        self._time("match, hit", self.side.match, hits)
        self.num_hits += sum(self.side.match(text) == len(text) for text in hits)
        self._time("match, miss", self.side.match, news)
        self._time("use", self.side.use, hits)
        self._time("evict", self.side.evict, [self._num_own_pages] * BATCH)
        self._time("insert", self.side.insert, news)
        self._texts.known = [*known[BATCH:], *news]

    def run_worst_eviction(self) -> None:
        """Time the first eviction after every text was used again."""
        for text in self._texts.known:
            self.side.use(text)
        self._time(EVERY_TEXT_USED, self.side.evict, [self._num_own_pages])
        for text in self._texts.known[:2]:
            self.side.insert(text)

    def _insert(self, text: list[int]) -> None:
        self.side.insert(text)
        self._texts.known.append(text)

    def _time(self, name: str, run: Callable[[Any], object], arguments: Sequence[Any]) -> None:
        start = time.perf_counter()
        for argument in arguments:
            run(argument)
        self.seconds[name].append((time.perf_counter() - start) / len(arguments))

    def median_us(self, name: str) -> float:
        """Microseconds an operation takes."""
        return 1e6 * statistics.median(self.seconds[name])


def main(arguments: list[str] | None = None) -> list[Contest]:
    """Run the benchmark; `arguments` as on the command line."""
    options = _parse(arguments)
    console = Console(width=None if Console().is_terminal else 150)
    environment = describe_environment()
    console.print(environment_line(environment), soft_wrap=True)
    contests = []
    for size in options.sizes:
        for make in (RadixSide, BlockTableSide):
            with console.status(f"{make.name}, {size:,} tokens"):
                contests.append(
                    Contest(make(2 * size // options.page_size + 64 * BATCH, options.page_size), size, options)
                )
    # What stands is not looked at by the collector: its work would be the same for all sizes, that of the largest.
    gc.collect()
    gc.freeze()
    text, read_s = [random.randrange(32_000) for _ in range(options.head_len + options.own_len)], []
    with console.status("measuring"):
        for _ in range(options.rounds):
            read_s.append(_read_s(text))
            for contest in contests:
                contest.run_round()
        for _ in range(max(3, options.rounds // 20)):
            for contest in contests:
                contest.run_worst_eviction()
    gc.unfreeze()
    bound_us = 1e6 * statistics.median(read_s)
    console.print(_table(contests, options, bound_us))
    for line in _summary(contests, options, bound_us):
        console.print(line, soft_wrap=True)
    if options.json is not None:
        result = {"environment": environment, "options": vars(options), **_to_json(contests, bound_us)}
        console.print(f"written to {write_result(options.json, result)}", soft_wrap=True)
    return contests


def _read_s(text: list[int]) -> float:
    """Seconds to read a text's ids once: less no comparison can take."""
    start = time.perf_counter()
    for _ in range(BATCH):
        read_once(text)
    return (time.perf_counter() - start) / BATCH


def _table(contests: Sequence[Contest], options: argparse.Namespace, bound_us: float) -> Table:
    """One block an operation: a line for each side, a column for each size, and the growth."""
    table = Table(
        title=f"microseconds an operation: texts of {options.head_len} shared + {options.own_len} own tokens, "
        f"pages of {options.page_size} (to read a text's ids once: {bound_us:.1f})",
        title_justify="left",
    )
    table.add_column("operation / side")
    for size in options.sizes:
        table.add_column(f"{size:,} tokens", justify="right")
    table.add_column("growth", justify="right")
    for operation, meaning in OPERATIONS.items():
        table.add_row(f"[bold]{operation}[/bold] ({meaning})")
        for name in (RadixSide.name, BlockTableSide.name):
            figures = _figures(contests, name, operation)
            table.add_row(f"  {name}", *(f"{each:,.1f}" for each in figures), f"{figures[-1] / figures[0]:.2f}x")
        table.add_section()
    return table


def _figures(contests: Sequence[Contest], name: str, operation: str) -> list[float]:
    """Microseconds of an operation of one side, by size."""
    return [each.median_us(operation) for each in contests if each.side.name == name]


def _summary(contests: Sequence[Contest], options: argparse.Namespace, bound_us: float) -> list[str]:
    """One sentence an operation: its growth, and the aim."""
    lines = []
    for operation in OPERATIONS:
        ours, peer = (_figures(contests, name, operation) for name in (RadixSide.name, BlockTableSide.name))
        growth = ours[-1] / ours[0]
        verdict = "reached" if growth <= AIM else "missed"
        line = f"{operation}: {growth:.2f}x from {options.sizes[0]:,} to {options.sizes[-1]:,} tokens "
        line += f"(aim at most {AIM:g}x: {verdict}), {ours[-1] / peer[-1]:.2f}x the table's time"
        if operation != EVERY_TEXT_USED and operation != "evict":
            line += f", {ours[-1] / bound_us:.2f}x the time to read the ids"
        lines.append(line)
    return lines


def _to_json(contests: Sequence[Contest], bound_us: float) -> dict[str, Any]:
    sides = [
        {
            "side": each.side.name,
            "num_tokens": each.num_tokens,
            "hit_share": each.num_hits / (BATCH * len(each.seconds["match, hit"])),
            "median_us": {name: each.median_us(name) for name in OPERATIONS},
            "rounds_us": {name: [1e6 * value for value in each.seconds[name]] for name in OPERATIONS},
        }
        for each in contests
    ]
    return {"read_once_us": bound_us, "sides": sides}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", help="cached tokens (default: 10000 100000 1000000)")
    parser.add_argument("--quick", action="store_true", help="the same as --sizes 10000 100000 --rounds 20")
    parser.add_argument("--rounds", type=int, help="measured batches of each operation, in turns (default: 100)")
    parser.add_argument("--page-size", type=int, default=16, help="tokens in a page (default: 16)")
    parser.add_argument(
        "--head-len", type=int, default=128, help=f"tokens shared by {NUM_SHARERS} texts (default: 128)"
    )
    parser.add_argument("--own-len", type=int, default=64, help="further tokens of each text (default: 64)")
    parser.add_argument("--json", metavar="PATH", help="write all figures there; a bare NAME is results/NAME.json")
    options = parser.parse_args(arguments)
    if min(options.page_size, options.head_len, options.own_len) < 1 or options.own_len % options.page_size:
        parser.error("expected sizes >= 1, and an --own-len of whole pages")
    options.sizes = sorted(options.sizes or ((10_000, 100_000) if options.quick else (10_000, 100_000, 1_000_000)))
    options.rounds = options.rounds or (20 if options.quick else 100)
    return options


if __name__ == "__main__":
    main()
