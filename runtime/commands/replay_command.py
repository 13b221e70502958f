"""`palmette replay`: what a trace holds, once more, and whether it comes out the same."""

import argparse
from pathlib import Path

from rich.console import Console

from ...lang.errors import InvalidArgument
from ...lang.traces.record import Record
from ...lang.traces.replay import differences, replay
from .command import Commands, UsageError, add_command
from .program_file import add_model_argument, open_engine


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "replay", replay_trace, "palmette replay review.jsonl")
    parser.add_argument("trace", metavar="TRACE.jsonl", help="what `palmette run --jsonl` wrote")
    add_model_argument(parser)


def replay_trace(options: argparse.Namespace, out: Console) -> int:
    """Run what a trace holds again, with the same seeds, and compare."""
    path = Path(options.trace)
    try:
        record = Record.load(path)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}; expected a trace that `palmette run --jsonl` wrote"
        ) from error
    except InvalidArgument as error:
        raise UsageError(f"{path}: expected a trace that `palmette run --jsonl` wrote: {error}") from error
    with open_engine(options) as engine:
        found = differences(record, replay(record, engine))
    for difference in found:
        out.print(str(difference))
    num_tokens = sum(len(sample.token_ids) for _, each in record.operations() for sample in each.samples)
    if not found:
        out.print(f"the same: {len(record.branches)} branches, {num_tokens} generated tokens")
    return 1 if found else 0
