"""Times constraints and counts what they let through: palmette, xgrammar, llguidance and outlines-core in one run.

All times are CPU time of the thread that asks, so that what else the machine does counts less.

python benchmarks/bench_grammar.py
python benchmarks/bench_grammar.py --quick
python benchmarks/bench_grammar.py --vocab 32000 128000 --engines palmette llguidance --json grammar
"""

import argparse
import importlib.metadata
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from environment import describe_environment, environment_line
from grammar_figures import Figures
from grammar_memory import memory_of_cache
from grammar_peers import LLGuidance, OutlinesCore, Palmette, XGrammar
from grammar_vocabulary import token_bytes_of, tokenizer_of
from grammar_walk import Bench
from grammar_worker import GrammarWorker
from result_file import write_result
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from schema_set.catalogue import SCHEMAS
from schema_set.documents import documents_for
from tokenizers import Tokenizer

from palmette.grammar.vocabulary import Vocabulary

ENGINES = {"palmette": Palmette, "llguidance": LLGuidance, "xgrammar": XGrammar, "outlines-core": OutlinesCore}
NUM_OUTLINES = 20
"""outlines-core builds an automaton over all tokens for each schema, seconds long: it gets about so many of them."""


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs all, prints the tables, and keeps them as JSON if told to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, nargs="+", default=[32000], help="vocabulary sizes (32000)")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="which (all)")
    parser.add_argument("--schemas", nargs="+", metavar="NAME", help="only these, by group/name (all)")
    parser.add_argument("--quick", action="store_true", help="every eighth schema, without outlines-core")
    parser.add_argument("--cached", type=int, default=1000, help="grammars to keep, to see the memory (1000); 0: none")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that one schema may take an engine (60)")
    parser.add_argument("--show", action="store_true", help="list what was refused, let through and turned away")
    parser.add_argument("--json", metavar="NAME", help="write results/NAME.json, or a path, as well")
    options = parser.parse_args(arguments)
    console = Console()
    packages = ("xgrammar", "llguidance", "outlines-core")
    environment = describe_environment() | {name: importlib.metadata.version(name) for name in packages}
    environment["load"] = f"{os.getloadavg()[0]:.1f} at the start"
    console.print(environment_line(environment))
    names = options.schemas or list(SCHEMAS)[:: 8 if options.quick else 1]
    engines = [name for name in options.engines if not (options.quick and name == "outlines-core")]
    figures = []
    memory = []
    for vocab_size in options.vocab:
        with console.status(f"a vocabulary of {vocab_size:,} tokens (trained once, then kept)"):
            tokenizer = tokenizer_of(vocab_size)
            token_bytes = token_bytes_of(tokenizer)
            vocabulary = Vocabulary(token_bytes, frozenset({len(token_bytes) - 1}))
        if options.cached:
            memory.append(memory_of_cache(vocabulary, options.cached))
            console.print(str(memory[-1]))
        these = _run_all(console, tokenizer, vocabulary, names, engines, options.limit)
        console.print(_table(these))
        figures += these
    if options.show:
        for each in figures:
            _show(console, each)
    result = {
        "environment": environment,
        "figures": [_plain(each) for each in figures],
        "memory": [asdict(each) for each in memory],
    }
    if options.json:
        console.print(f"written: {write_result(options.json, result)}")
    return result


def _run_all(
    console: Console,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    names: Sequence[str],
    engines: Sequence[str],
    limit_s: float,
) -> list[Figures]:
    figures = []
    with Progress(console=console, transient=True) as progress:
        for engine_name in engines:
            mine = names[:: max(1, len(names) // NUM_OUTLINES)] if engine_name == "outlines-core" else names
            task = progress.add_task(engine_name, total=len(mine))
            figures.append(
                _run_engine(engine_name, tokenizer, vocabulary, mine, limit_s, partial(progress.advance, task))
            )
    return figures


def _run_engine(
    engine_name: str,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    names: Sequence[str],
    limit_s: float,
    advance: Callable[[], None],
) -> Figures:
    engine = ENGINES[engine_name](vocabulary)

    def walk(name: str) -> Figures:
        bench = Bench(engine, tokenizer, vocabulary)
        bench.run(name, SCHEMAS[name], documents_for(SCHEMAS[name]))
        return bench.figures

    total = Figures(engine_name, vocabulary.vocab_size)
    worker = GrammarWorker(walk, limit_s)
    for name in names:
        one = worker.run(name)
        total.add(one or Figures(engine_name, vocabulary.vocab_size, 1, refused={name: f"not done in {limit_s:g} s"}))
        advance()
    worker.close()
    return total


def _table(figures: Sequence[Figures]) -> Table:
    title = f"{figures[0].vocab_size:,} tokens, {figures[0].num_schemas} schemas; CPU time of the thread"
    table = Table(title=title, title_justify="left")
    table.add_column("engine")
    for name in ("compiles", "valid accepted", "invalid rejected"):
        table.add_column(name, justify="right")
    for name in ("first mask p50 / p95 / max", "mask p50 / p99", "accept p50 / p99"):
        table.add_column(name, justify="right")
    for each in figures:
        table.add_row(
            each.engine,
            f"{each.num_compiled}/{each.num_schemas}",
            f"{each.num_valid_accepted}/{each.num_valid}",
            f"{each.num_invalid_rejected}/{each.num_invalid}",
            " / ".join(_milliseconds(_quantile(each.first_mask_s, share)) for share in (0.5, 0.95, 1)),
            " / ".join(_microseconds(_quantile(each.mask_s, share)) for share in (0.5, 0.99)),
            " / ".join(_microseconds(_quantile(each.accept_s, share)) for share in (0.5, 0.99)),
        )
    return table


def _show(console: Console, figures: Figures) -> None:
    for name, reason in figures.refused.items():
        console.print(f"{figures.engine} refuses {name}: {reason}", markup=False, highlight=False)
    for verb, lines in (("lets through", figures.let_through), ("turns away", figures.turned_away)):
        for line in lines:
            console.print(f"{figures.engine} {verb} {line}", markup=False, highlight=False)


def _plain(figures: Figures) -> dict[str, Any]:
    """The counts, and quantiles in place of the single times."""
    plain = asdict(figures)
    for name in ("first_mask_s", "mask_s", "accept_s"):
        times = plain.pop(name)
        plain[name] = {f"p{100 * share:g}": _quantile(times, share) for share in (0.5, 0.95, 0.99, 1)}
        plain[name]["mean"] = statistics.fmean(times) if times else None
    return plain


def _quantile(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:,.2f} ms"


def _microseconds(seconds: float) -> str:
    return f"{1e6 * seconds:,.1f} us"


if __name__ == "__main__":
    main()
