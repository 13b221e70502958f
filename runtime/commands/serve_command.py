"""`palmette serve`: programs, chat, tools and structured output over HTTP."""

import argparse
import os

from rich.console import Console

from ..config import EngineConfig
from .command import Commands, UsageError, add_command
from .serve_options import add_flags, read_options


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "serve", serve_model, "palmette serve --port 8000 --max-queued-requests 256")
    parser.usage = "palmette serve [OPTIONS]"  # there are too many to list twice
    add_flags(parser)


def serve_model(options: argparse.Namespace, out: Console) -> int:
    """Serve a model over HTTP, by OpenAI's and SGLang's interfaces, until SIGTERM or Ctrl-C.

    Each option may also stand in a file (--config) or in the environment, by the name in brackets. A flag goes before
    the environment, and that before the file. SIGTERM: nothing new is let in, what is at work has --drain-seconds to
    end, then it is aborted; the exit status is 0. A second one does not wait.
    """
    told = read_options(options, os.environ)
    EngineConfig.from_options(**told.engine)  # what is wrong is said before anything is loaded
    from ..server.serve import PortTaken, serve  # brings the web framework along

    try:
        serve(told.engine, told.settings, out)
    except PortTaken as error:
        raise UsageError(str(error)) from error
    return 0
