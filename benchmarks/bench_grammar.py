"""Times constraints and counts what they let through: palmette, xgrammar, llguidance and outlines-core in one run.

python benchmarks/bench_grammar.py
python benchmarks/bench_grammar.py --quick
python benchmarks/bench_grammar.py --vocab 32000 128000 --engines palmette llguidance --json grammar
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from environment import describe_environment, environment_line
from grammar_peers import Engine, LLGuidance, OutlinesCore, Palmette, Refused, Walk, XGrammar, empty_row
from grammar_vocabulary import token_bytes_of, tokenizer_of
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from schema_set.catalogue import REAL_WORLD, SCHEMAS
from schema_set.documents import Documents, documents_for
from tokenizers import Tokenizer

from palmette.grammar.bitmask import is_allowed
from palmette.grammar.vocabulary import Vocabulary

ENGINES = {"palmette": Palmette, "llguidance": LLGuidance, "xgrammar": XGrammar, "outlines-core": OutlinesCore}
RESULTS = Path(__file__).parent / "results"
NUM_OUTLINES = 40
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
        start = time.perf_counter()
        try:
            walk = self.engine.start(schema)
        except Refused as error:
            figures.refused[name] = str(error)[:200]
            return
        walk.fill(self._row)
        figures.first_mask_s.append(time.perf_counter() - start)
        figures.num_compiled += 1
        for document in documents.valid:
            figures.num_valid += 1
            if self._accepts(self.engine.start(schema), document, is_timed=True):
                figures.num_valid_accepted += 1
            else:
                figures.turned_away.append(f"{name}: {document[:200]}")
        for document in documents.invalid:
            figures.num_invalid += 1
            if self._accepts(self.engine.start(schema), document, is_timed=False):
                figures.let_through.append(f"{name}: {document[:200]}")
            else:
                figures.num_invalid_rejected += 1

    def _accepts(self, walk: Walk, document: str, *, is_timed: bool) -> bool:
        for token_id in self._tokenizer.encode(document).ids:
            start = time.perf_counter()
            walk.fill(self._row)
            filled = time.perf_counter()
            if not is_allowed(self._row, token_id) or not walk.accept(token_id):
                return False
            if is_timed:
                self.figures.mask_s.append(filled - start)
                self.figures.accept_s.append(time.perf_counter() - filled)
        return walk.may_end()


def main() -> None:
    """Runs all, prints the tables, and keeps them as JSON if told to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, nargs="+", default=[32000], help="vocabulary sizes (32000)")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="which (all)")
    parser.add_argument("--quick", action="store_true", help="every eighth schema, without outlines-core")
    parser.add_argument("--show", action="store_true", help="list what was refused, let through and turned away")
    parser.add_argument("--json", metavar="NAME", help=f"write {RESULTS.name}/NAME.json as well")
    arguments = parser.parse_args()
    console = Console()
    environment = describe_environment()
    console.print(environment_line(environment))
    names = list(SCHEMAS)[:: 8 if arguments.quick else 1]
    engines = [name for name in arguments.engines if not (arguments.quick and name == "outlines-core")]
    results = []
    for vocab_size in arguments.vocab:
        figures = _run_all(console, vocab_size, names, engines)
        console.print(_table(figures))
        results += figures
    if arguments.show:
        for each in results:
            _show(console, each)
    if arguments.json:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{arguments.json}.json"
        path.write_text(
            json.dumps({"environment": environment, "figures": [_plain(each) for each in results]}, indent=1)
        )
        console.print(f"written: {path}")


def _run_all(console: Console, vocab_size: int, names: Sequence[str], engines: Sequence[str]) -> list[Figures]:
    with console.status(f"a vocabulary of {vocab_size:,} tokens (trained once, then kept)"):
        tokenizer = tokenizer_of(vocab_size)
        vocabulary = Vocabulary(token_bytes_of(tokenizer), frozenset({vocab_size - 1}))
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
    title = f"{figures[0].vocab_size:,} tokens, {figures[0].num_schemas} schemas ({len(REAL_WORLD)} real-world of {len(SCHEMAS)})"
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
