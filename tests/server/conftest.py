"""One engine on sprig for the tests of a module, with the server's application over it and a client of that."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI

from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.parts import ServerParts


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, one loop for each module."""
    return "asyncio"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(max_total_tokens=16_384, random_seed=7) as made:
        yield made
        made.check_integrity()


@pytest.fixture(scope="module")
def parts(engine: Engine) -> ServerParts:
    return parts_of(engine)


@pytest.fixture(scope="module")
def app(parts: ServerParts) -> FastAPI:
    return create_app(parts)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the application without a socket. A stream comes whole there, at its end."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as made:
        yield made
