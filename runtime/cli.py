"""The command line: `palmette plan | run | replay`."""

import argparse
import inspect
import runpy
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

from ..grammar.errors import GrammarError
from ..lang.errors import InvalidArgument, PalmetteError
from ..lang.program import Function
from ..lang.state import ProgramState
from ..lang.traces.record import Record
from ..lang.traces.replay import differences, replay
from .errors import EngineError, InvalidOption, ModelLoadError

if TYPE_CHECKING:
    from .embedded import Engine

_RAISED = (PalmetteError, GrammarError, EngineError)


class UsageError(Exception):
    """What was typed cannot be done; the message is for whoever typed it."""


class _UserError(Exception):
    """The code in the user's `file` raised `cause`; said in a line, with where in that file it was."""

    def __init__(self, cause: Exception, file: str) -> None:
        place, traceback = "", cause.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == file:
                place = f", at {file}:{traceback.tb_lineno}"
            traceback = traceback.tb_next
        super().__init__(f"{type(cause).__name__}: {cause}{place}")


class _Parser(argparse.ArgumentParser):
    """Wrong input is one line, whoever finds it wrong."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0: all went well; 1: the program failed, or did not run the same again; 2: what was typed cannot be done;
    130: interrupted. What goes wrong is said in one line on standard error.
    """
    out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(options, out))
    except (UsageError, InvalidOption, ModelLoadError) as error:
        err.print(f"palmette: {_one_line(str(error))}")
        return 2
    except _UserError as error:
        err.print(f"palmette: {_one_line(str(error))}")
        return 1
    except _RAISED as error:
        err.print(f"palmette: {type(error).__name__}: {_one_line(str(error))}")
        return 1
    except KeyboardInterrupt:
        err.print("palmette: interrupted")
        return 130


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plan(options: argparse.Namespace, out: Console) -> int:
    """Print what a program will ask of the engine."""
    program = _load(options.program)
    arguments = _arguments(program, options.arg)
    try:
        if options.json:
            out.print(program.plan(**arguments).to_json())
        elif options.model is not None:
            with _engine(options) as engine:
                out.print(program.explain(**arguments, backend=engine))
        else:
            out.print(program.explain(**arguments))
    except _RAISED:
        raise
    except Exception as error:
        raise _UserError(error, _file(options)) from error
    return 0


def _run(options: argparse.Namespace, out: Console) -> int:
    """Run a program and print its text; write its trace where asked to, also if it fails."""
    program = _load(options.program)
    arguments = _arguments(program, options.arg)
    _check_given(program, arguments)
    seed = secrets.randbits(32) if options.seed is None else options.seed  # drawn here, so that the trace has it
    with _engine(options) as engine:
        state = program.run(**arguments, backend=engine, seed=seed, stream=True)
        try:
            state.sync()
            out.print(state.text())
            if state.ret_value is not None:
                out.print(f"returned: {state.ret_value!r}")
        except _RAISED:
            raise
        except Exception as error:
            raise _UserError(error, _file(options)) from error
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


def _replay(options: argparse.Namespace, out: Console) -> int:
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
    with _engine(options) as engine:
        found = differences(record, replay(record, engine))
    for difference in found:
        out.print(str(difference))
    num_tokens = sum(len(sample.token_ids) for _, each in record.operations() for sample in each.samples)
    if not found:
        out.print(f"the same: {len(record.branches)} branches, {num_tokens} generated tokens")
    return 1 if found else 0


def _engine(options: argparse.Namespace) -> "Engine":
    from .embedded import Engine  # brings torch along, which `plan` and `--help` do without

    return Engine(options.model)


def _file(options: argparse.Namespace) -> str:
    return str(options.program.rpartition(":")[0])


def _load(target: str) -> Function:
    """The program that `file.py:name` names."""
    path, _, name = target.rpartition(":")
    if not path or not name:
        raise UsageError(f"expected file.py:name, a file and a program in it, got {target!r}")
    if not Path(path).is_file():
        raise UsageError(f"expected a Python file, found none at {path!r}")
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        names = runpy.run_path(path, run_name="<palmette>")
    except Exception as error:
        raise _UserError(error, path) from error
    finally:
        del sys.path[0]
    program = names.get(name)
    if not isinstance(program, Function):
        known = ", ".join(key for key, value in names.items() if isinstance(value, Function)) or "none"
        raise UsageError(f"expected a program (@palmette.function) named {name!r} in {path}; there: {known}")
    return program


def _arguments(program: Function, given: Sequence[str]) -> dict[str, Any]:
    """`name=value` pairs, each value read as what the parameter is annotated with, else as text."""
    parameters = program.parameters
    arguments: dict[str, Any] = {}
    for pair in given:
        name, has_value, text = pair.partition("=")
        if not has_value or name not in parameters:
            known = ", ".join(parameters) or "none"
            raise UsageError(f"--arg: expected name=value with a name of {known}, got {pair!r}")
        arguments[name] = _read(name, text, parameters[name].annotation)
    return arguments


def _read(name: str, text: str, annotation: Any) -> Any:
    """The value that `text` writes: as it is for a `str`, else JSON that is of the type."""
    from ..grammar.types.value_type import ValueType  # only where an argument has a type

    if annotation in (str, inspect.Parameter.empty, Any):
        return text
    try:
        return ValueType.of(annotation).decode(text)
    except GrammarError as error:
        raise UsageError(f"--arg {name}={text}: {error}") from error


def _check_given(program: Function, arguments: dict[str, Any]) -> None:
    missing = [
        name for name, each in program.parameters.items() if each.default is each.empty and name not in arguments
    ]
    if missing:
        hints = " ".join(f"--arg {name}=..." for name in missing)
        raise UsageError(f"{program.name} needs {', '.join(missing)}: add {hints}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="palmette",
        description="Programs that mix text with model calls: look at one before it runs, run it, run it again.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    plan = _command(commands, "plan", _plan, "palmette plan examples/quickstart.py:review --arg text='It was cold.'")
    run = _command(
        commands, "run", _run, "palmette run examples/quickstart.py:review --arg text=Fine --trace review.html"
    )
    again = _command(commands, "replay", _replay, "palmette replay review.jsonl")
    for each in (plan, run):
        each.add_argument(
            "program",
            metavar="FILE.py:NAME",
            help="a file, which is executed under another name than __main__, and the @palmette.function in it",
        )
        each.add_argument(
            "--arg",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="an argument of the program, as often as needed; of a parameter that is annotated with another type "
            "than str the value is read as JSON",
        )
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    run.add_argument("--trace", metavar="FILE.html", help="write what ran as a page to look at")
    run.add_argument("--jsonl", metavar="FILE.jsonl", help="write what ran as data, for `palmette replay`")
    run.add_argument(
        "--seed", type=int, help="the key of all noise; the same seed gives the same tokens (default: drawn)"
    )
    again.add_argument("trace", metavar="TRACE.jsonl", help="what `palmette run --jsonl` wrote")
    for each in (plan, run, again):
        each.add_argument(
            "--model", metavar="FOLDER", help="a Hugging Face model folder (default: sprig, the embedded model)"
        )
    return parser


def _command(commands: Any, name: str, command: Any, example: str) -> argparse.ArgumentParser:
    about = inspect.getdoc(command) or ""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about[0].lower() + about[1:].rstrip("."),
        description=about,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # the example stays one line, to be copied
    )
    parser.set_defaults(command=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
