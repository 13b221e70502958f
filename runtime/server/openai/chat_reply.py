"""whole_reply: a chat completion in one piece; and the structs that replies and chunks are made of."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from ....lang.events import GenResult, ValueReady
from ..parts import ServerParts
from ..token_logprobs import SpelledLogprob, visible_logprobs
from ..turn_reader import TurnArguments, TurnCall, TurnPart, TurnReasoning, TurnText
from .chat_job import ChatJob
from .turn_choice import with_choice

FinishReason = Literal["stop", "length", "tool_calls"]
FINGERPRINT = "palmette"


class FunctionText(msgspec.Struct, omit_defaults=True):
    """A call of a function, or more of it."""

    name: str | None = None
    arguments: str | None = None


class CustomText(msgspec.Struct, omit_defaults=True):
    """A call of a custom tool, or more of it."""

    name: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, omit_defaults=True):
    """A call, or more of it; `index` is that of chunks."""

    id: str | None = None
    type: Literal["function", "custom"] | None = None
    function: FunctionText | None = None
    custom: CustomText | None = None
    index: int | None = None


class ReplyMessage(msgspec.Struct):
    """What the assistant says."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: str | None = None
    tool_calls: list[ToolCall] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET


class Logprobs(msgspec.Struct):
    """Of the tokens of a choice, or of a piece of it."""

    content: list[SpelledLogprob]
    refusal: None = None


class Choice(msgspec.Struct):
    """One sample."""

    index: int
    message: ReplyMessage
    logprobs: Logprobs | None
    finish_reason: FinishReason


class PromptDetails(msgspec.Struct):
    """Of the prompt's tokens, those that were computed before."""

    cached_tokens: int
    audio_tokens: int = 0


class CompletionDetails(msgspec.Struct):
    """Of the tokens that were made, and of those that were guessed."""

    accepted_prediction_tokens: int
    """Those of the prediction that were guessed from it, and right."""
    rejected_prediction_tokens: int
    """The rest of the prediction: all of it where nobody guesses."""
    reasoning_tokens: int = 0
    audio_tokens: int = 0


class Usage(msgspec.Struct):
    """What a request took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class ChatCompletion(msgspec.Struct):
    """A whole reply."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    object: str = "chat.completion"
    system_fingerprint: str = FINGERPRINT
    service_tier: str = "default"


async def whole_reply(parts: ServerParts, job: ChatJob) -> ChatCompletion:
    """Generate all samples and put them together. Raises: ApiError."""
    job = await with_choice(parts, job)
    results: dict[int, GenResult] = {}
    async with aclosing(job.events(parts)) as events:
        async for sample, event in events:
            if isinstance(event, ValueReady):
                results[sample] = gen_result(event)
    assert len(results) == job.num_samples, (len(results), job.num_samples)
    return ChatCompletion(
        job.reply_id,
        job.created,
        job.model,
        [_choice(parts, job, index, results[index]) for index in range(job.num_samples)],
        usage_of(job, list(results.values())),
    )


def gen_result(event: ValueReady) -> GenResult:
    """The result of a generation of one sample."""
    assert isinstance(event.result, tuple), event.name
    (result,) = event.result
    return result


def usage_of(job: ChatJob, results: Sequence[GenResult]) -> Usage:
    """Of all samples together, whose prompt is counted once."""
    num_prompt = len(job.prompt.token_ids)
    num_completion = sum(result.completion_tokens for result in results)
    # Of several samples each finds the prompt that was computed for all, so what was cached before is not known.
    num_cached = results[0].cached_tokens if len(results) == 1 else 0
    num_accepted = sum(_num_accepted(job, result) for result in results)
    return Usage(
        num_prompt,
        num_completion,
        num_prompt + num_completion,
        PromptDetails(num_cached),
        CompletionDetails(num_accepted, len(results) * job.num_prediction_tokens - num_accepted),
    )


def _num_accepted(job: ChatJob, result: GenResult) -> int:
    """Tokens that came through the prediction; a text that goes back and forth may take one of them twice."""
    if result.speculation is None:
        return 0
    return min(result.speculation.num_accepted_prediction_tokens, job.num_prediction_tokens)


def finish_reason(result: GenResult, num_calls: int) -> FinishReason:
    """Why a sample ended; a turn that was cut is cut, whatever it holds."""
    if result.finish_reason.type == "length":
        return "length"
    return "tool_calls" if num_calls else "stop"


def logprobs_of(parts: ServerParts, job: ChatJob, result: GenResult) -> Logprobs | None:
    """None where they were not asked for."""
    return Logprobs(visible_logprobs(parts.tokenizer, result)) if job.gen.params.return_logprob else None


def _choice(parts: ServerParts, job: ChatJob, index: int, result: GenResult) -> Choice:
    reader = job.reader(index)
    message = reply_message([*reader.feed(result.text), *reader.finish()], may_call=job.calls(index) is not None)
    return Choice(index, message, logprobs_of(parts, job, result), finish_reason(result, reader.num_calls))


def reply_message(turn: Sequence[TurnPart], *, may_call: bool) -> ReplyMessage:
    """The message that the parts of a turn come to; one that `may_call` need not have a content."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for part in turn:
        match part:
            case TurnText(text):
                texts.append(text)
            case TurnReasoning(text):
                thoughts.append(text)
            case TurnCall(_, call_id, name, True):
                calls.append(ToolCall(call_id, "custom", custom=CustomText(name, "")))
            case TurnCall(_, call_id, name, False):
                calls.append(ToolCall(call_id, "function", FunctionText(name, "")))
            case TurnArguments(index, text):
                _extend(calls[index], text)
    return ReplyMessage(
        "".join(texts) if texts or not may_call else None,
        tool_calls=calls or UNSET,
        reasoning_content="".join(thoughts) if thoughts else UNSET,
    )


def _extend(call: ToolCall, text: str) -> None:
    if call.custom is not None:
        call.custom.input = (call.custom.input or "") + text
    elif call.function is not None:
        call.function.arguments = (call.function.arguments or "") + text
