"""LocalBackend: the language's port over an engine, with cancellation, forks and errors that name their operation."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

import palmette
from palmette.grammar.errors import GrammarError
from palmette.grammar.spec import Regex
from palmette.lang.backend import Backend, Branch
from palmette.lang.events import Event, GenResult, TextDelta, ValueReady
from palmette.lang.ir import Gen, Operation, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.errors import BranchClosed, EmptyPrompt
from palmette.runtime.local.embedded import Engine

LONG = SamplingParams(max_new_tokens=1500, ignore_eos=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(max_total_tokens=8192) as made:
        yield made
        made.check_integrity()


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def result(events: list[Event]) -> GenResult:
    (value,) = (event for event in events if isinstance(event, ValueReady))
    assert isinstance(value.result, tuple)
    return value.result[0]


def test_it_is_a_backend(engine: Engine) -> None:
    backend: Backend = engine

    async def main() -> list[Event]:
        branch: Branch = await backend.open_branch(seed=1)
        events = await collect(branch.run([Text("Hello"), Gen("x", SamplingParams(max_new_tokens=3, ignore_eos=True))]))
        await branch.close()
        await branch.close()
        return events

    events = asyncio.run(main())
    assert isinstance(events[0], TextDelta)
    assert events[0].text == "Hello"
    assert result(events).completion_tokens == 3


def test_leaving_the_iterator_cancels_and_closing_returns_the_memory(engine: Engine) -> None:
    async def main() -> int:
        branch = await engine.open_branch()
        async for event in branch.run([Text("Hello"), Gen("x", LONG)]):
            if isinstance(event, TextDelta) and event.name:
                break
        await branch.close()
        await engine.aflush_cache()
        before = engine.stats()["num_steps"]
        other = await engine.open_branch()
        await collect(other.run([Text("Hi"), Gen("x", SamplingParams(max_new_tokens=2, ignore_eos=True))]))
        await other.close()
        await engine.aflush_cache()
        return engine.stats()["num_steps"] - before

    assert asyncio.run(main()) <= 4, "the cancelled generation went on"
    stats = engine.stats()
    assert stats["num_free_pages"] == stats["num_pages"]


def test_a_task_that_is_cancelled_stops_the_engine(engine: Engine) -> None:
    async def main() -> None:
        branch = await engine.open_branch()
        task = asyncio.create_task(collect(branch.run([Text("Hello"), Gen("x", LONG)])))
        while engine.stats()["num_steps"] < 5:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await branch.close()
        await engine.aflush_cache()

    asyncio.run(main())
    stats = engine.stats()
    assert stats["num_free_pages"] == stats["num_pages"]


@pytest.mark.parametrize(
    ("operations", "error", "index"),
    [
        ([Gen("x")], EmptyPrompt, 0),
        ([Text("a"), Gen("x", constraint=Regex("("))], GrammarError, 1),
    ],
)
def test_errors_name_the_operation(
    engine: Engine, operations: list[Operation], error: type[Exception], index: int
) -> None:
    async def main() -> None:
        branch = await engine.open_branch()
        await collect(branch.run(operations))

    with pytest.raises(error) as caught:
        asyncio.run(main())
    assert getattr(caught.value, "operation_index", None) == index


def test_what_comes_before_a_constraint_that_does_not_compile_still_runs(engine: Engine) -> None:
    good = Gen("good", SamplingParams(max_new_tokens=2, ignore_eos=True))
    heard: list[Event] = []

    async def main() -> None:
        branch = await engine.open_branch()
        async for event in branch.run([Text("a"), good, Gen("bad", constraint=Regex("("))]):
            heard.append(event)  # noqa: PERF401 - what came before the error is to be kept

    with pytest.raises(GrammarError):
        asyncio.run(main())
    assert result(heard).completion_tokens == 2


def test_whoever_is_cancelled_while_opening_or_forking_leaves_no_branch(engine: Engine) -> None:
    async def main() -> int:
        parent = await engine.open_branch()
        await collect(parent.run([Text("One two three.")]))
        for _ in range(10):
            tasks = [asyncio.create_task(engine.open_branch()), asyncio.create_task(parent.fork(3))]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if parent is not None:
                await parent.close()
            parent = await engine.open_branch()
            await collect(parent.run([Text("One two three.")]))
        await parent.close()
        for _ in range(50):  # what was opened for nobody is closed by the loop, which needs its turns for it
            await asyncio.to_thread(engine.stats)
        return len(engine._thread.ask(lambda core: list(core.branches.all())).result())

    assert asyncio.run(main()) == 0


def test_questions_that_are_cancelled_do_not_end_the_engine(engine: Engine) -> None:
    async def main() -> None:
        params = {"max_new_tokens": 60, "ignore_eos": True}
        busy = asyncio.create_task(engine.async_generate(["A long story "] * 4, params))
        await asyncio.to_thread(engine.stats)
        for _ in range(20):
            impatient = asyncio.create_task(engine.async_generate("hi", {"max_new_tokens": 5}))
            await asyncio.sleep(0)
            impatient.cancel()
        await busy

    asyncio.run(main())


def test_forks_run_together_and_closed_branches_take_nothing(engine: Engine) -> None:
    async def main() -> tuple[list[GenResult], int]:
        parent = await engine.open_branch(seed=3)
        await collect(parent.run([Text("One two three four five six seven eight nine ten.")]))
        children = await parent.fork(4)
        before = engine.stats()["num_computed_tokens"]
        params = SamplingParams(max_new_tokens=5, ignore_eos=True)
        answers = await asyncio.gather(*(collect(child.run([Gen("x", params)])) for child in children))
        computed = engine.stats()["num_computed_tokens"] - before
        for branch in (parent, *children):
            await branch.close()
        with pytest.raises(BranchClosed):
            await collect(parent.run([Text("more")]))
        return [result(events) for events in answers], computed

    answers, computed = asyncio.run(main())
    assert len({answer.token_ids for answer in answers}) > 1, "children draw different noise"
    assert computed == 4 * 5


def test_programs_of_the_language_are_seeded_whole(engine: Engine) -> None:
    @palmette.function
    def story(s: palmette.ProgramState) -> None:
        s += "Once" + palmette.gen("a", max_tokens=6, ignore_eos=True)
        s += " and" + palmette.gen("b", max_tokens=6, ignore_eos=True)
        forks = s.fork(2)
        for fork in forks:
            fork += palmette.gen("c", max_tokens=4, ignore_eos=True)
        forks.join()

    def values(state: palmette.ProgramState) -> tuple[object, ...]:
        return state["a"], state["b"], tuple(state["c"])

    alone = values(story.run(seed=5, backend=engine))
    crowd = story.run_batch([{}] * 6, seed=0, backend=engine)
    assert values(crowd[5]) == alone
    assert values(story.run(seed=6, backend=engine)) != alone
