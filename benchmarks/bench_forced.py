"""Measures how much of a JSON document its schema forces: the tokens that need no model, by the way it is laid out.

python benchmarks/bench_forced.py
python benchmarks/bench_forced.py --vocab 2048 32000 --layouts compact spaced 2 --json forced
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from environment import describe_environment, environment_line
from grammar_vocabulary import token_bytes_of, tokenizer_of
from result_file import write_result
from rich.console import Console
from rich.progress import track
from rich.table import Table
from schema_set.catalogue import REAL_WORLD, SCHEMAS
from schema_set.documents import documents_for
from tokenizers import Tokenizer

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.errors import GrammarError
from palmette.grammar.forced_tokens import forced_tokens
from palmette.grammar.matcher import Matcher
from palmette.grammar.spec import JsonSchema, Whitespace
from palmette.grammar.vocabulary import Vocabulary

NUM_RECENT = 4
"""Tokens before a place that are shown to the tokenizer."""


@dataclass
class Share:
    """What was forced in all documents of one layout, at one vocabulary."""

    vocab_size: int
    layout: str
    num_documents: int = 0
    num_tokens: int = 0
    num_forced: int = 0
    num_runs: int = 0
    """Places where at least one token was forced."""
    num_wrong: int = 0
    """Forced tokens that were not the document's next: the document cannot be right, or the forcing is not."""


def main() -> None:
    """Prints the table, and keeps it as JSON if told to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, nargs="+", default=[32000], help="vocabulary sizes (32000)")
    parser.add_argument("--layouts", nargs="+", default=["compact", "spaced", "2"], help="compact, spaced or an indent")
    parser.add_argument("--quick", action="store_true", help="every eighth schema")
    parser.add_argument("--json", metavar="NAME", help="write the figures to a path, or to results/NAME.json")
    arguments = parser.parse_args()
    console = Console()
    environment = describe_environment()
    console.print(environment_line(environment))
    names = REAL_WORLD[:: 8 if arguments.quick else 1]
    shares = [_measure(size, layout, names) for size in arguments.vocab for layout in arguments.layouts]
    console.print(_table(shares, len(names)))
    if arguments.json:
        result = {"environment": environment, "shares": [asdict(share) for share in shares]}
        console.print(f"written: {write_result(arguments.json, result)}")


def _measure(vocab_size: int, layout: str, names: Sequence[str]) -> Share:
    tokenizer = tokenizer_of(vocab_size)
    vocabulary = Vocabulary(token_bytes_of(tokenizer), frozenset({vocab_size - 1}))
    compiler = GrammarCompiler(vocabulary)
    whitespace: Whitespace = int(layout) if layout.isdecimal() else layout  # type: ignore[assignment] # checked by the front
    share = Share(vocab_size, layout)
    for name in track(names, f"{vocab_size:,} tokens, {layout}", transient=True):
        try:
            grammar = compiler.compile(JsonSchema(json.dumps(SCHEMAS[name]), whitespace=whitespace))
        except GrammarError:
            continue
        for document in documents_for(SCHEMAS[name]).valid:
            _walk(grammar.new_matcher(), _laid_out(json.loads(document), whitespace), tokenizer, vocabulary, share)
    return share


def _laid_out(value: Any, whitespace: Whitespace) -> str:
    if isinstance(whitespace, int):
        return json.dumps(value, ensure_ascii=False, indent=whitespace)
    separators = (",", ":") if whitespace == "compact" else (", ", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators)


def _walk(matcher: Matcher, document: str, tokenizer: Tokenizer, vocabulary: Vocabulary, share: Share) -> None:
    """Go through a document; wherever tokens are forced they are taken without being asked for."""

    def tokenize(text: str) -> list[int]:
        return list(tokenizer.encode(text).ids)

    token_ids = tokenize(document)
    share.num_documents += 1
    share.num_tokens += len(token_ids)
    place = 0
    while place < len(token_ids):
        forced = forced_tokens(matcher, token_ids[max(0, place - NUM_RECENT) : place], vocabulary, tokenize)
        if forced and forced == token_ids[place : place + len(forced)]:
            share.num_runs += 1
            share.num_forced += len(forced)
        else:
            share.num_wrong += bool(forced)
            forced = token_ids[place : place + 1]
        for token_id in forced:
            if not matcher.accept(token_id):
                return  # the document is none that this grammar writes
        place += len(forced)


def _table(shares: Sequence[Share], num_schemas: int) -> Table:
    table = Table(title=f"tokens that {num_schemas} real-world schemas force", title_justify="left")
    table.add_column("vocabulary / layout")
    for name in ("documents", "tokens", "forced", "share", "tokens a run", "wrong"):
        table.add_column(name, justify="right")
    for share in shares:
        table.add_row(
            f"{share.vocab_size:,} / {share.layout}",
            f"{share.num_documents:,}",
            f"{share.num_tokens:,}",
            f"{share.num_forced:,}",
            f"{share.num_forced / max(1, share.num_tokens):.1%}",
            f"{share.num_forced / max(1, share.num_runs):.1f}",
            str(share.num_wrong),
        )
    return table


if __name__ == "__main__":
    main()
