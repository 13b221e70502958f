"""Times constraints and counts what they let through: palmette, xgrammar, llguidance and outlines-core in one run.

All times are CPU time of the thread that asks, so that what else the machine does counts less.

python benchmarks/bench_grammar.py
python benchmarks/bench_grammar.py --quick
python benchmarks/bench_grammar.py --vocab 32000 128000 --engines palmette llguidance --json grammar
"""

import argparse
import gc
import importlib.metadata
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from environment import describe_environment, environment_line
from grammar_memory import memory_of_cache
from grammar_peers import Engine, LLGuidance, OutlinesCore, Palmette, Refused, Walk, XGrammar, empty_row
from grammar_vocabulary import token_bytes_of, tokenizer_of
from result_file import write_result
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from schema_set.catalogue import SCHEMAS
from schema_set.documents import Documents, documents_for
from tokenizers import Tokenizer

from palmette.grammar.bitmask import is_allowed
from palmette.grammar.vocabulary import Vocabulary

ENGINES = {"palmette": Palmette, "llguidance": LLGuidance, "xgrammar": XGrammar, "outlines-core": OutlinesCore}
NUM_OUTLINES = 20
"""outlines-core builds an automaton over all tokens for each schema, seconds long: it gets so many of them."""


@dataclass
class Figures:
    """What one engine did with all schemas, at one vocabulary."""

    engine: str
    vocab_size: int
    num_schemas: int = 0
    num_compiled: int = 0
    num_valid: int = 0
    num_valid_accepted: int = 0
    num_invalid: int = 0
    num_invalid_rejected: int = 0
    first_mask_s: list[float] = field(default_factory=list)
    """From the schema's text to the first mask, once a schema that it compiles."""
    mask_s: list[float] = field(default_factory=list)
    """Each mask on the way through the valid documents."""
    accept_s: list[float] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    let_through: list[str] = field(default_factory=list)
    turned_away: list[str] = field(default_factory=list)


class Bench:
    """One engine on its way through the schemas."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        self.engine = engine
        self.figures = Figures(engine.name, vocabulary.vocab_size)
        self._tokenizer = tokenizer
        self._row = empty_row(vocabulary)

    def run(self, name: str, schema: dict[str, Any], documents: Documents) -> None:
        """Compile one schema and walk its documents."""
        figures = self.figures
        figures.num_schemas += 1
        start = time.thread_time()
        try:
            begin = self.engine.compile(schema)
            begin().fill(self._row)
            figures.first_mask_s.append(time.thread_time() - start)
            begin = self.engine.compile_free(schema) or begin
        except Refused as error:
            figures.refused[name] = str(error)[:200]
            return
        figures.num_compiled += 1
        for document in documents.valid:
            figures.num_valid += 1
            if self._accepts(begin(), document, is_timed=True):
                figures.num_valid_accepted += 1
            else:
                figures.turned_away.append(f"{name}: {document[:200]}")
        for document in documents.invalid:
            figures.num_invalid += 1
            if self._accepts(begin(), document, is_timed=False):
                figures.let_through.append(f"{name}: {document[:200]}")
            else:
                figures.num_invalid_rejected += 1

    def _accepts(self, walk: Walk, document: str, *, is_timed: bool) -> bool:
        for token_id in self._tokenizer.encode(document).ids:
            start = time.thread_time()
            walk.fill(self._row)
            filled = time.thread_time()
            if not is_allowed(self._row, token_id):
                return False
            asked = time.thread_time()
            if not walk.accept(token_id):
                return False
            if is_timed:
                self.figures.accept_s.append(time.thread_time() - asked)
                self.figures.mask_s.append(filled - start)
        return walk.may_end()


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs all, prints the tables, and keeps them as JSON if told to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, nargs="+", default=[32000], help="vocabulary sizes (32000)")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="which (all)")
    parser.add_argument("--schemas", nargs="+", metavar="NAME", help="only these, by group/name (all)")
    parser.add_argument("--quick", action="store_true", help="every eighth schema, without outlines-core")
    parser.add_argument("--cached", type=int, default=1000, help="grammars to keep, to see the memory (1000); 0: none")
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
        these = _run_all(console, tokenizer, vocabulary, names, engines)
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
    console: Console, tokenizer: Tokenizer, vocabulary: Vocabulary, names: Sequence[str], engines: Sequence[str]
) -> list[Figures]:
    documents = {name: documents_for(SCHEMAS[name]) for name in names}
    figures = []
    with Progress(console=console, transient=True) as progress:
        for engine_name in engines:
            bench = Bench(ENGINES[engine_name](vocabulary), tokenizer, vocabulary)
            mine = names[:: max(1, len(names) // NUM_OUTLINES)] if engine_name == "outlines-core" else names
            task = progress.add_task(engine_name, total=len(mine))
            gc.collect()
            gc.disable()
            for name in mine:
                bench.run(name, SCHEMAS[name], documents[name])
                progress.advance(task)
            gc.enable()
            figures.append(bench.figures)
    return figures


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
