"""Conversation: what is said in a terminal, turn by turn."""

from collections.abc import Callable

from rich.console import Console

from .chat_source import ChatSource, Turn

HELP = "/new begins again, /system TEXT says who it is, /undo takes the last turn back, /quit or Ctrl-D ends"


class Conversation:
    """What has been said, and what may be said next."""

    def __init__(self, source: ChatSource, system: str | None, out: Console, ask: Callable[[], str]) -> None:
        """`ask` gives what the user says next; raises EOFError at the end."""
        self._source = source
        self._out = out
        self._ask = ask
        self.turns = opening(system)

    def run(self) -> None:
        """Until the user ends it."""
        while True:
            try:
                said = self._ask().strip()
            except (EOFError, KeyboardInterrupt):
                self._out.print()
                return
            if said == "/quit":
                return
            if said.startswith("/"):
                self._obey(said)
            elif said:
                self._say(said)

    def _obey(self, said: str) -> None:
        command, _, text = said.partition(" ")
        match command:
            case "/new":
                self.turns = [turn for turn in self.turns if turn.role == "system"]
                self._out.print("(a new conversation)")
            case "/system":
                self.turns = opening(text.strip() or None)
                self._out.print(
                    "(a new conversation, with that told first)" if text.strip() else "(nothing told first)"
                )
            case "/undo" if self.turns and self.turns[-1].role == "assistant":
                del self.turns[-2:]
                self._out.print("(taken back)")
            case "/undo":
                self._out.print("(nothing to take back)")
            case _:
                self._out.print(HELP)

    def _say(self, said: str) -> None:
        asked = [*self.turns, Turn("user", said)]
        answer = print_answer(self._source, asked, self._out)
        if answer:
            self.turns = [*asked, Turn("assistant", answer)]


def print_answer(source: ChatSource, turns: list[Turn], out: Console) -> str:
    """Print the answer as it comes; what there is of it, where it is interrupted."""
    pieces: list[str] = []
    try:
        for piece in source.answer(turns):
            pieces.append(piece)
            out.print(piece, end="", style="green")
    except KeyboardInterrupt:
        out.print(" (stopped)", end="")
    out.print()
    return "".join(pieces)


def opening(system: str | None) -> list[Turn]:
    return [Turn("system", system)] if system else []
