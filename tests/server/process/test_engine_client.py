"""EngineClient over a real process: what it answers, and what becomes of requests when the process dies or hangs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import pytest

from palmette.grammar.errors import InvalidRegex
from palmette.grammar.spec import JsonSchema, Regex
from palmette.lang.backend import PlanBackend
from palmette.lang.events import BranchEnded, Event, GenResult, ValueReady
from palmette.lang.ir import Gen, Text
from palmette.lang.plan import Plan, PlanBranch
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.config import EngineConfig
from palmette.runtime.errors import EngineClosed, InvalidRequest, ModelNotFound
from palmette.runtime.server.process.engine_client import EngineClient
from palmette.runtime.server.process.errors import EngineRestarted
from palmette.runtime.server.process.process_parts import parts_of_process
from palmette.runtime.server.process.supervisor import SupervisionOptions

T = TypeVar("T")

CONFIG = EngineConfig.from_options(max_total_tokens=8192, random_seed=1, num_compile_workers=0)
# Hardly any silence is allowed, and hardly any time passes before the next start.
QUICK = SupervisionOptions(heartbeat_s=0.05, silence_limit_s=3.5, first_backoff_s=0.01, start_limit_s=60)
LONG = SamplingParams(max_new_tokens=1500, ignore_eos=True)


async def collect(events: AsyncIterator[T]) -> list[T]:
    return [event async for event in events]


async def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.02)


def tokens_of(events: list[Event]) -> tuple[int, ...]:
    (value,) = (event for event in events if isinstance(event, ValueReady))
    assert isinstance(value.result, tuple)
    assert isinstance(value.result[0], GenResult)
    return value.result[0].token_ids


async def generate(client: EngineClient, num_tokens: int = 4) -> tuple[int, ...]:
    branch = await client.open_branch(seed=5)
    params = SamplingParams(max_new_tokens=num_tokens, ignore_eos=True)
    try:
        return tokens_of(await collect(branch.run([Text("The capital of France is"), Gen("x", params)])))
    finally:
        await branch.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def client(runner: asyncio.Runner) -> Iterator[EngineClient]:
    """A process that all tests share; those that end it wait for the next."""

    async def start() -> EngineClient:
        client = EngineClient(CONFIG, QUICK)
        missing = EngineClient(EngineConfig.from_options("/no/such/folder"), QUICK)
        _, refusal = await asyncio.gather(client.start(), missing.start(), return_exceptions=True)
        assert isinstance(refusal, ModelNotFound)
        assert not missing.health().is_alive
        await missing.aclose()
        return client

    client = runner.run(start())
    yield client
    process_id = client.facts.process_id
    runner.run(client.aclose())
    assert not client.health().is_alive
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    with pytest.raises(EngineClosed, match="shut down"):
        runner.run(client.stats())


def test_it_is_a_backend_and_answers_what_a_server_asks(runner: asyncio.Runner, client: EngineClient) -> None:
    backend: PlanBackend = client
    assert isinstance(client, PlanBackend)
    assert client.facts.model_name == "sprig"

    async def main() -> None:
        first = await generate(client)
        assert await generate(client) == first, "the same seed, the same tokens"
        plan = Plan("p", (), (PlanBranch("b", None, (Text("Hi"), Gen("x", SamplingParams(max_new_tokens=3)))),))
        run = backend.run_plan(plan, {}, seed=1)
        assert [item for _, item in await collect(run.events())][-1] == BranchEnded()
        with pytest.raises(InvalidRequest, match="at least one branch"):
            backend.run_plan(Plan("p", (), ()), {})
        stats = await client.stats()
        assert stats["num_computed_tokens"] > 0
        assert stats["num_engine_restarts"] == 0
        bad, good = Regex("("), Regex("[ab]+")
        assert list(await client.compile([bad, good, bad])) == [bad]
        with pytest.raises(InvalidRegex):
            await client.check_constraint(bad)
        await client.check_constraint(JsonSchema('{"type": "integer"}'))
        assert (await client.enforced_by(bad)).startswith("refused: regex")
        assert "llguidance" in await client.enforced_by(good)
        tree = await client.tree(max_nodes=10)
        assert tree.nodes[0].parent_id is None
        assert sum(node.num_tokens for node in tree.nodes) == tree.num_cached_tokens > 0
        await client.aflush_cache()
        assert (await client.tree()).num_cached_tokens == 0
        await run.branches[0].close()

    runner.run(main())
    assert client.health().is_alive


def test_the_parts_of_a_server_come_from_it_without_the_weights(runner: asyncio.Runner, client: EngineClient) -> None:
    parts = runner.run(parts_of_process(client))
    assert parts.context_len == 4096
    assert parts.tokenizer.vocab_size == client.facts.vocab_size
    assert parts.chat_template is not None
    assert parts.health().is_alive


def test_the_server_s_process_never_imports_torch() -> None:
    program = (
        "import sys\n"
        "import palmette.runtime.server.process.process_parts\n"
        "print([each for each in ('torch', 'xgrammar', 'llguidance') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_signals_for_the_server_do_not_end_the_engine_s_process(runner: asyncio.Runner, client: EngineClient) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(client.facts.process_id, number)
    assert len(runner.run(generate(client))) == 4


def test_a_process_that_is_killed_fails_what_is_in_it_and_another_is_started(
    runner: asyncio.Runner, client: EngineClient
) -> None:
    async def main() -> None:
        before, expected = client.num_restarts, await generate(client)
        branch, plan_branch = await client.open_branch(), PlanBranch("b", None, (Text("Hi"), Gen("x", LONG)))
        run, plan = branch.run([Text("Hello"), Gen("x", LONG)]), client.run_plan(Plan("p", (), (plan_branch,)), {})
        await anext(run)
        os.kill(client.facts.process_id, signal.SIGKILL)
        with pytest.raises(EngineRestarted, match=r"ended with status -9.*send the request again"):
            await collect(run)
        with pytest.raises(EngineRestarted):
            await collect(plan.events())
        assert not client.health().is_alive
        assert "started again" in client.health().reason
        with pytest.raises(EngineRestarted, match="try again"):
            await client.open_branch()
        await until(lambda: client.health().is_alive)
        with pytest.raises(EngineRestarted):
            await branch.fork(1)
        await branch.close()
        assert await generate(client) == expected
        assert client.num_restarts == before + 1

    runner.run(main())
