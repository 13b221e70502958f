"""CallParser: what a model writes, read as it comes into text, reasoning and calls of tools."""

import json

from ..errors import shorten
from ..spec import ToolCalls
from .argument_scan import ArgumentScan
from .call_events import (
    ArgumentsDelta,
    CallEnded,
    CallEvent,
    CallStarted,
    ParsedCall,
    ReasoningDelta,
    ReasoningEnded,
    TextDelta,
)
from .call_format import format_of
from .call_turn import readable_turn
from .python_values import parse_python_arguments
from .turn_state import Role, TurnState


class MalformedCall(ValueError):
    """A text has begun a call and does not go on as one; `position` counts the characters of the turn from 0.

    What was generated under the constraint never raises it, unless it was cut.
    """

    def __init__(self, position: int, expected: str, got: str) -> None:
        self.position = position
        super().__init__(f"tool call: expected {expected} at character {position} of the turn, got {got}")


class CallParser:
    """Walks the automaton of the turn: one step for each character, nothing is ever read twice.

    Whatever stands outside of calls is text; so is what may have been the beginning of a call and was not. From
    where a call has surely begun it must go on as one, or `MalformedCall` is raised. The choice of tools, and whether
    there may be several calls, is not asked here: a call of any of the tools is read wherever it stands.
    """

    def __init__(self, constraint: ToolCalls) -> None:
        self._style = format_of(constraint.format).style
        self._state, self._text_state = readable_turn(constraint)
        self._held = ""
        """Characters that may be the beginning of a mark."""
        self._scan: ArgumentScan | None = None
        self._arguments: list[str] = []
        self._position = 0
        self._events: list[CallEvent] = []
        self._delta: list[str] = []
        """What is to become the next delta, of one kind."""
        self._calls: list[ParsedCall] = []
        self._is_in_call = False

    @property
    def calls(self) -> tuple[ParsedCall, ...]:
        """The whole calls so far."""
        return tuple(self._calls)

    def feed(self, text: str) -> list[CallEvent]:
        """What came of the next characters; deltas may be shorter than what was fed, as a mark may have begun."""
        for character in text:
            self._read(character)
            self._position += 1
        return self._take_events()

    def finish(self) -> list[CallEvent]:
        """The turn has ended: what was held is text. Raises `MalformedCall` inside a call."""
        if self._state.role is Role.MARKUP and not self._state.is_final:
            raise MalformedCall(self._position, self._expectation(), "the end of the turn")
        self._delta.append(self._held)
        self._held = ""
        return self._take_events()

    def _read(self, character: str) -> None:
        if self._scan is not None and self._read_argument(character):
            return
        state = self._state
        following = state.step(character)
        if state.role is Role.MARKUP:
            if following is None and not state.is_final:
                raise MalformedCall(self._position, self._expectation(), repr(character))
            if following is None:  # text after the last call
                state, following = self._text_state, self._text_state.step(character)
                self._state = state
            else:
                self._go(following)
                return
        self._read_text(state, following, character)

    def _read_text(self, state: TurnState, following: TurnState | None, character: str) -> None:
        """In text or reasoning; a mark that leads nowhere, as it stands where none is meant, is text."""
        self._held += character
        if following is None:
            following = self._text_state
        elif following.role is not state.role:
            self._held = ""  # the mark itself
            self._flush()
            if state.role is Role.REASONING:
                self._events.append(ReasoningEnded())
            self._go(following)
            return
        num_free = len(self._held) - following.held_len
        self._delta.append(self._held[:num_free])
        self._held = self._held[num_free:]
        self._state = following

    def _go(self, state: TurnState) -> None:
        self._state = state
        if state.body is not None:
            self._scan = ArgumentScan(self._style)
            self._arguments = []
            self._events.append(CallStarted(len(self._calls), state.body.key))

    def _read_argument(self, character: str) -> bool:
        """Whether the character was part of the arguments."""
        assert self._scan is not None, "asked within arguments alone"
        if self._scan.ends_before(character):
            self._end_call()
            return False
        try:
            self._scan = self._scan.step(character)
        except ValueError as error:
            raise MalformedCall(self._position, str(error), repr(character)) from error
        self._arguments.append(character)
        self._delta.append(character)
        if self._scan is None:
            self._end_call()
        return True

    def _end_call(self) -> None:
        body = self._state.body
        assert body is not None, "a call ends where its arguments do"
        self._flush()
        self._scan = None
        self._state = body.next
        text = "".join(self._arguments)
        call = ParsedCall(body.key, self._parsed(text))
        self._events.append(CallEnded(len(self._calls), call))
        self._calls.append(call)

    def _parsed(self, text: str) -> dict[str, object]:
        try:
            value = parse_python_arguments(text) if self._style == "python" else json.loads(text)
        except ValueError as error:
            raise MalformedCall(self._position, f"arguments that parse ({error})", shorten(text)) from error
        if not isinstance(value, dict):
            raise MalformedCall(self._position, "an object of arguments", shorten(text))
        return value

    def _flush(self) -> None:
        """End the delta at hand, of the kind that the present state says."""
        text = "".join(self._delta)
        self._delta.clear()
        if not text:
            return
        if self._scan is not None or self._state.body is not None:
            self._events.append(ArgumentsDelta(len(self._calls), text))
        elif self._state.role is Role.REASONING:
            self._events.append(ReasoningDelta(text))
        else:
            self._events.append(TextDelta(text))

    def _take_events(self) -> list[CallEvent]:
        self._flush()
        events, self._events = self._events, []
        return events

    def _expectation(self) -> str:
        if self._scan is not None:
            return "the rest of the arguments"
        return " or ".join(repr(character) for character in list(self._state.edges)[:8])


def parse_calls(constraint: ToolCalls, text: str) -> tuple[ParsedCall, ...]:
    """The calls in a whole turn; raises `MalformedCall`."""
    parser = CallParser(constraint)
    parser.feed(text)
    parser.finish()
    return parser.calls
