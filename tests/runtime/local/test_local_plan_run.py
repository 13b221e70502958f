"""Plans over the language's port: one message each, the same answers as branch by branch, and nothing left behind."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import pytest

from palmette.grammar.errors import GrammarError
from palmette.grammar.spec import Regex
from palmette.lang.backend import Branch, PlanBackend
from palmette.lang.events import BranchEnded, Event, GenResult, TextDelta, ValueReady
from palmette.lang.ir import Gen, Join, Operation, Text
from palmette.lang.plan import Branching, Joining, Plan, PlanBranch, Ref, Template
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.errors import EngineClosed, InvalidRequest
from palmette.runtime.local.embedded import Engine
from palmette.runtime.plans.joined_text import Told

PROMPT = Text("One two three four")


def gen(name: str, max_new_tokens: int = 4) -> Gen:
    return Gen(name, SamplingParams(max_new_tokens=max_new_tokens, ignore_eos=True))


TREE = Plan(
    "tree",
    (),
    (
        PlanBranch(
            "root",
            None,
            (PROMPT, gen("a"), Branching((1, 2)), Joining((1, 2), "concate_and_append"), gen("d")),
        ),
        PlanBranch("root[0]", 0, (Text(" left"), gen("b"))),
        PlanBranch("root[1]", 0, (Template((" right of ", Ref(0, 1))), gen("c"))),
    ),
)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(max_total_tokens=8192) as made:
        yield made
        made.check_integrity()


class Outcome:
    """All that a plan reported."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Event]] = []
        self.ended: dict[int, BranchEnded] = {}
        self.branches: Mapping[int, Branch] = {}

    @property
    def token_ids(self) -> dict[str, tuple[int, ...]]:
        return {event.name: result(event).token_ids for _, event in self.events if isinstance(event, ValueReady)}

    def text(self, index: int) -> str:
        return "".join(event.text for at, event in self.events if at == index and isinstance(event, TextDelta))


def result(event: ValueReady) -> GenResult:
    assert isinstance(event.result, tuple)
    return event.result[0]


async def follow(engine: Engine, plan: Plan, roots: Mapping[int, Branch] | None = None, **options: object) -> Outcome:
    plan_run = engine.run_plan(plan, roots or {}, **options)  # type: ignore[arg-type] # a few of its options
    outcome = Outcome()
    async for index, item in plan_run.events():
        if isinstance(item, BranchEnded):
            assert index in plan_run.branches or item.error is not None
            outcome.ended[index] = item
        else:
            outcome.events.append((index, item))
    outcome.branches = plan_run.branches
    return outcome


async def close_all(engine: Engine, outcome: Outcome) -> None:
    for branch in outcome.branches.values():
        await branch.close()
    await engine.aflush_cache()
    stats = engine.stats()
    assert stats["num_free_pages"] == stats["num_pages"]


async def branch_by_branch(engine: Engine, seed: int) -> dict[str, tuple[int, ...]]:
    """What `TREE` says, through the branches of the port."""
    values: dict[str, GenResult] = {}

    async def run(branch: Branch, *operations: Operation) -> None:
        async for event in branch.run(operations):
            if isinstance(event, ValueReady):
                values[event.name] = result(event)

    root = await engine.open_branch(seed=seed)
    await run(root, PROMPT, gen("a"))
    left, right = await root.fork(2)
    await asyncio.gather(
        run(left, Text(" left"), gen("b")), run(right, Text(" right of " + values["a"].text), gen("c"))
    )
    await run(root, Join((left.branch_id, right.branch_id)), gen("d"))
    for branch in (root, left, right):
        await branch.close()
    return {name: value.token_ids for name, value in values.items()}


def test_the_engine_is_a_plan_backend_whose_plans_say_what_its_branches_say(engine: Engine) -> None:
    assert isinstance(engine, PlanBackend)

    async def main() -> None:
        expected = await branch_by_branch(engine, 5)
        for is_streaming in (False, True):
            outcome = await follow(engine, TREE, seed=5, is_streaming=is_streaming)
            assert outcome.token_ids == expected
            assert all(ended.error is None for ended in outcome.ended.values())
            assert set(outcome.branches) == {0, 1, 2}
            assert outcome.text(0).count(outcome.text(1) + outcome.text(2)) == 1
            await close_all(engine, outcome)

    asyncio.run(main())


def test_live_branches_go_on_and_outlive_the_plan(engine: Engine) -> None:
    async def main() -> None:
        root = await engine.open_branch(seed=3)
        outcome = await follow(engine, Plan("p", (), (PlanBranch("root", None, (PROMPT, gen("a"))),)), {0: root})
        assert outcome.branches[0] is root
        after = [event async for event in root.run([gen("b")])]
        assert isinstance(after[-1], ValueReady)
        await close_all(engine, outcome)

    asyncio.run(main())


def test_leaving_early_cancels_and_closes_all_that_was_opened(engine: Engine) -> None:
    long = Plan(
        "long",
        (),
        (PlanBranch("root", None, (PROMPT, gen("a", 2), Branching((1,)), gen("b", 1500))), PlanBranch("c", 0, ())),
    )

    async def main() -> None:
        events = engine.run_plan(long, {}).events()
        async for _, item in events:
            if isinstance(item, ValueReady):
                break
        await events.aclose()
        await engine.aflush_cache()
        stats = engine.stats()
        assert stats["num_free_pages"] == stats["num_pages"]
        assert stats["num_steps"] < 100

    asyncio.run(main())


