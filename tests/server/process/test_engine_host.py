"""Branches and plans over a socket, both ends in this process: the same tokens, nothing left behind, nobody held up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from random_plans import DrawnPlan, random_plans

from palmette.grammar.errors import InvalidRegex
from palmette.grammar.spec import Regex
from palmette.lang.backend import HoldingBranch
from palmette.lang.events import BranchEnded, Event, ScoreResult, SelectResult, TextDelta, ValueReady
from palmette.lang.ir import Gen, Join, Operation, Select, Text, Tokens
from palmette.lang.plan import Branching, Plan, PlanBranch
from palmette.lang.sampling_params import SamplingParams
from palmette.lang.terms import DEFAULT_TERMS, Terms
from palmette.runtime.config import EngineConfig
from palmette.runtime.errors import BranchClosed, DeadlineExceeded, EmptyPrompt, InvalidRequest
from palmette.runtime.server.process.calls import BufferLimits, Calls
from palmette.runtime.server.process.connection import FrameConnection
from palmette.runtime.server.process.engine_host import EngineHost
from palmette.runtime.server.process.engine_service import EngineService
from palmette.runtime.server.process.errors import EngineRestarted, FrameTooLong, SlowReader
from palmette.runtime.server.process.frames import MAX_FRAME_LEN
from palmette.runtime.server.process.messages import BranchesOpened, Configure, Done, FlushCache, OpenBranch, RunPlan
from palmette.runtime.server.process.remote_branch import RemoteBranch, closing
from palmette.runtime.server.process.remote_plan_run import RemotePlanRun

T = TypeVar("T")

LONG = SamplingParams(max_new_tokens=1500, ignore_eos=True)


def short(num_tokens: int, **fields: object) -> SamplingParams:
    return SamplingParams(max_new_tokens=num_tokens, ignore_eos=True, **fields)  # type: ignore[arg-type] # any field


@pytest.fixture(scope="module")
def service() -> Iterator[EngineService]:
    made = EngineService(EngineConfig.from_options(max_total_tokens=16_384, num_compile_workers=0))
    yield made
    asyncio.run(made.aclose())


@dataclass
class Link:
    """Both ends of one connection."""

    calls: Calls
    near: FrameConnection
    far: FrameConnection
    service: EngineService
    hosts: list[EngineHost]

    async def open_branch(self, seed: int | None = None, terms: Terms = DEFAULT_TERMS) -> RemoteBranch:
        answer = await self.calls.ask(OpenBranch(seed, "", terms), BranchesOpened, closing(self.calls))
        return RemoteBranch(answer.branch_ids[0], self.calls)

    async def num_used_pages(self) -> int:
        await self.calls.ask(FlushCache(), Done)
        stats = await self.service.stats()
        return int(stats["num_pages"] - stats["num_free_pages"])


@asynccontextmanager
async def linked(
    service: EngineService, limits: BufferLimits | None = None, max_frame_len: int = MAX_FRAME_LEN
) -> AsyncIterator[Link]:
    limits = limits or BufferLimits()
    near_end, far_end = socket.socketpair()
    far_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # what is not read is soon noticed
    loop = asyncio.get_running_loop()
    calls = Calls(limits)
    hosts: list[EngineHost] = []
    _, far = await loop.create_unix_connection(
        lambda: FrameConnection(lambda *frame: hosts[0].receive(*frame), lambda: None, max_frame_len=max_frame_len),
        sock=far_end,
    )
    _, near = await loop.create_unix_connection(
        lambda: FrameConnection(
            calls.receive,
            lambda: calls.fail(lambda: EngineRestarted("the other end is gone")),
            max_frame_len=max_frame_len,
        ),
        sock=near_end,
    )
    hosts.append(EngineHost(service, far, limits.unsent, lambda: None))
    calls.connect(near)
    link = Link(calls, near, far, service, hosts)
    try:
        yield link
        assert calls.is_idle, "all branches are closed and all calls are over"
        assert calls.num_waiting_bytes == 0
        assert await link.num_used_pages() == 0
    finally:
        hosts[0].cancel_all()
        near.close()
        far.close()
        await asyncio.sleep(0)


async def collect(events: AsyncIterator[T]) -> list[T]:
    return [event async for event in events]


def essence(events: list[Event]) -> list[object]:
    """What another batch does not change: texts, tokens, choices."""
    told: list[object] = ["".join(event.text for event in events if isinstance(event, TextDelta))]
    for event in events:
        match event:
            case ValueReady(result=SelectResult(choice=choice)):
                told.append(choice)
            case ValueReady(result=ScoreResult(token_logprobs=tokens)):
                told.append([each.token_id for each in tokens])
            case ValueReady(result=tuple() as samples):
                told += [(each.text, each.token_ids, each.seed, each.finish_reason) for each in samples]
    return told


OPERATIONS: list[Operation] = [
    Text("The capital of France is"),
    Gen("city", short(12)),
    Select("answer", (" yes", " no", " maybe")),
    Gen("word", short(8, n=2, return_logprob=True, top_logprobs_num=2), Regex("[a-f]{2,6}")),
]


def test_tokens_are_those_of_a_backend_in_the_same_process(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            near, far = await link.open_branch(seed=7), await service.backend.open_branch(seed=7)
            here, there = await collect(near.run(OPERATIONS)), await collect(far.run(OPERATIONS))
            assert len(essence(here)) == 5
            assert essence(here) == essence(there)
            await near.close()
            await far.close()
            await near.close()

    asyncio.run(main())


async def events_of_plan(run: "RemotePlanRun | object", plan: Plan) -> list[list[object]]:
    events: dict[int, list[Event]] = {index: [] for index in range(len(plan.branches))}
    ended: list[int] = []
    async for index, item in run.events():  # type: ignore[attr-defined] # either run
        if isinstance(item, BranchEnded):
            assert item.error is None, item
            assert index in run.branches  # type: ignore[attr-defined] # either run
            ended.append(index)
        else:
            events[index].append(item)
    assert sorted(ended) == list(events)
    for branch in run.branches.values():  # type: ignore[attr-defined] # either run
        await branch.close()
    return [essence(each) for each in events.values()]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=random_plans(max_steps=8, max_branches=5))
def test_plans_are_those_of_a_backend_in_the_same_process(service: EngineService, drawn: DrawnPlan) -> None:
    async def main() -> None:
        plan = drawn.plan
        async with linked(service) as link:
            request = RunPlan(plan, {}, 3, "", DEFAULT_TERMS, False)
            here = await events_of_plan(RemotePlanRun(request, {}, link.calls), plan)
            there = await events_of_plan(service.backend.run_plan(plan, {}, seed=3), plan)
            assert here == there

    asyncio.run(main())


def test_leaving_a_run_cancels_it_before_anything_that_is_asked_later(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            branch = await link.open_branch()
            events = branch.run([Text("Hello"), Gen("x", LONG)])
            async for event in events:
                if isinstance(event, TextDelta) and event.name:
                    break
            await events.aclose()
            await branch.close()
            before = (await service.stats())["num_steps"]
            other = await link.open_branch()
            await collect(other.run([Text("Hi"), Gen("x", short(2))]))
            await other.close()
            assert (await service.stats())["num_steps"] - before <= 2 + 2, "the cancelled generation went on"

    asyncio.run(main())


def test_a_task_that_is_cancelled_gives_its_memory_back(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            branch = await link.open_branch()
            begun = asyncio.Event()

            async def read() -> None:
                async for event in branch.run([Text("Hello"), Gen("x", LONG)]):
                    if isinstance(event, TextDelta) and event.name:
                        begun.set()

            task = asyncio.create_task(read())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await branch.close()

    asyncio.run(main())


def test_forks_join_hold_and_run_on(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            branch = await link.open_branch(seed=1)
            holding: HoldingBranch = branch
            await collect(branch.run([Text("Once upon a time")]))
            children = await branch.fork(3)
            results = await asyncio.gather(*(collect(each.run([Gen("x", short(4))])) for each in children))
            texts = ["".join(event.text for event in each if isinstance(event, TextDelta)) for each in results]
            assert len({tuple(text) for text in texts}) > 1
            await holding.hold(1.0)
            joined = await collect(branch.run([Join(tuple(each.branch_id for each in children))]))
            assert "".join(event.text for event in joined if isinstance(event, TextDelta)) == "".join(texts)
            with pytest.raises(InvalidRequest, match="seconds >= 0"):
                await branch.hold(-1)
            for each in (*children, branch):
                await each.close()

    asyncio.run(main())


def test_failures_are_of_the_same_class_and_name_the_operation(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            branch = await link.open_branch()
            with pytest.raises(EmptyPrompt) as caught:
                await collect(branch.run([Gen("x", short(2))]))
            assert vars(caught.value)["operation_index"] == 0
            await branch.close()
            with pytest.raises(BranchClosed, match="open another"):
                await collect(branch.run([Text("more")]))

            refused = await link.open_branch()
            with pytest.raises(InvalidRegex) as refusal:
                await collect(refused.run([Text("a"), Gen("x", short(2), Regex("("))]))
            assert refusal.value.position == 0
            await refused.close()

            late = await link.open_branch(terms=Terms(timeout_s=0.001))
            with pytest.raises(DeadlineExceeded) as late_error:
                await collect(late.run([Text("Hello"), Gen("x", LONG)]))
            assert late_error.value.limit_s == 0.001
            await late.close()

    asyncio.run(main())


def test_what_cannot_be_sent_or_read_is_an_invalid_request_and_harms_nobody_else(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service, max_frame_len=4000) as link:
            branch = await link.open_branch()
            for operation in (Text("\ud800"), Tokens((2**70,))):
                with pytest.raises(InvalidRequest, match="plain data"):
                    await collect(branch.run([operation]))
            with pytest.raises(FrameTooLong, match="at most 4000 bytes"):
                await collect(branch.run([Text("x" * 5000)]))
            link.near.send(0, "no message at all")
            with pytest.raises(InvalidRequest, match="one that it can read"):
                await link.calls.ask("nonsense", Done)  # type: ignore[arg-type] # that is the point
            with pytest.raises(InvalidRequest, match="out of place"):
                await link.calls.ask(Configure(EngineConfig(), 1), Done)
            events = await collect(branch.run([Text("Hi"), Gen("x", short(2))]))
            assert isinstance(events[-1], ValueReady)
            await branch.close()

            talkative = await link.open_branch()
            with pytest.raises(FrameTooLong):
                await collect(
                    talkative.run([Text("Hi"), Gen("x", short(60, return_logprob=True, top_logprobs_num=20))])
                )
            await talkative.close()

    asyncio.run(main())


def test_many_branches_at_once(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:

            async def one(seed: int) -> int:
                branch = await link.open_branch(seed=seed)
                events = await collect(branch.run([Text("Say"), Gen("x", short(2))]))
                await branch.close()
                return sum(len(event.token_ids) for event in events if isinstance(event, TextDelta))

            assert await asyncio.gather(*map(one, range(500))) == [2] * 500

    asyncio.run(main())


def test_a_reader_that_is_slow_is_cancelled_and_others_are_served(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service, BufferLimits(per_request=2000)) as link:
            slow = await link.open_branch()
            events = slow.run([Text("Hello"), Gen("x", LONG)])
            await anext(events)  # and reads no more
            quick = await link.open_branch()
            is_slow_at_work = True
            while is_slow_at_work:  # until what it has not read is given up, and with it the work
                read = await collect(quick.run([Text("Hi"), Gen("x", short(4))]))
                assert isinstance(read[-1], ValueReady)
                is_slow_at_work = (await service.stats())["num_running_rows"] > 0
            assert not link.calls.num_waiting_bytes
            with pytest.raises(SlowReader) as caught:
                await collect(events)
            assert caught.value.max_bytes == 2000
            await quick.close()
            await slow.close()

    asyncio.run(main())


def test_a_server_that_does_not_read_never_holds_up_the_engine(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            branches = [await link.open_branch() for _ in range(3)]
            runs = [branch.run([Text("Hello"), Gen("x", LONG)]) for branch in branches]
            for run in runs:
                await anext(run)
            link.near._transport.pause_reading()
            link.hosts[0]._max_unsent_bytes = 1000  # only now: until here this test may have been slow to read itself
            while (await service.stats())["num_running_rows"]:
                await asyncio.sleep(0.01)
            link.near._transport.resume_reading()
            for run in runs:
                with pytest.raises(SlowReader):
                    await collect(run)
            again = await link.open_branch()
            assert isinstance((await collect(again.run([Text("Hi"), Gen("x", short(4))])))[-1], ValueReady)
            for branch in (*branches, again):
                await branch.close()

    asyncio.run(main())


def test_an_opening_or_a_fork_that_nobody_waits_for_is_closed_when_it_is_there(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            parent = await link.open_branch()
            await collect(parent.run([Text("Hello there, you all")]))
            opening = asyncio.create_task(link.open_branch())
            forking = asyncio.create_task(parent.fork(3))
            await asyncio.sleep(0)
            opening.cancel()
            forking.cancel()
            await asyncio.wait([opening, forking])
            await collect(parent.run([Text(" again")]))
            await parent.close()
            while not link.calls.is_idle or (await service.stats())["num_branches"]:
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_leaving_a_plan_closes_what_it_opened(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            child = PlanBranch("child", 0, (Gen("x", LONG),))
            plan = Plan("p", (), (PlanBranch("root", None, (Text("Hello"), Branching((1,)), Gen("y", LONG))), child))
            run = RemotePlanRun(RunPlan(plan, {}, None, "", DEFAULT_TERMS, True), {}, link.calls)
            events = run.events()
            async for _ in events:
                if len(run.branches) == 2:
                    break
            await events.aclose()
            while (await service.stats())["num_branches"]:
                await asyncio.sleep(0.01)

    asyncio.run(main())


@pytest.mark.parametrize("num_read", [1, 3])
def test_leaving_a_plan_that_has_ended_unread_closes_what_it_opened(service: EngineService, num_read: int) -> None:
    async def main() -> None:
        async with linked(service) as link:
            plan = Plan("p", (), (PlanBranch("root", None, (Text("Hello"), Gen("x", short(2)))),))
            run = RemotePlanRun(RunPlan(plan, {}, None, "", DEFAULT_TERMS, True), {}, link.calls)
            while link.hosts[0]._calls or link.calls.num_waiting_bytes == 0:
                await asyncio.sleep(0.01)
            assert (await service.stats())["num_branches"] == 1
            events = run.events()
            for _ in range(num_read):
                await anext(events)
            await events.aclose()
            while (await service.stats())["num_branches"]:
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_leaving_a_plan_after_its_last_word_keeps_what_it_opened(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            plan = Plan("p", (), (PlanBranch("root", None, (Text("Hello"), Gen("x", short(2)))),))
            run = RemotePlanRun(RunPlan(plan, {}, None, "", DEFAULT_TERMS, True), {}, link.calls)
            events = run.events()
            async for _, item in events:
                if isinstance(item, BranchEnded):
                    break
            await events.aclose()
            (branch,) = run.branches.values()
            more = await collect(branch.run([Gen("y", short(2))]))
            assert isinstance(more[-1], ValueReady)
            await branch.close()
            assert not link.hosts[0]._plan_branches

    asyncio.run(main())


def test_a_plan_goes_on_with_a_live_branch(service: EngineService) -> None:
    async def main() -> None:
        async with linked(service) as link:
            branch = await link.open_branch(seed=1)
            await collect(branch.run([Text("Hello")]))
            plan = Plan("p", (), (PlanBranch("root", None, (Gen("x", short(3)),)),))
            request = RunPlan(plan, {0: branch.branch_id}, None, "", DEFAULT_TERMS, False)
            items = [item async for _, item in RemotePlanRun(request, {0: branch}, link.calls).events()]
            assert items[-1] == BranchEnded()
            assert any(isinstance(item, ValueReady) for item in items)
            await branch.close()

    asyncio.run(main())
