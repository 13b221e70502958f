"""Async programs on the real engine: what is cancelled stops, and gives its memory back; handlers share one engine."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

import palmette as pm


@pytest.fixture(scope="module")
def engine() -> Iterator[pm.Engine]:
    with pm.Engine(max_total_tokens=8192) as made:
        yield made


@pm.function
async def endless(s, begun):
    s += "Once upon a time"
    async with s.fork(3) as branches:
        branches += pm.gen("story", max_tokens=2000, ignore_eos=True)
        async for _ in branches[0].value("story"):
            begun.set()


def check_nothing_is_left(engine: pm.Engine) -> None:
    """No branch holds a page and no step is taken any more."""
    engine.check_integrity()
    num_steps = engine.stats()["num_steps"]
    engine.flush_cache()
    stats = engine.stats()
    assert stats["num_free_pages"] == stats["num_pages"]
    assert stats["num_steps"] == num_steps


def test_to_cancel_the_task_stops_the_engine_and_returns_its_memory(engine: pm.Engine) -> None:
    async def main() -> None:
        begun = asyncio.Event()
        task = asyncio.ensure_future(endless.arun(begun, backend=engine))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    check_nothing_is_left(engine)


def test_a_time_out_does_the_same(engine: pm.Engine) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await endless.arun(asyncio.Event(), backend=engine)

    asyncio.run(main())
    check_nothing_is_left(engine)


def test_many_handlers_of_a_server_share_the_engine(engine: pm.Engine) -> None:
    app = FastAPI()

    @pm.function
    def capital(s, country):
        s += pm.user(f"What is the capital of {country}?")
        s += pm.assistant(pm.gen("answer", max_tokens=12, temperature=0))

    @app.get("/sync/{country}")
    def in_a_thread(country: str) -> str:
        return capital.run(country, backend=engine)["answer"]

    @app.get("/async/{country}")
    async def on_the_loop(country: str) -> str:
        return (await capital.arun(country, backend=engine))["answer"]

    async def main() -> list[str]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            paths = [f"/{kind}/{country}" for country in ("France", "Japan") for kind in ("sync", "async")]
            answers = await asyncio.gather(*(client.get(path) for path in paths * 4))
        return [answer.json() for answer in answers]

    answers = asyncio.run(main())
    assert answers == answers[:4] * 4
    assert answers[0] == answers[1]
    assert "Paris" in answers[0]
    assert "Tokyo" in answers[2]
    check_nothing_is_left(engine)
