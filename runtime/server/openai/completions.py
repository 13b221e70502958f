"""`/v1/completions`: how a text goes on, in the older form of OpenAI's."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fastapi import APIRouter
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from ....lang.events import GenResult, TextDelta, ValueReady
from ..bodies import documented, read_body
from ..event_stream import DONE, EventStream, data_frame
from ..parameters import refusals
from ..parts import ServerParts
from ..work import unless_gone
from .chat_reply import CompletionDetails, PromptDetails, Usage, gen_result
from .completion_job import CompletionJob, completion_job
from .completion_logprobs import completion_logprobs
from .completion_types import (
    COMPLETION_PARAMETERS,
    PATH,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    CompletionRequest,
)
from .models import json_response

_REFUSALS = refusals(COMPLETION_PARAMETERS)


def router(parts: ServerParts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["OpenAI"])

    document = documented(CompletionRequest, Completion, may_stream=True)

    @routes.post(PATH, summary="How a text goes on", openapi_extra=document)
    async def create_completion(request: Request) -> Response:
        body = await read_body(request, CompletionRequest, parts.settings.limits, _REFUSALS)
        tenant: str = request.state.tenant
        job = await asyncio.to_thread(completion_job, parts, body, tenant)
        if job.is_stream:
            frames = _frames(parts, job, tenant)
            return await EventStream.begun(request, frames, heartbeat_s=parts.settings.stream.heartbeat_s)
        return json_response(await unless_gone(request, _whole(parts, job, tenant)))

    return routes


async def _whole(parts: ServerParts, job: CompletionJob, tenant: str) -> Completion:
    results: dict[int, GenResult] = {}
    with parts.running.enter(PATH, request_id=job.reply_id, tenant=tenant):
        async with aclosing(job.events(parts)) as events:
            async for choice, event in events:
                if isinstance(event, ValueReady):
                    results[choice] = job.shown(gen_result(event))
    choices = []
    for choice, result in sorted(results.items()):
        text = job.prompt_of(choice).text + result.text
        logprobs = _logprobs(parts, job, result)
        choices.append(CompletionChoice(choice, text, logprobs, result.finish_reason.type))
    return Completion(job.reply_id, job.created, job.model, choices, _usage(job, list(results.values())))


async def _frames(parts: ServerParts, job: CompletionJob, tenant: str) -> AsyncGenerator[bytes, None]:
    """Each choice: its prompt, if that is echoed, its text, log-probabilities if any, one with why it ended."""
    results: list[GenResult] = []
    num_chars: dict[int, int] = {}
    with parts.running.enter(PATH, request_id=job.reply_id, tenant=tenant):
        async with aclosing(job.events(parts)) as events:
            async for choice, event in events:
                told: list[CompletionChoice] = []
                is_text = isinstance(event, TextDelta) and event.name is not None
                if choice not in num_chars and (is_text or isinstance(event, ValueReady)):
                    num_chars[choice] = 0
                    if job.is_echo:
                        told.append(CompletionChoice(choice, job.prompt_of(choice).text))
                if isinstance(event, TextDelta) and is_text and event.text and not job.is_prefill:
                    num_chars[choice] += len(event.text)
                    told.append(CompletionChoice(choice, event.text))
                elif isinstance(event, ValueReady):
                    results.append(job.shown(gen_result(event)))
                    told += _ending(parts, job, choice, results[-1], num_chars[choice])
                for each in told:
                    yield data_frame(_chunk(job, [each], None))
    if job.has_usage:
        yield data_frame(_chunk(job, [], _usage(job, results)))
    yield DONE


def _ending(
    parts: ServerParts, job: CompletionJob, choice: int, result: GenResult, num_chars: int
) -> list[CompletionChoice]:
    told = [CompletionChoice(choice, result.text[num_chars:])] if len(result.text) > num_chars else []
    logprobs = _logprobs(parts, job, result)
    if logprobs is not None:
        told.append(CompletionChoice(choice, "", logprobs))
    return [*told, CompletionChoice(choice, "", finish_reason=result.finish_reason.type)]


def _chunk(job: CompletionJob, choices: list[CompletionChoice], usage: Usage | None) -> Completion:
    return Completion(job.reply_id, job.created, job.model, choices, usage if job.has_usage else UNSET)


def _logprobs(parts: ServerParts, job: CompletionJob, result: GenResult) -> CompletionLogprobs | None:
    if job.num_logprobs is None:
        return None
    prompt = (result.input_logprobs or ()) if job.is_echo else ()
    return completion_logprobs(parts.tokenizer, prompt, result, has_top=job.num_logprobs > 0)


def _usage(job: CompletionJob, results: Sequence[GenResult]) -> Usage:
    """Of all choices together; a prompt is counted once, however many samples it has."""
    num_prompt = sum(len(prompt.token_ids) for prompt in job.prompts)
    num_completion = sum(result.completion_tokens for result in results)
    num_cached = sum(result.cached_tokens for result in results) if job.num_samples == 1 else 0
    return Usage(
        num_prompt, num_completion, num_prompt + num_completion, PromptDetails(num_cached), CompletionDetails(0, 0)
    )
