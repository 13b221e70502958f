"""OpenItem: the item of a response that is being written."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from .output_types import (
    CustomCallItem,
    FunctionCallItem,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputText,
    ReasoningItem,
    ReasoningText,
    TextLogprob,
)

ItemKind = Literal["message", "reasoning", "function_call", "custom_tool_call"]
ID_PREFIX: dict[ItemKind, str] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
}


@dataclass
class OpenItem:
    """What there is of it; `pieces` are of its text, its arguments or its input."""

    kind: ItemKind
    id: str
    name: str = ""
    call_id: str = ""
    pieces: list[str] = field(default_factory=list)
    logprobs: list[TextLogprob] = field(default_factory=list)

    def snapshot(self, status: ItemStatus) -> OutputItem:
        """As it would be sent now; an item that has just begun is sent without its parts."""
        text = "".join(self.pieces)
        is_begun = status != "in_progress"
        match self.kind:
            case "message":
                parts = (OutputText(text, logprobs=tuple(self.logprobs)),) if is_begun else ()
                return OutputMessage(self.id, status, parts)
            case "reasoning":
                return ReasoningItem(self.id, status, (ReasoningText(text),) if is_begun else ())
            case "function_call":
                return FunctionCallItem(self.id, status, self.call_id, self.name, text)
            case "custom_tool_call":
                return CustomCallItem(self.id, status, self.call_id, self.name, text)

    @property
    def is_whole_call(self) -> bool:
        """Whether it is a call of a function whose arguments are all there."""
        if self.kind != "function_call":
            return False
        try:
            msgspec.json.decode("".join(self.pieces))
        except msgspec.DecodeError:
            return False
        return True
