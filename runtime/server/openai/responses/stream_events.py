"""The events of a streamed response, each with its place in the order."""

import msgspec

from .output_types import OutputItem, OutputText, ReasoningText, Response, TextLogprob


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all have; `sequence_number` counts the events of a response from 0."""

    sequence_number: int

    @property
    def type(self) -> str:
        """The name of the event on the wire."""
        return str(self.__struct_config__.tag)


class ResponseCreated(StreamEvent, frozen=True, tag="response.created"):
    """The first event."""

    response: Response


class ResponseQueued(StreamEvent, frozen=True, tag="response.queued"):
    """A background response waits."""

    response: Response


class ResponseInProgress(StreamEvent, frozen=True, tag="response.in_progress"):
    """The model is at work."""

    response: Response


class ResponseCompleted(StreamEvent, frozen=True, tag="response.completed"):
    """The last event where the model came to an end."""

    response: Response


class ResponseIncomplete(StreamEvent, frozen=True, tag="response.incomplete"):
    """The last event where a limit cut the output, or somebody cancelled it: then the status says `cancelled`."""

    response: Response


class ResponseFailed(StreamEvent, frozen=True, tag="response.failed"):
    """The last event where something went wrong."""

    response: Response


class _ItemEvent(StreamEvent, frozen=True):
    output_index: int


class OutputItemAdded(_ItemEvent, frozen=True, tag="response.output_item.added"):
    """An item begins, still empty."""

    item: OutputItem


class OutputItemDone(_ItemEvent, frozen=True, tag="response.output_item.done"):
    """An item is as it will be in the response."""

    item: OutputItem


class _PartEvent(_ItemEvent, frozen=True):
    item_id: str
    content_index: int


class ContentPartAdded(_PartEvent, frozen=True, tag="response.content_part.added"):
    """A part of an item begins, still empty."""

    part: OutputText | ReasoningText


class ContentPartDone(_PartEvent, frozen=True, tag="response.content_part.done"):
    """A part is whole."""

    part: OutputText | ReasoningText


class OutputTextDelta(_PartEvent, frozen=True, tag="response.output_text.delta"):
    """More text."""

    delta: str
    logprobs: tuple[TextLogprob, ...] = ()


class OutputTextDone(_PartEvent, frozen=True, tag="response.output_text.done"):
    """The whole text: the sum of the deltas."""

    text: str
    logprobs: tuple[TextLogprob, ...] = ()


class ReasoningTextDelta(_PartEvent, frozen=True, tag="response.reasoning_text.delta"):
    """More thoughts."""

    delta: str


class ReasoningTextDone(_PartEvent, frozen=True, tag="response.reasoning_text.done"):
    """The whole thoughts: the sum of the deltas."""

    text: str


class _CallEvent(_ItemEvent, frozen=True):
    item_id: str


class ArgumentsDelta(_CallEvent, frozen=True, tag="response.function_call_arguments.delta"):
    """More of the arguments' JSON."""

    delta: str


class ArgumentsDone(_CallEvent, frozen=True, tag="response.function_call_arguments.done"):
    """The whole JSON: the sum of the deltas."""

    arguments: str
    name: str


class CustomInputDelta(_CallEvent, frozen=True, tag="response.custom_tool_call_input.delta"):
    """More of a custom tool's input."""

    delta: str


class CustomInputDone(_CallEvent, frozen=True, tag="response.custom_tool_call_input.done"):
    """The whole input: the sum of the deltas."""

    input: str


LAST_EVENTS = (ResponseCompleted, ResponseIncomplete, ResponseFailed)
"""Exactly one of these ends a stream."""
