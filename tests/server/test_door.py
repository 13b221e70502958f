"""What a request must pass before anything is made of it: keys, headers, the body's size and depth."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.keys import PUBLIC_PATHS, needs_admin
from palmette.runtime.server.settings import BindSettings, KeySettings, LimitSettings, ServerSettings

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
USER, ADMIN = {"Authorization": "Bearer user-key"}, {"Authorization": "Bearer admin-key"}


@pytest.fixture(scope="module")
def closed_app(engine: Engine) -> FastAPI:
    settings = ServerSettings(
        bind=BindSettings(cors_origins=("https://here.example",)),
        keys=KeySettings(("user-key", "other-key"), ("admin-key",), max_concurrent_per_key=1),
        limits=LimitSettings(max_body_bytes=2_000, max_headers=20, max_header_bytes=2_000, max_nesting=10),
    )
    return create_app(parts_of(engine, settings))


@pytest.fixture
async def closed(closed_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=closed_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as made:
        yield made


def all_paths(app: FastAPI) -> dict[str, list[str]]:
    """Every path with its methods, as the application itself has them: those that openapi.json leaves out, too."""
    found: dict[str, list[str]] = {}
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        pending += getattr(route, "routes", None) or []
        path = getattr(route, "path", None)
        if path is not None:
            filled = path.replace("{model_id:path}", "sprig")
            found.setdefault(filled.replace("{", "").replace("}", ""), []).extend(
                getattr(route, "methods", None) or ["GET"]
            )
    for path, operations in app.openapi()["paths"].items():
        found.setdefault(path.replace("{", "").replace("}", ""), []).extend(map(str.upper, operations))
    return found


async def test_every_route_is_closed(closed: httpx.AsyncClient, closed_app: FastAPI) -> None:
    paths = all_paths(closed_app)
    assert {CHAT, "/v1/models", "/docs", "/openapi.json"} <= set(paths)
    for path, methods in paths.items():
        if path in PUBLIC_PATHS:
            continue
        for method in methods:
            if method == "OPTIONS":
                continue
            assert (await closed.request(method, path)).status_code == 401, (method, path)
            wrong = {"Authorization": "Bearer user-ke"}
            assert (await closed.request(method, path, headers=wrong)).status_code == 401, (method, path)
            if needs_admin(path):
                assert (await closed.request(method, path, headers=USER)).status_code == 403, (method, path)
    assert (await closed.get("/no/such/path")).status_code == 401


def test_little_is_open() -> None:
    assert {"/health", "/dashboard"} == PUBLIC_PATHS


async def test_a_key_opens(closed: httpx.AsyncClient) -> None:
    for headers in (USER, ADMIN, {"X-Api-Key": "other-key"}):
        reply = await closed.post(CHAT, json=BODY, headers=headers)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-request-id"]
    assert (await closed.get("/no/such/path", headers=USER)).status_code == 404
    assert (await closed.post(CHAT, json=BODY, headers={"Authorization": "Basic user-key"})).status_code == 401


async def test_a_key_has_its_share_and_no_more(closed: httpx.AsyncClient) -> None:
    first, second, other = await asyncio.gather(
        closed.post(CHAT, json=BODY, headers=USER),
        closed.post(CHAT, json=BODY, headers=USER),
        closed.post(CHAT, json=BODY, headers={"Authorization": "Bearer other-key"}),
    )
    assert sorted([first.status_code, second.status_code]) == [200, 429]
    refused = first if first.status_code == 429 else second
    assert int(refused.headers["retry-after"]) >= 1
    assert other.status_code == 200
    assert (await closed.post(CHAT, json=BODY, headers=USER)).status_code == 200


async def test_bodies_are_counted_while_they_come(closed: httpx.AsyncClient) -> None:
    num_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal num_sent
        for _ in range(1_000):
            num_sent += 1
            yield b" " * 500

    reply = await closed.post(CHAT, content=endless(), headers=USER)
    assert reply.status_code == 413
    assert num_sent < 10
    declared = await closed.post(CHAT, content=b" " * 3_000, headers=USER)
    assert declared.status_code == 413


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"messages": [{"role": "user", "content": "\xff"}]}',
        b'{"metadata":' + b"[" * 1_900,
        b"[" * 1_900,
        b'{"messages": [{"role": "user", "content": "a"}], "structured_outputs": {"json": '
        + b"[" * 11
        + b"]" * 11
        + b"}}",
    ],
)
async def test_what_is_no_request_is_refused(closed: httpx.AsyncClient, content: bytes) -> None:
    reply = await closed.post(CHAT, content=content, headers=USER)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_headers_are_bounded(closed: httpx.AsyncClient) -> None:
    many = {f"x-{index}": "a" for index in range(30)}
    assert (await closed.get("/v1/models", headers=USER | many)).status_code == 431
    assert (await closed.get("/v1/models", headers=USER | {"x-long": "a" * 3_000})).status_code == 431


async def test_only_named_origins_may_read(closed: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    for origin, allowed in (("https://here.example", "https://here.example"), ("https://there.example", None)):
        reply = await closed.get("/v1/models", headers=USER | {"Origin": origin})
        assert reply.headers.get("access-control-allow-origin") == allowed
    open_reply = await client.get("/v1/models", headers={"Origin": "https://here.example"})
    assert "access-control-allow-origin" not in open_reply.headers


async def test_other_methods_and_paths_have_openai_s_errors(client: httpx.AsyncClient) -> None:
    for reply, status in ((await client.get(CHAT), 405), (await client.get("/v1/nothing"), 404)):
        assert reply.status_code == status
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


async def test_the_schemas_are_in_openapi_json(client: httpx.AsyncClient) -> None:
    page = (await client.get("/openapi.json")).json()
    body = page["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    chat = page["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    assert {"messages", "tools", "regex"} <= set(chat["properties"])
    assert "x-palmette" not in str(page)
