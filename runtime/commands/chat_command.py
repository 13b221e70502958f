"""`palmette chat`: a conversation in the terminal, streamed, with the embedded model or a server."""

import argparse
import os
from typing import TYPE_CHECKING

from rich.console import Console

from .command import Commands, UsageError, add_command
from .program_file import add_model_argument, open_engine

if TYPE_CHECKING:
    from .chat_source import ChatSource


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "chat", chat, "palmette chat --system 'You answer in one sentence.'")
    add_model_argument(parser)
    parser.add_argument("--url", metavar="URL", help="a server to talk to instead, as in http://127.0.0.1:30000")
    parser.add_argument(
        "--api-key",
        metavar="TEXT",
        default=os.environ.get("PALMETTE_API_KEY"),
        help="of that server [PALMETTE_API_KEY]",
    )
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first")
    parser.add_argument("--temperature", type=float, default=0.7, help="(default: 0.7)")
    parser.add_argument("--max-tokens", type=int, default=512, metavar="N", help="of one answer (default: 512)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same answers")
    parser.add_argument("--once", metavar="TEXT", help="say this, print the answer, and end")


def chat(options: argparse.Namespace, out: Console) -> int:
    """Talk with a model in the terminal; its answers appear as they are written.

    In the conversation: /new begins again, /system TEXT says who it is, /undo takes the last turn back, /quit or
    Ctrl-D ends. Ctrl-C stops an answer.
    """
    if options.url is not None and options.model is not None:
        raise UsageError("--url, --model: expected one of them; a server has its model")
    if options.url is not None and options.quantization is not None:
        raise UsageError("--url, --quantization: expected one of them; a server says how its model is held")
    from .chat_source import EngineChat, ServerChat  # brings an HTTP client along

    if options.url is not None:
        with ServerChat(options.url, options.api_key, options) as source:
            return _converse(source, options, out)
    with open_engine(options) as engine:
        return _converse(EngineChat(engine, options), options, out)


def _converse(source: "ChatSource", options: argparse.Namespace, out: Console) -> int:
    from .chat_conversation import HELP, Conversation, opening, print_answer
    from .chat_source import Turn

    if options.once is not None:
        print_answer(source, [*opening(options.system), Turn("user", options.once)], out)
        return 0
    out.print(f"{source.name}: {HELP}")
    Conversation(source, options.system, out, lambda: out.input("\n› ")).run()
    return 0
