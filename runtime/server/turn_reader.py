"""TurnReader: what a model writes in its turn, as text and calls of tools in the form that clients read."""

import json
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ...grammar.spec import ToolCalls
from ...grammar.tool_calls.call_events import (
    ArgumentsDelta,
    CallEnded,
    CallEvent,
    CallStarted,
    ReasoningDelta,
    TextDelta,
)
from ...grammar.tool_calls.call_format import format_of
from ...grammar.tool_calls.call_parser import CallParser, MalformedCall
from .custom_input import CustomInput


@dataclass(frozen=True, slots=True)
class TurnText:
    """More of the text outside of calls."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnReasoning:
    """More of the thoughts before the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnCall:
    """A call has begun; `index` counts those of the turn from 0."""

    index: int
    call_id: str
    name: str
    is_custom: bool


@dataclass(frozen=True, slots=True)
class TurnArguments:
    """More of what call `index` says: JSON of a function, of a custom tool its text."""

    index: int
    text: str
    is_custom: bool = False


TurnPart = TurnText | TurnReasoning | TurnCall | TurnArguments


class TurnReader:
    """Reads a turn as it comes; what it gives for the pieces of a text is, put together, what it gives for the whole.

    White space between calls belongs to how they are written, and is left out; without calls the text is left as it is.
    """

    def __init__(self, constraint: ToolCalls | None, custom_names: Collection[str] = ()) -> None:
        """`constraint` None: all is text."""
        self._parser = None if constraint is None else CallParser(constraint)
        self._is_json = constraint is None or format_of(constraint.format).style == "json"
        self._custom_names = custom_names
        self._space = ""
        self._custom: CustomInput | None = None
        self.num_calls = 0
        """Calls that have begun."""

    def feed(self, text: str) -> list[TurnPart]:
        """What came of more text."""
        if self._parser is None:
            return [TurnText(text)] if text else []
        return _joined(part for event in self._parser.feed(text) for part in self._parts(event))

    def finish(self) -> list[TurnPart]:
        """The turn has ended, in the middle of a call where its length was all used up."""
        if self._parser is None:
            return []
        try:
            events = self._parser.finish()
        except MalformedCall:
            events = []  # cut: what there is of the call has been told
        parts = [part for event in events for part in self._parts(event)]
        if self._space and not self.num_calls:
            parts.append(TurnText(self._space))
        self._space = ""
        return _joined(iter(parts))

    def _parts(self, event: CallEvent) -> Iterator[TurnPart]:
        match event:
            case TextDelta(text):
                text = self._space + text
                body = text.rstrip()
                self._space = text[len(body) :]
                if body:
                    yield TurnText(body)
            case ReasoningDelta(text):
                yield TurnReasoning(text)
            case CallStarted(index, name):
                self._space = ""
                self.num_calls += 1
                self._custom = CustomInput() if name in self._custom_names else None
                yield TurnCall(index, f"call_{uuid.uuid4().hex[:24]}", name, self._custom is not None)
            case ArgumentsDelta(index, text) if self._is_json:
                text = text if self._custom is None else self._custom.feed(text)
                if text:
                    yield TurnArguments(index, text, self._custom is not None)
            case CallEnded(index, call) if not self._is_json:
                is_custom = self._custom is not None
                text = str(call.arguments["input"]) if is_custom else json.dumps(call.arguments, ensure_ascii=False)
                yield TurnArguments(index, text, is_custom)
            case _:
                pass


def _joined(parts: Iterator[TurnPart]) -> list[TurnPart]:
    """Texts that come one after another as one."""
    joined: list[TurnPart] = []
    for part in parts:
        match joined[-1:], part:
            case [TurnText(before)], TurnText(text):
                joined[-1] = TurnText(before + text)
            case [TurnArguments(index, before, is_custom)], TurnArguments(_, text):
                joined[-1] = TurnArguments(index, before + text, is_custom)
            case _:
                joined.append(part)
    return joined
