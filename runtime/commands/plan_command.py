"""`palmette plan`: what a program will ask of the engine."""

import argparse

from rich.console import Console

from .command import Commands, UserError, add_command
from .program_file import (
    RAISED,
    add_model_argument,
    add_program_arguments,
    file_of,
    load_program,
    open_engine,
    read_arguments,
)


def add(commands: Commands) -> None:
    """Add the command."""
    example = "palmette plan examples/quickstart.py:review --arg text='It was cold.'"
    parser = add_command(commands, "plan", show_plan, example)
    add_program_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.add_argument(
        "--engine", action="store_true", help="load the model: count tokens, and say what enforces constraints"
    )
    add_model_argument(parser)


def show_plan(options: argparse.Namespace, out: Console) -> int:
    """Print what a program will ask of the engine."""
    program = load_program(options.program)
    arguments = read_arguments(program, options.arg)
    try:
        if options.json:
            out.print(program.plan(**arguments).to_json())
        elif options.engine or options.model is not None:
            with open_engine(options) as engine:
                out.print(program.explain(**arguments, backend=engine))
        else:
            out.print(program.explain(**arguments))
    except RAISED:
        raise
    except Exception as error:
        raise UserError(error, file_of(options)) from error
    return 0
