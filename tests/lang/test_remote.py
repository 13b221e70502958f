"""Programs on a server, over a real socket: the same tokens as in the engine there, errors, and nothing left open."""

import asyncio
import contextlib
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from live_server import LiveServer
from paused_engine import paused_engine
from random_plans import DrawnPlan, random_plans

import palmette as pm
from palmette.lang.backend import PlanBackend
from palmette.lang.events import BranchEnded, SelectResult, TextDelta, ValueReady
from palmette.lang.ir import Gen, Join, Select, Text
from palmette.lang.plan import Plan
from palmette.lang.remote.connection import event_data
from palmette.lang.remote.endpoint import RuntimeEndpoint
from palmette.lang.remote.errors import ErrorReader, RemoteError, RemoteRefused, RemoteTimeout, RemoteUnavailable
from palmette.lang.running.portal import PORTAL
from palmette.lang.wire import WireError
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.settings import KeySettings, ProgramSettings, ServerSettings

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(max_total_tokens=32_768) as made:
        yield made
        assert made.stats()["num_branches"] == 0  # every branch that was opened over the network has been closed
        made.check_integrity()


@pytest.fixture(scope="module")
def url(engine: Engine) -> Iterator[str]:
    with LiveServer(create_app(parts_of(engine))) as address:
        yield address


@pytest.fixture(scope="module")
def endpoint(url: str) -> Iterator[RuntimeEndpoint]:
    with RuntimeEndpoint(url) as made:
        yield made


@pm.function
def tell(s: pm.ProgramState, country: str) -> None:
    s += f"The capital of {country} is" + pm.gen("city", max_tokens=6, temperature=0.8)
    s += ". It is " + pm.select("size", ["large", "small"])
    with s.user():
        s += "Say more."
    with s.assistant():
        s += pm.gen("more", max_tokens=8, temperature=1.0)


@pm.function
def fan_out(s: pm.ProgramState) -> None:
    s += "Colours: "
    forks = s.fork(3)
    for number, fork in enumerate(forks):
        fork += f"{number}:" + pm.gen("colour", max_tokens=3, temperature=1.0)
    forks.join("concate_and_append")
    s += " so" + pm.gen("end", max_tokens=4, temperature=1.0)


@pm.function
def decide(s: pm.ProgramState) -> None:
    s += "The sky is" + pm.gen("first", max_tokens=3, temperature=1.0)
    if len(s["first"]) % 2:  # Python looks at a value: the branch stays live between two requests
        s += " odd"
    s += " and" + pm.gen("second", max_tokens=3, temperature=1.0)
    one, two = s.fork(2)
    one += " one" + pm.gen("x", max_tokens=2, temperature=1.0)
    two += " two" + pm.gen("x", max_tokens=2, temperature=1.0)
    s += f"{one['x']}{two['x']}"


@pm.function
def heal(s: pm.ProgramState) -> None:
    s += "The capital of France is " + pm.gen("city", max_tokens=4, temperature=0.0, token_healing=True)
    assert s["city"].startswith("Paris")


@pytest.mark.parametrize(
    ("program", "arguments"),
    [(tell, {"country": "France"}), (fan_out, {}), (decide, {}), (heal, {})],
    ids=lambda each: str(each),
)
def test_a_program_gives_the_same_text_there_as_here(
    program: pm.Function, arguments: dict[str, str], endpoint: RuntimeEndpoint, engine: Engine
) -> None:
    there = program.run(**arguments, backend=endpoint, seed=11)
    here = program.run(**arguments, backend=engine, seed=11)
    assert there.text() == here.text()
    assert there.text()


def test_values_carry_the_same_meta_info(endpoint: RuntimeEndpoint, engine: Engine) -> None:
    metas = []
    for each in (endpoint, engine):
        engine.flush_cache()  # what is computed in other pieces may differ in a last digit
        state = tell.run(country="Japan", backend=each, seed=3, return_logprob=True, top_logprobs_num=2)
        # How much of it was guessed hangs on what was written before, which a flush does not forget.
        meta = state.get_meta_info("city").items()
        metas.append({name: value for name, value in meta if name != "id" and not name.startswith("spec_")})
    assert metas[0] == metas[1]


def test_text_streams() -> None:
    with (
        paused_engine(4) as (engine, pause),
        LiveServer(create_app(parts_of(engine))) as address,
        RuntimeEndpoint(address) as endpoint,
    ):
        state = tell.run(country="Spain", backend=endpoint, seed=5, stream=True)
        pieces = state.text_iter("city")
        first = next(pieces)
        assert first
        pause.end()
        rest = list(pieces)
        assert rest
        assert first + "".join(rest) == state["city"]
        assert "".join(state.text_iter()) == state.text()


