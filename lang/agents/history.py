"""AgentHistory: the turns of an agent's chat as plain data, to be stored and gone on with."""

from typing import Literal

import msgspec

from ..errors import InvalidArgument
from ..primitives import system, user
from ..state import ProgramState

CALL_BEGIN, CALL_END = "<tool_call>", "</tool_call>"
"""The marks of Hermes and Qwen models around a call; special tokens where the model has such."""


class WrittenCall(msgspec.Struct, frozen=True):
    """A call as the model wrote it: `text` is JSON, with its spaces and number forms."""

    id: str
    text: str


class Turn(msgspec.Struct, frozen=True):
    """One turn: its parts in order, calls among them only where the assistant speaks."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[str | WrittenCall, ...]
    call_id: str | None = None
    """Of a tool's turn: the call that it answers."""

    def __post_init__(self) -> None:
        has_call = any(isinstance(part, WrittenCall) for part in self.parts)
        if has_call and self.role != "assistant":
            raise ValueError(f"expected calls of tools in turns of the assistant alone, got one of {self.role!r}")

    def replay(self, s: ProgramState) -> None:
        """Append it to the text, character by character as it was."""
        if self.role == "assistant":
            with s.assistant():
                for part in self.parts:
                    _append(s, part)
        else:
            text = "".join(part for part in self.parts if isinstance(part, str))
            if self.role == "tool":
                s.tool(text)
            else:
                s += system(text) if self.role == "system" else user(text)


class AgentHistory(msgspec.Struct, frozen=True):
    """All turns up to an answer. `agent.run(question, history=history)` goes on behind them.

    The text is resumed exactly; a model's own choice of tokens for it is not kept, so a resumed chat is tokenised as
    any text is. Tools are not part of it: the agent that goes on brings its own.
    """

    turns: tuple[Turn, ...] = ()
    version: Literal[1] = 1

    @property
    def num_calls(self) -> int:
        """Calls of tools that were made."""
        return sum(isinstance(part, WrittenCall) for turn in self.turns for part in turn.parts)

    def replay(self, s: ProgramState) -> None:
        """Append all turns to a state."""
        for turn in self.turns:
            turn.replay(s)

    def to_json(self) -> str:
        """JSON text, for `from_json`."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "AgentHistory":
        """The history of which `to_json` made `text`; raises `InvalidArgument`."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise InvalidArgument("history", "JSON that AgentHistory.to_json wrote", text, str(error)) from error


def _append(s: ProgramState, part: str | WrittenCall) -> None:
    if isinstance(part, str):
        s += part
    else:
        s.append_markup(f"{CALL_BEGIN}\n")
        s += part.text
        s.append_markup(f"\n{CALL_END}")
