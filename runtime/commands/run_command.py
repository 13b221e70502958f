"""`palmette run`: a program from its first operation to its last, with its trace."""

import argparse
import secrets
from pathlib import Path

from rich.console import Console

from ...lang.state import ProgramState
from ...lang.traces.record import Record
from .command import Commands, UsageError, UserError, add_command
from .program_file import (
    RAISED,
    add_model_argument,
    add_program_arguments,
    check_given,
    file_of,
    load_program,
    open_engine,
    read_arguments,
)


def add(commands: Commands) -> None:
    """Add the command."""
    example = "palmette run examples/quickstart.py:review --arg text=Fine --trace review.html"
    parser = add_command(commands, "run", run_program, example)
    add_program_arguments(parser)
    parser.add_argument("--trace", metavar="FILE.html", help="write what ran as a page to look at")
    parser.add_argument("--jsonl", metavar="FILE.jsonl", help="write what ran as data, for `palmette replay`")
    parser.add_argument(
        "--seed", type=int, help="the key of all noise; the same seed gives the same tokens (default: drawn)"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long the program may take once the model is loaded (default: for ever)",
    )
    add_model_argument(parser)


def run_program(options: argparse.Namespace, out: Console) -> int:
    """Run a program and print its text; write its trace where asked to, also if it fails."""
    program = load_program(options.program)
    arguments = read_arguments(program, options.arg)
    check_given(program, arguments)
    seed = secrets.randbits(32) if options.seed is None else options.seed  # drawn here, so that the trace has it
    with open_engine(options) as engine:
        state = program.run(**arguments, backend=engine, seed=seed, timeout_s=options.timeout, stream=True)
        try:
            state.sync()
            out.print(state.text())
            if state.ret_value is not None:
                out.print(f"returned: {state.ret_value!r}")
        except RAISED:
            raise
        except Exception as error:
            raise UserError(error, file_of(options)) from error
        finally:
            _write_trace(state, options, out)
    return 0


def _write_trace(state: ProgramState, options: argparse.Namespace, out: Console) -> None:
    writing = ((options.trace, Record.to_html), (options.jsonl, Record.to_jsonl))
    for path, write in writing:
        if path is None:
            continue
        try:
            Path(path).write_text(write(state.trace()), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        out.print(f"written: {path}")


def _seconds(text: str) -> float:
    """What `--timeout` is given."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"expected a number of seconds > 0, got {text!r}")
    return seconds