def test_many_at_once(endpoint: RuntimeEndpoint, engine: Engine) -> None:
    items = [{"country": each} for each in ("France", "Spain", "Japan", "Kenya", "Peru", "Chad")]
    there = tell.run_batch(items, backend=endpoint, seed=1)
    here = tell.run_batch(items, backend=engine, seed=1)
    assert [state.text() for state in there] == [state.text() for state in here]


async def outcome(backend: PlanBackend, plan: Plan) -> dict[tuple[int, int], object]:
    """Texts and token ids by branch and step, and why each branch ended."""
    run = backend.run_plan(plan, {}, seed=9)
    found: dict[tuple[int, int], object] = {}
    texts: dict[int, str] = {}
    sampled: dict[int, tuple[int, ...]] = {}
    async for index, event in run.events():
        if isinstance(event, TextDelta):
            texts[index] = texts.get(index, "") + event.text
            sampled[index] = sampled.get(index, ()) + event.token_ids
        elif isinstance(event, ValueReady) and isinstance(event.result, tuple):
            found[index, event.operation_index] = [sample.token_ids for sample in event.result]
        elif isinstance(event, ValueReady) and isinstance(event.result, SelectResult):
            found[index, event.operation_index] = event.result.choice
        elif isinstance(event, BranchEnded):
            assert event.error is None
            assert index in run.branches
    for branch in run.branches.values():
        await branch.close()
    return {**found, **{(index, -1): (text, sampled[index]) for index, text in texts.items()}}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=random_plans(max_steps=8, max_branches=5))
def test_any_plan_does_there_what_it_does_here(endpoint: RuntimeEndpoint, engine: Engine, drawn: DrawnPlan) -> None:
    async def both() -> None:
        assert await outcome(endpoint, drawn.plan) == await outcome(engine, drawn.plan)

    PORTAL.call(both())


def test_a_live_branch_is_the_port_over_http(endpoint: RuntimeEndpoint) -> None:
    async def use() -> None:
        branch = await endpoint.open_branch(seed=4)
        events = [each async for each in branch.run([Text("One two"), Gen("x", pm.SamplingParams(max_new_tokens=3))])]
        assert any(isinstance(each, ValueReady) for each in events)
        await branch.hold(5)
        left, right = await branch.fork(2)
        text = [each async for each in left.run([Text(" left")])]
        assert text == [TextDelta(0, " left")]
        [added] = [each async for each in branch.run([Join((left.branch_id, right.branch_id))])]
        assert added == TextDelta(0, " left")
        for each in (branch, left, right):
            await each.close()
            await each.close()  # never raises twice
        with pytest.raises(RemoteError, match="no such branch"):
            [each async for each in branch.run([Text("more")])]

    PORTAL.call(use())


def test_an_operation_that_fails_names_itself_and_its_error(endpoint: RuntimeEndpoint) -> None:
    async def use() -> None:
        branch = await endpoint.open_branch()
        with pytest.raises(RemoteError, match="EmptyPrompt") as caught:
            [each async for each in branch.run([Text(""), Select("x", ("a", "b"))])]
        assert getattr(caught.value, "operation_index", None) == 1
        await branch.close()

    PORTAL.call(use())


def test_a_constraint_fails_as_the_error_it_is(endpoint: RuntimeEndpoint) -> None:
    @pm.function
    def impossible(s: pm.ProgramState) -> None:
        s += "x" + pm.gen("x", json_schema={"type": "integer", "minimum": 3, "maximum": 2})

    with pytest.raises(pm.ProgramError) as caught:
        impossible.run(backend=endpoint)
    assert isinstance(caught.value.cause, pm.GrammarError)
    assert caught.value.variable == "x"


def test_what_needs_a_failed_value_fails_with_the_same_failure(endpoint: RuntimeEndpoint) -> None:
    @pm.function(tracing="always")
    def chained(s: pm.ProgramState) -> None:
        one, two = s.fork(2)
        one += "word " * 5_000 + pm.gen("x", max_tokens=2)
        two += f"so {one['x']}"
        s += f"{two['y']}" if False else ""

    with pytest.raises(pm.ProgramError, match="RequestTooLong") as caught:
        chained.run(backend=endpoint)
    assert caught.value.variable == "x"


def test_a_deadline_is_a_timeout(endpoint: RuntimeEndpoint) -> None:
    with pytest.raises(pm.ProgramTimeout) as caught:
        tell.run(country="France", backend=endpoint, timeout_s=1e-9)
    assert isinstance(caught.value.cause, RemoteTimeout)
    assert caught.value.cause.limit_name == "timeout_s"


