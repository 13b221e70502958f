"""ResponseDesk: work in the background that is cancelled, refused, aborted, or fails."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from response_order import check_order

from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.api_error import ApiError
from palmette.runtime.server.app import create_app
from palmette.runtime.server.openai.responses.create_types import CreateResponse
from palmette.runtime.server.openai.responses.response_desk import ResponseDesk
from palmette.runtime.server.openai.responses.response_run import ResponseRun
from palmette.runtime.server.openai.responses.response_store import ResponseStore
from palmette.runtime.server.parts import ServerParts
from palmette.runtime.server.settings import KeySettings, ServerSettings, StoreLimits

pytestmark = pytest.mark.anyio
LONG = CreateResponse(input="Tell me a story.", max_output_tokens=3_000, ignore_eos=True, background=True)


class BrokenBackend:
    """Fails after the first text of each generation."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def run_plan(self, *args: Any, **options: Any) -> "BrokenRun":
        return BrokenRun(self._backend.run_plan(*args, **options))


class BrokenRun:
    """See `BrokenBackend`."""

    def __init__(self, run: Any) -> None:
        self._run = run

    @property
    def branches(self) -> Any:
        return self._run.branches

    async def events(self) -> AsyncGenerator[Any, None]:
        async with aclosing(self._run.events()) as events:
            async for index, event in events:
                yield index, event
                if getattr(event, "name", None) is not None:
                    raise RuntimeError("a secret path: /home/palmette")


async def events_of(run: ResponseRun) -> list[dict[str, Any]]:
    frames = [frame async for frame in run.frames(None)]
    return [msgspec.json.decode(frame.split(b"data: ", 1)[1]) for frame in frames]


async def first_text(run: ResponseRun) -> None:
    async for frame in run.frames(None):
        if b"output_text.delta" in frame:
            return


def assert_at_rest(engine: Engine) -> None:
    stats = engine.stats()
    assert (stats["num_running_rows"], stats["num_branches"]) == (0, 0)


async def test_cancelled_before_it_has_begun(parts: ServerParts) -> None:
    desk = ResponseDesk(parts, ResponseStore())
    run = desk.begin(await desk.job(LONG, ""), "")
    await run.cancel()
    events = await events_of(run)
    assert [each["type"] for each in events] == ["response.created", "response.queued", "response.incomplete"]
    assert run.response.status == "cancelled"
    assert desk.store.num_in_background() == 0


async def test_as_many_as_may_run_in_the_background(parts: ServerParts, engine: Engine) -> None:
    desk = ResponseDesk(parts, ResponseStore(StoreLimits(max_background=2)))
    runs = [desk.begin(await desk.job(LONG, ""), "") for _ in range(2)]
    job = await desk.job(LONG, "")
    with pytest.raises(ApiError) as refusal:
        desk.begin(job, "")
    assert (refusal.value.status, refusal.value.retry_after_s) == (429, 1)
    await runs[0].cancel()
    desk.begin(job, "")
    for stored in list(desk.store._stored.values()):
        await stored.run.cancel()
    assert_at_rest(engine)


async def test_a_key_runs_as_many_as_it_may(parts: ServerParts) -> None:
    settings = ServerSettings(keys=KeySettings(max_concurrent_per_key=1))
    desk = ResponseDesk(replace(parts, settings=settings), ResponseStore())
    mine = desk.begin(await desk.job(LONG, "me"), "me")
    with pytest.raises(ApiError, match="background"):
        desk.begin(await desk.job(LONG, "me"), "me")
    yours = desk.begin(await desk.job(LONG, "you"), "you")
    await mine.cancel()
    await yours.cancel()


async def test_aborted_by_its_id(parts: ServerParts, engine: Engine) -> None:
    desk = ResponseDesk(parts, ResponseStore())
    run = desk.begin(await desk.job(LONG, "me"), "me")
    await first_text(run)
    assert not parts.running.abort(run.response.id, tenant="you")
    assert parts.running.abort(run.response.id, tenant="me")
    assert check_order(await events_of(run))["status"] == "cancelled"
    assert_at_rest(engine)


async def test_what_fails_in_the_middle_is_told_and_gives_nothing_away(parts: ServerParts, engine: Engine) -> None:
    broken = replace(parts, backend=BrokenBackend(parts.backend))
    desk = ResponseDesk(broken, ResponseStore())
    run = desk.begin(await desk.job(LONG, ""), "")
    response = check_order(await events_of(run))
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    foreground = msgspec.structs.replace(LONG, background=False, stream=True)
    frames = [frame async for frame in desk.frames(await desk.job(foreground, ""), "")]
    events = [msgspec.json.decode(frame.split(b"data: ", 1)[1]) for frame in frames]
    assert check_order(events)["status"] == "failed"
    assert b"secret" not in b"".join(frames)
    with pytest.raises(ApiError) as failure:
        await desk.whole(await desk.job(CreateResponse(input="Hi", max_output_tokens=4), ""), "")
    assert failure.value.status == 500
    assert len(desk.store) == 2  # nobody knows the id of the last
    assert_at_rest(engine)


async def test_who_gives_up_a_whole_response_ends_it(parts: ServerParts, engine: Engine) -> None:
    desk = ResponseDesk(parts, ResponseStore())
    job = await desk.job(msgspec.structs.replace(LONG, background=False), "")
    working = asyncio.create_task(desk.whole(job, ""))
    while engine.stats()["num_branches"] == 0:
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait({working})
    assert_at_rest(engine)
    assert len(desk.store) == 0


async def test_kept_responses_are_bounded_by_bytes(parts: ServerParts) -> None:
    store = ResponseStore(StoreLimits(max_bytes=20_000))
    desk = ResponseDesk(parts, store)
    metadata = {str(number): "x" * 400 for number in range(16)}
    previous = None
    for _ in range(6):
        body = CreateResponse(input="Hi", max_output_tokens=2, previous_response_id=previous, metadata=metadata)
        previous = (await desk.whole(await desk.job(body, ""), "")).id
        assert store.num_bytes <= 20_000
    assert 0 < len(store) < 6


async def test_keys_see_only_their_own(parts: ServerParts) -> None:
    app: FastAPI = create_app(replace(parts, settings=ServerSettings(keys=KeySettings(api_keys=("one", "two")))))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        mine, yours = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
        body = {"input": "Hi", "max_output_tokens": 4}
        made = (await client.post("/v1/responses", json=body, headers=mine)).json()
        path = f"/v1/responses/{made['id']}"
        assert (await client.get(path, headers=mine)).json() == made
        for reply in (
            await client.get(path, headers=yours),
            await client.delete(path, headers=yours),
            await client.post(f"{path}/cancel", headers=yours),
            await client.get(f"{path}/input_items", headers=yours),
            await client.post("/v1/responses", json={**body, "previous_response_id": made["id"]}, headers=yours),
        ):
            assert reply.status_code == 404
        assert (await client.get(path)).status_code == 401
        openapi = app.openapi()
        assert "ResponseFunctionTool" in openapi["components"]["schemas"]
