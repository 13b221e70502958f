"""The command line: `palmette serve | chat | run | plan | replay | check-schema | env | completion`."""

import sys
from collections.abc import Sequence

from rich.console import Console

from .commands import (
    chat_command,
    check_schema_command,
    completion_command,
    env_command,
    plan_command,
    replay_command,
    run_command,
    serve_command,
)
from .commands.command import CommandParser, UsageError, UserError, one_line
from .commands.program_file import RAISED
from .errors import InvalidOption, ModelLoadError

COMMANDS = (
    serve_command,
    chat_command,
    run_command,
    plan_command,
    replay_command,
    check_schema_command,
    env_command,
    completion_command,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0: all went well; 1: the program failed, did not run the same again, or the schema cannot be enforced; 2: what was
    typed cannot be done; 130: interrupted. What goes wrong is said in one line on standard error.
    """
    out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(options, out))
    except (UsageError, InvalidOption, ModelLoadError) as error:
        err.print(f"palmette: {one_line(str(error))}")
        return 2
    except UserError as error:
        err.print(f"palmette: {one_line(str(error))}")
        return 1
    except RAISED as error:
        err.print(f"palmette: {type(error).__name__}: {one_line(str(error))}")
        return 1
    except KeyboardInterrupt:
        err.print("palmette: interrupted")
        return 130


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="palmette",
        description="Serve a model, talk with it, and run programs that mix text with model calls: look at one before "
        "it runs, run it, run it again; and what can be enforced of a schema.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
