"""ResponseWriter: a model's turn, piece by piece, as the events of a stream and, in the end, the whole response."""

from collections.abc import Sequence

from msgspec.structs import replace

from .open_item import ID_PREFIX, ItemKind, OpenItem
from .output_types import (
    CustomCallItem,
    FunctionCallItem,
    IncompleteDetails,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputText,
    ReasoningItem,
    ReasoningText,
    Response,
    ResponseError,
    TextLogprob,
    Usage,
)
from .response_ids import new_id
from .stream_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ContentPartAdded,
    ContentPartDone,
    CustomInputDelta,
    CustomInputDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    ReasoningTextDelta,
    ReasoningTextDone,
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
    ResponseQueued,
    StreamEvent,
)


class ResponseWriter:
    """Keeps the response as far as it has come, and says at each step which events that makes.

    The same writer makes what is streamed and what is sent whole, so the two are equal. The order of events:

        created [queued] in_progress ITEM* (completed | incomplete | failed)
        ITEM ::= item.added (part.added TEXT.delta* TEXT.done part.done | CALL.delta* CALL.done) item.done

    An item that is cut ends like any other, with the status `incomplete`. The numbers of the events count from 0.
    """

    def __init__(self, response: Response) -> None:
        self.response = response
        self._num_events = 0
        self._item: OpenItem | None = None
        self._is_ended = False

    @property
    def is_ended(self) -> bool:
        """Whether the last event was given."""
        return self._is_ended

    def created(self) -> list[StreamEvent]:
        """The beginning; of a response in the background, also that it waits."""
        events: list[StreamEvent] = [ResponseCreated(sequence_number=self._next(), response=self.response)]
        if self.response.status == "queued":
            events.append(ResponseQueued(sequence_number=self._next(), response=self.response))
        return events

    def started(self) -> list[StreamEvent]:
        """The model is at work."""
        self.response = replace(self.response, status="in_progress")
        return [ResponseInProgress(sequence_number=self._next(), response=self.response)]

    def text(self, delta: str, logprobs: Sequence[TextLogprob] = ()) -> list[StreamEvent]:
        """More text outside of thoughts and calls."""
        if not delta and not logprobs:
            return []
        events = [] if self._item is not None and self._item.kind == "message" else self._open("message")
        assert self._item is not None, "just opened"
        self._item.pieces.append(delta)
        self._item.logprobs += logprobs
        event = OutputTextDelta(
            sequence_number=self._next(),
            output_index=self._index,
            item_id=self._item.id,
            content_index=0,
            delta=delta,
            logprobs=tuple(logprobs),
        )
        return [*events, event]

    def reasoning(self, delta: str) -> list[StreamEvent]:
        """More thoughts."""
        if not delta:
            return []
        events = [] if self._item is not None and self._item.kind == "reasoning" else self._open("reasoning")
        assert self._item is not None, "just opened"
        self._item.pieces.append(delta)
        event = ReasoningTextDelta(
            sequence_number=self._next(),
            output_index=self._index,
            item_id=self._item.id,
            content_index=0,
            delta=delta,
        )
        return [*events, event]

    def call_started(self, call_id: str, name: str, *, is_custom: bool) -> list[StreamEvent]:
        """A call of the tool `name` begins, and what was written before is whole."""
        kind: ItemKind = "custom_tool_call" if is_custom else "function_call"
        return self._open(kind, name, call_id)

    def call_delta(self, delta: str) -> list[StreamEvent]:
        """More of the arguments, or of the input, of the call that has begun."""
        item = self._item
        assert item is not None, "a call's text without a call"
        if not delta:
            return []
        item.pieces.append(delta)
        make = ArgumentsDelta if item.kind == "function_call" else CustomInputDelta
        return [make(sequence_number=self._next(), output_index=self._index, item_id=item.id, delta=delta)]

    def ended(self, usage: Usage | None, *, is_cut: bool, completed_at: int) -> list[StreamEvent]:
        """The model's turn is over; `is_cut`: by the limit on tokens. A turn without anything is an empty message."""
        events: list[StreamEvent] = []
        if self._item is None and not self.response.output:
            events += self._open("message")
        is_whole = not is_cut or (self._item is not None and self._item.is_whole_call)
        events += self._close("completed" if is_whole else "incomplete")
        self.response = replace(
            self.response,
            status="incomplete" if is_cut else "completed",
            incomplete_details=IncompleteDetails("max_output_tokens") if is_cut else None,
            completed_at=None if is_cut else completed_at,
            usage=usage,
        )
        make = ResponseIncomplete if is_cut else ResponseCompleted
        return [*events, self._last(make)]

    def failed(self, error: ResponseError) -> list[StreamEvent]:
        """Something went wrong; what was written stays."""
        events = self._close("incomplete")
        self.response = replace(self.response, status="failed", error=error)
        return [*events, self._last(ResponseFailed)]

    def cancelled(self) -> list[StreamEvent]:
        """Somebody cancelled it; what was written stays."""
        events = self._close("incomplete")
        self.response = replace(self.response, status="cancelled")
        return [*events, self._last(ResponseIncomplete)]

    @property
    def _index(self) -> int:
        """Of the item that is open."""
        return len(self.response.output)

    def _next(self) -> int:
        assert not self._is_ended, "no event follows the last"
        self._num_events += 1
        return self._num_events - 1

    def _last(
        self, make: type[ResponseCompleted] | type[ResponseIncomplete] | type[ResponseFailed]
    ) -> ResponseCompleted | ResponseIncomplete | ResponseFailed:
        event = make(sequence_number=self._next(), response=self.response)
        self._is_ended = True
        return event

    def _open(self, kind: ItemKind, name: str = "", call_id: str = "") -> list[StreamEvent]:
        events = self._close("completed")
        item = OpenItem(kind, new_id(ID_PREFIX[kind]), name, call_id)
        self._item = item
        events.append(
            OutputItemAdded(sequence_number=self._next(), output_index=self._index, item=item.snapshot("in_progress"))
        )
        if not call_id:
            part = OutputText("") if kind == "message" else ReasoningText("")
            events.append(
                ContentPartAdded(
                    sequence_number=self._next(),
                    output_index=self._index,
                    item_id=item.id,
                    content_index=0,
                    part=part,
                )
            )
        return events

    def _close(self, status: ItemStatus) -> list[StreamEvent]:
        """End the open item, if there is one, and put it into the response."""
        item = self._item
        if item is None:
            return []
        whole = item.snapshot(status)
        events = self._done_events(item, whole)
        events.append(OutputItemDone(sequence_number=self._next(), output_index=self._index, item=whole))
        self.response = replace(self.response, output=(*self.response.output, whole))
        self._item = None
        return events

    def _done_events(self, item: OpenItem, whole: OutputItem) -> list[StreamEvent]:
        match whole:
            case FunctionCallItem():
                return [
                    ArgumentsDone(
                        sequence_number=self._next(),
                        output_index=self._index,
                        item_id=item.id,
                        arguments=whole.arguments,
                        name=whole.name,
                    )
                ]
            case CustomCallItem():
                return [
                    CustomInputDone(
                        sequence_number=self._next(), output_index=self._index, item_id=item.id, input=whole.input
                    )
                ]
            case OutputMessage(content=(text,)):
                done: StreamEvent = OutputTextDone(
                    sequence_number=self._next(),
                    output_index=self._index,
                    item_id=item.id,
                    content_index=0,
                    text=text.text,
                    logprobs=text.logprobs,
                )
                return [done, self._part_done(item, text)]
            case ReasoningItem(content=(thoughts,)):
                done = ReasoningTextDone(
                    sequence_number=self._next(),
                    output_index=self._index,
                    item_id=item.id,
                    content_index=0,
                    text=thoughts.text,
                )
                return [done, self._part_done(item, thoughts)]
            case _:
                raise AssertionError(f"a closed item without its part: {whole}")

    def _part_done(self, item: OpenItem, part: OutputText | ReasoningText) -> ContentPartDone:
        return ContentPartDone(
            sequence_number=self._next(), output_index=self._index, item_id=item.id, content_index=0, part=part
        )
