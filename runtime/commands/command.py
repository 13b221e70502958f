"""What a command of the command line is: a parser of its own and a function; what was typed wrong is one line."""

import argparse
import inspect
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from rich.console import Console

CommandFunction = Callable[[argparse.Namespace, Console], int]
"""Does the work and returns the exit status. Its docstring is its help text."""


class UsageError(Exception):
    """What was typed cannot be done; the message is for whoever typed it."""


class UserError(Exception):
    """The code in the user's `file` raised `cause`; said in a line, with where in that file it was."""

    def __init__(self, cause: Exception, file: str) -> None:
        place, traceback = "", cause.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == file:
                place = f", at {file}:{traceback.tb_lineno}"
            traceback = traceback.tb_next
        super().__init__(f"{type(cause).__name__}: {cause}{place}")


class CommandParser(argparse.ArgumentParser):
    """Wrong input is one line, whoever finds it wrong."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


Commands: TypeAlias = Any
"""Where commands are added: what `add_subparsers` gives, whose type argparse keeps to itself."""


def add_command(commands: Commands, name: str, function: CommandFunction, example: str) -> CommandParser:
    """A parser for a command, to which its arguments are to be added."""
    about = inspect.getdoc(function) or ""
    parser: CommandParser = commands.add_parser(
        name,
        help=about[0].lower() + about[1:].partition("\n")[0].rstrip("."),
        description=about,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # the example stays one line, to be copied
    )
    parser.set_defaults(command=function)
    return parser


def one_line(text: str) -> str:
    """The text with each run of white space as one blank."""
    return " ".join(text.split())
