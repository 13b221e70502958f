"""Supervision: processes that hang, end, do not come up or do not go are noticed, ended and followed by others."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from palmette.lang.ir import Text
from palmette.runtime.config import EngineConfig
from palmette.runtime.errors import EngineClosed
from palmette.runtime.server.process.calls import BufferLimits
from palmette.runtime.server.process.engine_child import ENGINE_MODULE, EngineChild
from palmette.runtime.server.process.engine_client import EngineClient
from palmette.runtime.server.process.errors import EngineNotStarted, EngineRestarted
from palmette.runtime.server.process.supervisor import SupervisionOptions

STUB = "stub_engine_process"
# Hardly any silence is allowed, and hardly any time passes before the next start.
QUICK = SupervisionOptions(heartbeat_s=0.05, silence_limit_s=2.0, first_backoff_s=0.01, end_limit_s=0.2)
ENDS, HANGS, IS_SILENT, STAYS = 1, 2, 3, 4


def stub(behaviour: int | None = None, options: SupervisionOptions = QUICK) -> EngineClient:
    return EngineClient(EngineConfig(random_seed=behaviour), options, module=STUB)


@asynccontextmanager
async def started(behaviour: int | None = None, options: SupervisionOptions = QUICK) -> AsyncIterator[EngineClient]:
    client = stub(behaviour, options)
    await client.start()
    yield client
    process_id = client.facts.process_id
    await client.aclose()
    assert is_gone(process_id)
    with pytest.raises(EngineClosed, match="shut down"):
        await client.open_branch()


async def exhaust(events: AsyncIterator[object]) -> None:
    async for _ in events:
        continue


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def is_gone(process_id: int) -> bool:
    """Whether it has ended and been reaped."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_process_that_hangs_is_ended_and_followed_by_another() -> None:
    async def main() -> None:
        async with started() as client:
            hung = client.facts.process_id
            branch = await client.open_branch()
            run = branch.run([Text("x")])
            await anext(run)
            os.kill(hung, signal.SIGSTOP)
            began = time.monotonic()
            await until(lambda: not client.health().is_alive)
            assert "said nothing" in client.health().reason
            with pytest.raises(EngineRestarted, match="said nothing for"):
                await anext(run)
            assert time.monotonic() - began < 5
            await until(lambda: client.health().is_alive)
            assert is_gone(hung)
            assert client.facts.process_id != hung
            assert client.num_restarts == 1
            with pytest.raises(EngineRestarted):
                await branch.fork(2)
            await (await client.open_branch()).close()

    asyncio.run(main())


def test_the_limits_for_health_keep_what_is_promised() -> None:
    default = SupervisionOptions()
    assert default.silence_limit_s + default.heartbeat_s < 5


def test_a_question_whose_process_ends_is_answered_by_an_error() -> None:
    async def main() -> None:
        async with started() as client:
            with pytest.raises(EngineRestarted, match="ended with status 7"):
                await client.open_branch(seed=9)
            assert not client.health().is_alive
            with pytest.raises(EngineRestarted, match="try again in a moment"):
                await client.open_branch()
            await until(lambda: client.health().is_alive)

    asyncio.run(main())


def test_an_engine_whose_loop_stands_still_is_not_healthy_and_later_ended() -> None:
    async def main() -> None:
        options = SupervisionOptions(heartbeat_s=0.02, first_backoff_s=0.01, step_limit_s=101)
        async with started(IS_SILENT, options) as client:
            await until(lambda: not client.health().is_alive)
            assert "has not ended a step for 100.0 s" in client.health().reason
            await (await client.open_branch()).close()
            assert client.num_restarts == 0
        async with started(IS_SILENT, SupervisionOptions(heartbeat_s=0.02, first_backoff_s=0.01)) as client:
            branch = await client.open_branch()
            run = branch.run([Text("x")])
            with pytest.raises(EngineRestarted, match="has not ended a step for"):
                await exhaust(run)
            await until(lambda: client.num_restarts > 0)

    asyncio.run(main())


def test_a_process_that_does_not_come_up_is_an_error() -> None:
    async def main() -> None:
        client = stub(ENDS)
        with pytest.raises(EngineNotStarted, match=r"it ended with status 5; see what it wrote"):
            await client.start()
        assert not client.health().is_alive
        with pytest.raises(EngineClosed):
            await client.open_branch()
        await client.aclose()
        client = stub(HANGS, SupervisionOptions(start_limit_s=0.01))
        with pytest.raises(EngineNotStarted, match="give it longer"):
            await client.start()
        await client.aclose()
        client = stub(HANGS)
        starting = asyncio.create_task(client.start())
        await asyncio.sleep(0.05)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await client.aclose()

    asyncio.run(main())


def test_a_process_that_does_not_go_is_made_to() -> None:
    async def main() -> None:
        async with started(STAYS) as client:
            assert client.health().is_alive

    asyncio.run(main())


def test_a_drain_lets_end_what_can_and_ends_the_rest() -> None:
    async def main() -> None:
        async with started() as client:
            branch = await client.open_branch()
            run = branch.run([Text("x")])
            await anext(run)
            draining = asyncio.create_task(client.drain(30))
            await asyncio.sleep(0)
            with pytest.raises(EngineClosed, match="no new requests"):
                await client.open_branch()
            assert client.health().is_alive, "what is open goes on"
            await run.aclose()
            assert not draining.done()
            await branch.close()
            await draining
            assert not client.health().is_alive
        async with started() as client:
            branch = await client.open_branch()
            run = branch.run([Text("x")])
            await anext(run)
            draining = asyncio.create_task(client.drain(0.05))
            with pytest.raises(EngineClosed, match="shut down before the request ended"):
                await anext(run)
            await draining
        async with started() as client:
            await client.drain(30)  # nothing is open

    asyncio.run(main())


@pytest.mark.parametrize("module", [STUB, ENGINE_MODULE])
def test_a_process_whose_server_is_gone_ends_by_itself(module: str) -> None:
    async def main() -> None:
        child = EngineChild(EngineConfig(random_seed=5), BufferLimits(), module)
        await child.connect()
        assert child._connection is not None
        child._connection.abort()
        async with asyncio.timeout(60):
            while os.waitid(os.P_PID, child.process_id, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                await asyncio.sleep(0.02)
        assert await child.reap() in (0, 1)

    asyncio.run(main())


def test_a_process_nobody_refers_to_any_more_is_ended() -> None:
    async def main() -> int:
        child = EngineChild(EngineConfig(), BufferLimits(), STUB)
        await child.connect()
        await child.ready
        assert child._connection is not None
        child._connection._transport.close()  # type: ignore[union-attr] # it is connected
        await child.lost.wait()
        return child.process_id

    process_id = asyncio.run(main())
    gc.collect()
    assert is_gone(process_id)
