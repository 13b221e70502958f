"""ResponseDesk: makes responses, at once or in the background, and keeps those that are to be kept."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ...api_error import ApiError, api_error
from ...parts import ServerParts
from .create_types import CreateResponse
from .generation import generate, response_error
from .item_reader import read_items, resolved
from .output_types import Response
from .response_job import ResponseJob, previous_response, response_job
from .response_run import ResponseRun, event_frame
from .response_store import ResponseStore, StoredResponse
from .response_writer import ResponseWriter
from .stream_events import StreamEvent

_log = logging.getLogger("palmette.server")


class ResponseDesk:
    """What `/v1/responses` does, apart from HTTP."""

    def __init__(self, parts: ServerParts, store: ResponseStore) -> None:
        self._parts = parts
        self.store = store

    async def job(self, body: CreateResponse, tenant: str) -> ResponseJob:
        """The request, read and checked; what takes long is done in a thread. Raises: ApiError."""
        if body.input is None or body.input == []:
            raise ApiError(400, "input: expected a text, or items", param="input", code="missing_parameter")
        read = await asyncio.to_thread(read_items, body.input, self._parts.settings.limits)
        items = resolved(read, lambda item_id: self.store.item(tenant, item_id))
        previous = previous_response(self.store, body, tenant)
        return await asyncio.to_thread(response_job, self._parts, body, items, previous, tenant)

    async def whole(self, job: ResponseJob, tenant: str) -> Response:
        """The response when it has ended. Raises: ApiError."""
        stored = self._new(job, tenant)
        stored.run.writer.created()
        try:
            async with aclosing(generate(self._parts, job.chat, stored.run.writer, tenant)) as batches:
                async for _ in batches:
                    pass
        except BaseException:
            self.store.remove(stored)
            raise
        self._end(stored)
        return stored.run.response

    async def frames(self, job: ResponseJob, tenant: str) -> AsyncGenerator[bytes, None]:
        """The events of the response while it is made; who stops reading cancels it.

        Raises: ApiError, where it fails before it has begun; afterwards the last event says so.
        """
        stored = self._new(job, tenant)
        writer = stored.run.writer
        held = writer.created()
        has_begun = False
        try:
            async with aclosing(generate(self._parts, job.chat, writer, tenant)) as batches:
                async for batch in batches:
                    for event in [*held, *batch]:
                        has_begun = True
                        yield event_frame(event)
                    held = []
        except Exception as error:
            if not has_begun:
                raise
            for event in _ended_by(error, writer):
                yield event_frame(event)
        finally:
            if not writer.is_ended:
                writer.cancelled()
            if has_begun:
                self._end(stored)
            else:
                self.store.remove(stored)

    def begin(self, job: ResponseJob, tenant: str) -> ResponseRun:
        """Let a response be made in the background. Raises: ApiError (429) where too many are."""
        self._check_background(tenant)
        stored = self._new(job, tenant)
        stored.run.put(stored.run.writer.created())
        stored.run.task = asyncio.create_task(self._work(stored, job, tenant))
        stored.run.task.add_done_callback(lambda _: self._worked(stored))
        return stored.run

    async def _work(self, stored: StoredResponse, job: ResponseJob, tenant: str) -> None:
        run = stored.run
        try:
            async with aclosing(generate(self._parts, job.chat, run.writer, tenant)) as batches:
                async for batch in batches:
                    run.put(batch)
                    self.store.refresh(stored)
        except Exception as error:  # noqa: BLE001 - whoever asks for the response is told
            run.put(_ended_by(error, run.writer))

    def _worked(self, stored: StoredResponse) -> None:
        """The task is done, even where it was cancelled before it began."""
        if not stored.run.is_ended:
            stored.run.put(stored.run.writer.cancelled())
        self._end(stored)

    def _check_background(self, tenant: str) -> None:
        limit = self.store.limits.max_background
        per_key = self._parts.settings.keys.max_concurrent_per_key
        is_full = self.store.num_in_background() >= limit
        if is_full or (per_key is not None and self.store.num_in_background(tenant) >= per_key):
            raise ApiError(
                429,
                "background: as many responses run in the background as may; wait for one to end, or cancel one",
                type="rate_limit_error",
                param="background",
                code="too_many_requests",
                retry_after_s=1,
            )

    def _new(self, job: ResponseJob, tenant: str) -> StoredResponse:
        run = ResponseRun(ResponseWriter(job.response), is_background=job.response.background)
        stored = StoredResponse(tenant, run, job.conversation, job.chat.cache_salt)
        if job.response.store:
            self.store.add(stored)
        return stored

    def _end(self, stored: StoredResponse) -> None:
        stored.run.measure()
        self.store.ended(stored)


def _ended_by(error: Exception, writer: ResponseWriter) -> list[StreamEvent]:
    """The end of a response that failed, or was aborted; what is our fault is also logged."""
    told = api_error(error)
    if told.code == "aborted":
        return writer.cancelled()
    if told.status >= 500:
        _log.error("a response failed", exc_info=error)
    return writer.failed(response_error(told))
