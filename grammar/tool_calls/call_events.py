"""What a parser tells of a model's turn, piece by piece: text, reasoning, calls."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A whole call. Of a tool with custom input, the text is the argument `input`."""

    name: str
    arguments: dict[str, object]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the text outside of calls."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the thoughts before the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnded:
    """The thoughts are closed; what follows is the answer."""


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call of the tool `name`; `index` counts the calls of the turn from 0."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """More of the arguments of call `index`, as the model writes them: JSON, or the arguments of a Python call."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """Call `index` is whole."""

    index: int
    call: ParsedCall


CallEvent = TextDelta | ReasoningDelta | ReasoningEnded | CallStarted | ArgumentsDelta | CallEnded
