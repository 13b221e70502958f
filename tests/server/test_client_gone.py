"""A client that hangs up: its work ends, and what it held is given back."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.parts import ServerParts

pytestmark = pytest.mark.anyio
LONG = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1500, "ignore_eos": True}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(max_total_tokens=4_096, max_running_requests=1, max_queued_requests=1) as made:
        yield made
        made.check_integrity()


@pytest.fixture(scope="module")
def app(parts: ServerParts) -> FastAPI:
    return create_app(parts)


@pytest.fixture(scope="module")
def parts(engine: Engine) -> ServerParts:
    return parts_of(engine)


class Call:
    """One request, spoken in ASGI, so that it can be hung up at any moment."""

    def __init__(self, app: FastAPI, body: dict[str, Any]) -> None:
        self.messages: list[dict[str, Any]] = []
        self.has_begun = asyncio.Event()
        self._gone = asyncio.Event()
        self._body: bytes | None = json.dumps(body).encode()
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
            "path": "/v1/chat/completions", "raw_path": b"/v1/chat/completions", "query_string": b"", "root_path": "",
            "scheme": "http", "headers": [], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    def hang_up(self) -> None:
        self._gone.set()

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.messages.append(message)
        if message.get("body"):
            self.has_begun.set()


async def is_idle(engine: Engine, parts: ServerParts) -> bool:
    await parts.running.wait_idle()
    stats = await asyncio.to_thread(engine.stats)
    return stats["num_running_rows"] == 0 and stats["num_queued_requests"] == 0


async def run_until(engine: Engine, name: str, value: int) -> None:
    while (await asyncio.to_thread(engine.stats))[name] != value:
        await asyncio.sleep(0)


async def test_in_the_middle_of_a_stream(app: FastAPI, engine: Engine, parts: ServerParts) -> None:
    call = Call(app, LONG | {"stream": True})
    await call.has_begun.wait()
    call.hang_up()
    await call.task
    assert await is_idle(engine, parts)
    steps = (await asyncio.to_thread(engine.stats))["num_steps"]
    assert steps < 1_500, "it was stopped, and did not run to its end"


async def test_before_a_whole_reply(app: FastAPI, engine: Engine, parts: ServerParts) -> None:
    num_steps = (await asyncio.to_thread(engine.stats))["num_steps"]
    call = Call(app, LONG | {"n": 2})
    await run_until(engine, "num_running_rows", 1)
    call.hang_up()
    await call.task
    assert await is_idle(engine, parts)
    assert (await asyncio.to_thread(engine.stats))["num_steps"] < num_steps + 1_500, "it was stopped"
    assert call.messages[0]["status"] == 499


async def test_while_it_waits_for_a_place_and_when_the_queue_is_full(
    app: FastAPI, engine: Engine, parts: ServerParts
) -> None:
    running = Call(app, LONG | {"stream": True})
    await running.has_begun.wait()
    waiting = Call(app, LONG | {"stream": True})
    await run_until(engine, "num_queued_requests", 1)
    refused = Call(app, LONG | {"stream": True})
    await refused.task
    assert refused.messages[0]["status"] == 429
    assert int(dict(refused.messages[0]["headers"])[b"retry-after"]) >= 1
    waiting.hang_up()
    await waiting.task
    assert not waiting.has_begun.is_set() or waiting.messages[0]["status"] == 499
    await run_until(engine, "num_queued_requests", 0)
    running.hang_up()
    await running.task
    assert await is_idle(engine, parts)


async def test_aborted_by_its_id(app: FastAPI, engine: Engine, parts: ServerParts) -> None:
    call = Call(app, LONG | {"stream": True})
    await call.has_begun.wait()
    first = next(message["body"] for message in call.messages if message.get("body"))
    reply_id = json.loads(first.removeprefix(b"data: "))["id"]
    assert not parts.running.abort(reply_id, tenant="another")
    assert parts.running.abort(reply_id)
    await call.task
    last = [message["body"] for message in call.messages if message.get("body")][-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "aborted"
    assert await is_idle(engine, parts)
