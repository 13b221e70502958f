"""Programs as the command line names them: `FILE.py:NAME`, arguments as `NAME=VALUE`, and the engine to run them."""

import argparse
import inspect
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ...grammar.errors import GrammarError
from ...kernels.quantization import Quantization
from ...lang.errors import PalmetteError
from ...lang.program import Function
from ..errors import EngineError
from .command import CommandParser, UsageError, UserError

if TYPE_CHECKING:
    from ..local.embedded import Engine

RAISED = (PalmetteError, GrammarError, EngineError)
"""What palmette raises; all else comes from the user's code."""


def add_program_arguments(parser: CommandParser) -> None:
    """The program, and its arguments."""
    parser.add_argument(
        "program",
        metavar="FILE.py:NAME",
        help="a file, which is executed under another name than __main__, and the @palmette.function in it",
    )
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the program, as often as needed; of a parameter that is annotated with another type "
        "than str the value is read as JSON",
    )


def add_model_argument(parser: CommandParser) -> None:
    """Which model runs it, and how it is held."""
    parser.add_argument(
        "--model", metavar="FOLDER", help="a Hugging Face model folder (default: sprig, the embedded model)"
    )
    parser.add_argument(
        "--quantization",
        choices=get_args(Quantization),
        help="what its weights are rounded to when loaded (default: they are not)",
    )


def open_engine(options: argparse.Namespace) -> "Engine":
    """An engine with the model that was asked for."""
    from ..local.embedded import Engine  # brings torch along, which `plan` and `--help` do without

    return Engine(options.model, quantization=options.quantization)


def file_of(options: argparse.Namespace) -> str:
    """The file that the program is in."""
    return str(options.program.rpartition(":")[0])


def load_program(target: str) -> Function:
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
        raise UserError(error, path) from error
    finally:
        del sys.path[0]
    program = names.get(name)
    if not isinstance(program, Function):
        known = ", ".join(key for key, value in names.items() if isinstance(value, Function)) or "none"
        raise UsageError(f"expected a program (@palmette.function) named {name!r} in {path}; there: {known}")
    return program


def read_arguments(program: Function, given: Sequence[str]) -> dict[str, Any]:
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
    from ...grammar.types.value_type import ValueType  # only where an argument has a type

    if annotation in (str, inspect.Parameter.empty, Any):
        return text
    try:
        return ValueType.of(annotation).decode(text)
    except GrammarError as error:
        raise UsageError(f"--arg {name}={text}: {error}") from error


def check_given(program: Function, arguments: dict[str, Any]) -> None:
    """Raise `UsageError` where the program needs an argument that was not given."""
    missing = [
        name for name, each in program.parameters.items() if each.default is each.empty and name not in arguments
    ]
    if missing:
        hints = " ".join(f"--arg {name}=..." for name in missing)
        raise UsageError(f"{program.name} needs {', '.join(missing)}: add {hints}")