def test_one_error_that_is_told_twice_is_one_object() -> None:
    errors = ErrorReader()
    cause = WireError("StepFailed", "so", 0)
    first, second = errors.read(cause), errors.read(WireError("DependencyFailed", "so", 1, cause=cause))
    assert errors.read(cause) is first
    assert second.__cause__ is first


def test_a_run_that_is_given_up_leaves_nothing(engine: Engine) -> None:
    options = ServerSettings(programs=ProgramSettings(max_live_branches=1))
    with LiveServer(create_app(parts_of(engine, options))) as address, RuntimeEndpoint(address) as endpoint:
        for _ in range(2):  # the second time there would be no room, had the first left its branch
            give_up(endpoint, engine)


def give_up(endpoint: RuntimeEndpoint, engine: Engine) -> None:
    @pm.function
    def endless(s: pm.ProgramState) -> None:
        s += "On and on" + pm.gen("x", max_tokens=1_500, ignore_eos=True, temperature=1.0)

    async def begin_and_leave() -> None:
        run = endpoint.run_plan(endless.plan(), {}, is_streaming=True)
        async with contextlib.aclosing(run.events()) as events:
            async for _ in events:
                if run.branches:
                    break
        while engine.stats()["num_branches"]:  # ends: the server hears of it and closes what it opened
            await asyncio.sleep(0)
        await endpoint.aclose()

    asyncio.run(begin_and_leave())


def test_what_traces_ask(endpoint: RuntimeEndpoint, engine: Engine) -> None:
    assert endpoint.model_name == "sprig"
    assert endpoint.token_len("The capital of France") == engine.token_len("The capital of France")
    assert "tokens" in tell.explain(country="France", backend=endpoint)
    endpoint.flush_cache()


def test_nobody_there_is_said_so() -> None:
    with RuntimeEndpoint("http://127.0.0.1:9", connect_timeout_s=2) as nobody:
        with pytest.raises(pm.ProgramError, match="is the server running") as caught:
            tell.run(country="France", backend=nobody)
        assert isinstance(caught.value.cause, RemoteUnavailable)


def test_a_wrong_address_is_refused_at_once() -> None:
    with pytest.raises(pm.InvalidArgument, match="base_url"):
        RuntimeEndpoint("localhost:30000")


def test_keys_own_their_branches(engine: Engine) -> None:
    options = ServerSettings(
        keys=KeySettings(api_keys=("one", "two")), programs=ProgramSettings(max_live_branches=2, branch_lease_s=60)
    )
    with LiveServer(create_app(parts_of(engine, options))) as address, RuntimeEndpoint(address) as stranger:
        with pytest.raises(pm.ProgramError, match="HTTP 401"):
            tell.run(country="France", backend=stranger)
        with RuntimeEndpoint(address, "one") as mine, RuntimeEndpoint(address, "two") as yours:

            async def use() -> None:
                branch = await mine.open_branch()
                stolen = yours._branches.add(branch.branch_id)
                with pytest.raises(RemoteError, match="no such branch"):
                    [each async for each in stolen.run([Text("x")])]
                await stolen.close()  # passes over what is not its own
                assert [each async for each in branch.run([Text("x")])]
                await mine.open_branch()
                with pytest.raises(RemoteRefused, match="of at most 2"):
                    await mine.open_branch()

            PORTAL.call(use())
            assert engine.stats()["num_branches"] == 2
        assert engine.stats()["num_branches"] == 0  # leaving an endpoint closes what it had open


def test_a_lease_runs_out(engine: Engine) -> None:
    options = ServerSettings(programs=ProgramSettings(branch_lease_s=0.01))
    with LiveServer(create_app(parts_of(engine, options))) as address, RuntimeEndpoint(address) as mine:

        async def use() -> None:
            branch = await mine.open_branch()
            while engine.stats()["num_branches"]:
                await asyncio.sleep(0)
            with pytest.raises(RemoteError, match=r"nothing was asked of it for 0\.01 s"):
                await branch.fork(2)

        PORTAL.call(use())


def test_events_are_read_by_the_letter() -> None:
    async def read() -> list[bytes]:
        async def given():  # type: ignore[no-untyped-def]  # an async generator of lines
            for line in (": comment", "event: x", "data: a", "id: 1", "data:b", "", "", "data: c", "", "data: cut"):
                yield line

        return [each async for each in event_data(given())]

    assert asyncio.run(read()) == [b"a\nb", b"c"]


@pytest.mark.parametrize("name", ["chat", "constraints", "errors", "fork_join", "quickstart", "typed_async"])
def test_examples_run_there_unchanged(
    name: str, endpoint: RuntimeEndpoint, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [f"{name}.py"])
    pm.set_default_backend(endpoint)
    try:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    finally:
        pm.set_default_backend(None)
    assert capsys.readouterr().out