def test_a_task_that_is_cancelled_leaves_nothing(engine: Engine) -> None:
    constrained = Gen("c", SamplingParams(max_new_tokens=900), Regex("(ab|cd|ef){300}"))
    plan = Plan("p", (), (PlanBranch("root", None, (PROMPT, constrained)),))

    async def main() -> None:
        for num_turns in (0, 1, 5):  # before the constraint is compiled, perhaps, and after
            task = asyncio.create_task(follow(engine, plan))
            for _ in range(num_turns):
                await asyncio.to_thread(engine.stats)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.to_thread(engine.stats)
        await engine.aflush_cache()
        stats = engine.stats()
        assert stats["num_free_pages"] == stats["num_pages"]

    asyncio.run(main())


def test_a_constraint_that_does_not_compile_fails_at_its_step_and_the_other_branch_goes_on(engine: Engine) -> None:
    bad = Gen("bad", SamplingParams(max_new_tokens=4), Regex("("))
    good = Gen("good", SamplingParams(max_new_tokens=4), Regex("[ab]{2}"))
    plan = Plan(
        "p",
        (),
        (PlanBranch("root", None, (PROMPT, gen("a"), bad, Text("x"))), PlanBranch("other", None, (PROMPT, good))),
    )

    async def main() -> Outcome:
        return await follow(engine, plan)

    outcome = asyncio.run(main())
    assert set(outcome.token_ids) == {"a", "good"}
    assert isinstance(outcome.ended[0].error, GrammarError)
    assert outcome.ended[0].operation_index == 2
    assert outcome.ended[1].error is None


def test_constraints_are_compiled_on_another_thread_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[object] = []
    to_thread = asyncio.to_thread

    async def counting(function: object, *arguments: object) -> object:
        hops.append(function)
        return await to_thread(function, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "to_thread", counting)
    constrained = Gen("c", SamplingParams(max_new_tokens=4), Regex("[ab]{2}"))
    plan = Plan("p", (), (PlanBranch("root", None, (PROMPT, constrained, Text(" "), constrained)),))

    async def main() -> None:
        for _ in range(3):
            outcome = await follow(engine, plan, seed=1)
            assert outcome.ended[0].error is None

    asyncio.run(main())
    assert len(hops) == 1


def test_a_plan_that_cannot_run_or_an_engine_that_has_ended_is_told_at_once() -> None:
    async def main() -> None:
        with Engine(max_total_tokens=4096) as engine:
            with pytest.raises(InvalidRequest, match="step 1 of branch 0"):
                engine.run_plan(Plan("p", (), (PlanBranch("root", None, (PROMPT, Template((Ref(0, 4),)))),)), {})
            open_one = engine.run_plan(Plan("p", (), (PlanBranch("root", None, (PROMPT, gen("a", 1500))),)), {})
            await asyncio.to_thread(engine.stats)
        ended = [item async for _, item in open_one.events() if isinstance(item, BranchEnded)]
        assert [type(each.error) for each in ended] == [EngineClosed]
        with pytest.raises(EngineClosed):
            engine.run_plan(TREE, {})
        uncompiled = Gen("c", SamplingParams(max_new_tokens=4), Regex("[xy]{2}"))
        late = engine.run_plan(Plan("p", (), (PlanBranch("root", None, (PROMPT, uncompiled)),)), {})
        ended = [item async for _, item in late.events() if isinstance(item, BranchEnded)]
        assert [type(each.error) for each in ended] == [EngineClosed]

    asyncio.run(main())


def test_a_branch_is_held_for_a_time_that_can_be() -> None:
    async def main() -> None:
        with Engine(max_total_tokens=4096) as engine:
            branch = await engine.open_branch()
            await branch.hold(60.0)
            (held,) = await asyncio.to_thread(
                lambda: engine._thread.ask(lambda core: [each.held_until for each in core.branches.all()]).result()
            )
            assert held is not None
            with pytest.raises(InvalidRequest, match="seconds"):
                await branch.hold(float("nan"))
            await branch.close()
            await branch.hold(1.0)

    asyncio.run(main())


def test_what_is_delivered_is_what_is_read(engine: Engine) -> None:
    async def main() -> None:
        read, delivered = Outcome(), Outcome()
        for is_delivered, outcome in ((False, read), (True, delivered)):
            run = engine.run_plan(TREE, {}, seed=7, is_streaming=True)

            def note(told: Sequence[Told], outcome: Outcome = outcome) -> None:
                for index, item in told:
                    if isinstance(item, BranchEnded):
                        outcome.ended[index] = item
                    else:
                        outcome.events.append((index, item))

            if is_delivered:
                await run.deliver(note)
            else:
                async for told in run.events():
                    note([told])
            for branch in run.branches.values():
                await branch.close()
        assert delivered.token_ids == read.token_ids
        assert delivered.ended == read.ended
        assert [delivered.text(index) for index in range(3)] == [read.text(index) for index in range(3)]

    asyncio.run(main())


def test_who_cannot_take_what_is_delivered_ends_the_plan(engine: Engine) -> None:
    async def main() -> None:
        def refuse(_: Sequence[Told]) -> None:
            raise ValueError("no room")

        run = engine.run_plan(Plan("p", (), (PlanBranch("b", None, (PROMPT, gen("a", 2000))),)), {}, is_streaming=True)
        with pytest.raises(ValueError, match="no room"):
            await run.deliver(refuse)
        assert engine.stats()["num_branches"] == 0

    asyncio.run(main())
