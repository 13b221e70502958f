"""generate: what the engine does for a job, as the events of a response."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

from .....lang.events import GenResult, TextDelta, ValueReady
from ...api_error import ApiError
from ...parts import ServerParts
from ...token_logprobs import SpelledLogprob, visible_logprobs
from ...turn_reader import TurnArguments, TurnCall, TurnPart, TurnReasoning, TurnText
from ..chat_job import ChatJob
from ..chat_reply import gen_result
from .chat_form import own_error
from .output_types import (
    InputTokensDetails,
    OutputTokensDetails,
    ResponseError,
    TextLogprob,
    TopLogprob,
    Usage,
)
from .response_writer import ResponseWriter
from .stream_events import StreamEvent

PATH = "/v1/responses"

T = TypeVar("T")


async def generate(
    parts: ServerParts, job: ChatJob, writer: ResponseWriter, tenant: str
) -> AsyncGenerator[list[StreamEvent], None]:
    """Run the job and let `writer` write what comes, from its beginning to its end.

    Nothing is written before the model has, so that what fails before is told by a status. To be read under
    `contextlib.aclosing`; where it is closed early the work ends. Raises: ApiError.
    """
    turn = _Turn(parts, job, writer)
    with parts.running.enter(PATH, request_id=writer.response.id, tenant=tenant):
        async with aclosing(_own_errors(job.events(parts))) as events:
            async for _, event in events:
                if isinstance(event, TextDelta) and event.name is not None:
                    yield turn.more(event.text, len(event.token_ids))
                elif isinstance(event, ValueReady):
                    yield turn.end(gen_result(event))


async def _own_errors(events: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """What fails names parameters as they are called here."""
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    except ApiError as error:
        raise own_error(error) from error


def response_error(error: ApiError) -> ResponseError:
    """What a response that failed says of it, in the API's codes."""
    if error.status == 429:
        return ResponseError("rate_limit_exceeded", error.message)
    return ResponseError("server_error" if error.status >= 500 else "invalid_prompt", error.message)


class _Turn:
    """The model's turn as far as it has come."""

    def __init__(self, parts: ServerParts, job: ChatJob, writer: ResponseWriter) -> None:
        self._parts = parts
        self._job = job
        self._writer = writer
        self._reader = job.reader()
        self._num_chars = 0
        self._num_reasoning_tokens = 0
        self._has_begun = False

    def more(self, text: str, num_tokens: int = 0) -> list[StreamEvent]:
        """The model has written more."""
        self._num_chars += len(text)
        turn = self._reader.feed(text)
        if turn and all(isinstance(part, TurnReasoning) for part in turn):
            self._num_reasoning_tokens += num_tokens
        return self._begun() + self._written(turn)

    def end(self, result: GenResult) -> list[StreamEvent]:
        """The model is done; what of its text has not come yet comes now."""
        events = self.more(result.text[self._num_chars :])
        events += self._written(self._reader.finish())
        if self._job.gen.params.return_logprob and not self._reader.num_calls:
            logprobs = visible_logprobs(self._parts.tokenizer, result)
            events += self._writer.text("", [_text_logprob(each) for each in logprobs])
        is_cut = result.finish_reason.type == "length"
        usage = self._usage(result)
        return events + self._writer.ended(usage, is_cut=is_cut, completed_at=int(time.time()))

    def _begun(self) -> list[StreamEvent]:
        if self._has_begun:
            return []
        self._has_begun = True
        return self._writer.started()

    def _written(self, turn: Sequence[TurnPart]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for part in turn:
            match part:
                case TurnText(text):
                    events += self._writer.text(text)
                case TurnReasoning(text):
                    events += self._writer.reasoning(text)
                case TurnCall(_, call_id, name, is_custom):
                    events += self._writer.call_started(call_id, name, is_custom=is_custom)
                case TurnArguments():
                    events += self._writer.call_delta(part.text)
        return events

    def _usage(self, result: GenResult) -> Usage:
        num_input, num_output = len(self._job.prompt.token_ids), result.completion_tokens
        return Usage(
            num_input,
            InputTokensDetails(result.cached_tokens, num_input - result.cached_tokens),
            num_output,
            OutputTokensDetails(min(self._num_reasoning_tokens, num_output)),
            num_input + num_output,
        )


def _text_logprob(spelled: SpelledLogprob) -> TextLogprob:
    top = tuple(TopLogprob(each.token, each.logprob, each.bytes or ()) for each in spelled.top_logprobs)
    return TextLogprob(spelled.token, spelled.logprob, spelled.bytes or (), top)
