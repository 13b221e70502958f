"""reply_frames: a chat completion as server-sent events, in the order that OpenAI's clients read."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ....lang.events import GenResult, TextDelta, TokenLogprob, ValueReady
from ..event_stream import DONE, data_frame
from ..parts import ServerParts
from ..token_logprobs import LogprobFlow
from ..turn_reader import TurnArguments, TurnCall, TurnPart, TurnReader, TurnReasoning, TurnText
from .chat_job import ChatJob
from .chat_reply import (
    FINGERPRINT,
    CustomText,
    FinishReason,
    FunctionText,
    Logprobs,
    ToolCall,
    Usage,
    finish_reason,
    gen_result,
    usage_of,
)
from .turn_choice import with_choice


class Delta(msgspec.Struct, omit_defaults=True):
    """More of a message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    """More of one sample."""

    index: int
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None


class Chunk(msgspec.Struct):
    """More of a reply; `usage` is there only where it was asked for, and null but in the last."""

    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | UnsetType | None = UNSET
    object: str = "chat.completion.chunk"
    system_fingerprint: str = FINGERPRINT
    service_tier: str = "default"


async def reply_frames(parts: ServerParts, job: ChatJob, tenant: str) -> AsyncGenerator[bytes, None]:
    """Each sample: one chunk with the role, its text and calls, log-probabilities if any, one with why it ended.

    Then, if asked for, what it took; then the end. Raises: ApiError.
    """
    results: list[GenResult] = []
    with parts.running.enter("/v1/chat/completions", request_id=job.reply_id, tenant=tenant):
        job = await with_choice(parts, job)
        samples = [_SampleStream(parts, job, index) for index in range(job.num_samples)]
        async with aclosing(job.events(parts)) as events:
            async for index, event in events:
                choices: list[ChunkChoice] = []
                if isinstance(event, TextDelta) and event.name is not None:
                    choices = samples[index].more(event.text, event.logprobs)
                elif isinstance(event, ValueReady):
                    results.append(gen_result(event))
                    choices = samples[index].end(results[-1])
                for choice in choices:
                    yield data_frame(_chunk(job, [choice], None))
    if job.has_usage:
        yield data_frame(_chunk(job, [], usage_of(job, results)))
    yield DONE


def _chunk(job: ChatJob, choices: list[ChunkChoice], usage: Usage | None) -> Chunk:
    return Chunk(job.reply_id, job.created, job.model, choices, usage if job.has_usage else UNSET)


class _SampleStream:
    """What has been told of one sample."""

    def __init__(self, parts: ServerParts, job: ChatJob, index: int) -> None:
        self._parts = parts
        self._job = job
        self._index = index
        self._reader: TurnReader = job.reader(index)
        self._flow = LogprobFlow(parts.tokenizer) if job.gen.params.return_logprob else None
        self._has_begun = False
        self._num_chars = 0

    def more(self, text: str, logprobs: Sequence[TokenLogprob] = ()) -> list[ChunkChoice]:
        """The model has written more."""
        self._num_chars += len(text)
        choices = [*self._begin(), *self._choices(self._reader.feed(text))]
        told = self._flow.more(text, logprobs) if self._flow is not None else []
        if told:
            # Where the text is still held by who reads calls, the probabilities go on their own.
            choices = choices or [ChunkChoice(self._index, Delta())]
            choices[-1].logprobs = Logprobs(told)
        return choices

    def end(self, result: GenResult) -> list[ChunkChoice]:
        """The model is done; what of its text has not come yet comes now."""
        choices = [*self.more(result.text[self._num_chars :]), *self._choices(self._reader.finish())]
        rest = self._flow.rest(result) if self._flow is not None else []
        if rest:
            choices.append(ChunkChoice(self._index, Delta(), Logprobs(rest)))
        reason = finish_reason(result, self._reader.num_calls)
        return [*choices, ChunkChoice(self._index, Delta(), finish_reason=reason)]

    def _begin(self) -> list[ChunkChoice]:
        if self._has_begun:
            return []
        self._has_begun = True
        content = "" if self._job.calls(self._index) is None else None
        return [ChunkChoice(self._index, Delta(role="assistant", content=content))]

    def _choices(self, turn: Sequence[TurnPart]) -> list[ChunkChoice]:
        return [ChunkChoice(self._index, _delta(part)) for part in turn]


def _delta(part: TurnPart) -> Delta:
    match part:
        case TurnText(text):
            return Delta(content=text)
        case TurnReasoning(text):
            return Delta(reasoning_content=text)
        case TurnCall(index, call_id, name, True):
            return Delta(tool_calls=[ToolCall(call_id, "custom", custom=CustomText(name, ""), index=index)])
        case TurnCall(index, call_id, name, _):
            return Delta(tool_calls=[ToolCall(call_id, "function", FunctionText(name, ""), index=index)])
        case TurnArguments(index, text, True):
            return Delta(tool_calls=[ToolCall(custom=CustomText(input=text), index=index)])
        case TurnArguments(index, text, _):
            return Delta(tool_calls=[ToolCall(function=FunctionText(arguments=text), index=index)])
