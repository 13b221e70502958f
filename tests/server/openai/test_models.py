"""`/v1/models`."""

import httpx
import pytest

pytestmark = pytest.mark.anyio


async def test_the_model_is_listed(client: httpx.AsyncClient) -> None:
    reply = await client.get("/v1/models")
    assert [card["id"] for card in reply.json()["data"]] == ["sprig"]
    assert (await client.get("/v1/models/sprig")).json() == reply.json()["data"][0]


async def test_another_model_is_not_found(client: httpx.AsyncClient) -> None:
    reply = await client.get("/v1/models/gpt-9")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "model_not_found"
