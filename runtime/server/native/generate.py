"""/generate: SGLang's own endpoint, with its shapes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...generate_outputs import Output
from ..api_error import ApiError, api_error
from ..bodies import documented, read_body
from ..event_stream import DONE, EventStream, data_frame
from ..merged import merged
from ..openai.models import json_response
from ..parameters import refusals
from ..parts import ServerParts
from ..work import unless_gone
from .generate_body import GENERATE_PARAMETERS, NULL_ONLY, GenerateBody
from .generate_job import NativeJob, native_jobs

_REFUSALS = refusals(GENERATE_PARAMETERS)


def router(parts: ServerParts) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["native"])

    document = documented(GenerateBody, may_stream=True)

    @routes.post("/generate", summary="Generate from one prompt or several", openapi_extra=document)
    async def generate(request: Request) -> Response:
        body = await read_body(request, GenerateBody, parts.settings.limits, _REFUSALS)
        tenant = str(request.state.tenant)
        for name in NULL_ONLY:
            if bytes(getattr(body, name)) not in (b"", b"null"):
                message = f"{name}: not supported: {_REFUSALS[name]}"
                raise ApiError(400, message, param=name, code="unsupported_parameter")
        try:
            jobs, is_list = await asyncio.to_thread(native_jobs, body, tenant, parts)
        except Exception as error:
            raise api_error(error, "sampling_params") from error
        if body.stream:
            has_index = is_list or jobs[0].gen.params.n > 1
            frames = _frames(parts, jobs, has_index=has_index)
            return await EventStream.begun(request, frames, heartbeat_s=parts.settings.stream.heartbeat_s)
        outputs = await unless_gone(request, _outputs(parts, jobs))
        return json_response(outputs if is_list or len(outputs) > 1 else outputs[0])

    return routes


async def _outputs(parts: ServerParts, jobs: Sequence[NativeJob]) -> list[Output]:
    """Of all prompts, in order; where one fails the others are given up."""

    async def one(job: NativeJob) -> AsyncGenerator[list[Output], None]:
        yield await job.outputs(parts)

    async with aclosing(merged([one(job) for job in jobs])) as results:
        found = {index: outputs async for index, outputs in results}
    return [output for index in range(len(jobs)) for output in found[index]]


async def _frames(parts: ServerParts, jobs: Sequence[NativeJob], *, has_index: bool) -> AsyncGenerator[bytes, None]:
    firsts = [sum(each.gen.params.n for each in jobs[:number]) for number in range(len(jobs))]
    async with aclosing(merged([job.stream(parts) for job in jobs])) as results:
        async for number, (sample, output) in results:
            yield data_frame({**output, "index": firsts[number] + sample} if has_index else output)
    yield DONE
