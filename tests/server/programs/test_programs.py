"""`/v1/programs`: registered by their plans, run by id, told event by event; and the turns that the events tell of."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from random_plans import DrawnPlan, random_plans

import palmette as pm
from palmette.lang.events import BranchEnded, TextDelta, ValueReady
from palmette.lang.ir import Gen, Score, Select, Text
from palmette.lang.plan import Arg, Branching, Joining, Plan, PlanBranch, Ref, Template
from palmette.lang.sampling_params import SamplingParams
from palmette.lang.wire import (
    BranchDone,
    BranchForked,
    BranchJoined,
    OperationStarted,
    TextAdded,
    TokenAdded,
    ValueMade,
    WireEvent,
)
from palmette.runtime.errors import DeadlineExceeded, DependencyFailed, EngineError, StepFailed
from palmette.runtime.local.embedded import Engine
from palmette.runtime.plans.plan_check import needs_of
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.programs.plan_story import PlanStory
from palmette.runtime.server.programs.program_parameters import PROGRAM_PARAMETERS
from palmette.runtime.server.programs.run import RunBody
from palmette.runtime.server.programs.wire_errors import WireErrors
from palmette.runtime.server.settings import KeySettings, ProgramSettings, ServerSettings


@pm.function
def tell(s: pm.ProgramState, country: str) -> None:
    s += f"The capital of {country} is" + pm.gen("city", max_tokens=3, temperature=1.0)
    forks = s.fork(2)
    for number, fork in enumerate(forks):
        fork += f" {number}" + pm.gen("word", max_tokens=2, temperature=1.0)
    forks.join("concate_and_append")
    s += " size" + pm.select("size", [" big", " small"])


PLAN = tell.plan()


async def register(client: httpx.AsyncClient, plan: Plan = PLAN) -> str:
    reply = await client.post("/v1/programs", content=plan.to_json())
    assert reply.status_code in (200, 201), reply.text
    return str(reply.json()["id"])


def events_of(text: str) -> Iterator[dict[str, Any]]:
    for frame in text.strip().split("\n\n"):
        head, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert head == f"event: {event['type']}"
        yield event


@pytest.mark.anyio
async def test_the_same_plan_is_the_same_program(client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/programs", content=PLAN.to_json())
    again = await client.post("/v1/programs", content=tell.plan().to_json())
    assert first.json() == again.json()
    assert (first.status_code, again.status_code) == (201, 200)
    program_id = first.json()["id"]
    shown = (await client.get(f"/v1/programs/{program_id}")).json()
    assert msgspec.convert(shown["plan"], Plan) == PLAN
    assert shown["tree"] == str(PLAN)
    assert program_id in [each["id"] for each in (await client.get("/v1/programs")).json()["data"]]
    assert (await client.delete(f"/v1/programs/{program_id}")).json()["deleted"] is True
    for reply in (
        await client.get(f"/v1/programs/{program_id}"),
        await client.delete(f"/v1/programs/{program_id}"),
        await client.post(f"/v1/programs/{program_id}/run", json={}),
    ):
        assert reply.status_code == 404


@pytest.mark.anyio
async def test_a_run_is_that_of_the_engine(client: httpx.AsyncClient, engine: Engine) -> None:
    program_id = await register(client)
    reply = await client.post(f"/v1/programs/{program_id}/run", json={"arguments": {"country": "France"}, "seed": 5})
    body = reply.json()
    here = await tell.arun(country="France", backend=engine, seed=5)
    assert body["branches"][0]["text"] == here.text()
    assert body["values"] == {"city": here["city"], "size": here["size"]}
    assert [each["parent"] for each in body["branches"]] == [None, 0, 0]
    assert engine.stats()["num_branches"] == 0


@pytest.mark.anyio
async def test_events_tell_the_whole_of_it(client: httpx.AsyncClient, engine: Engine) -> None:
    program_id = await register(client)
    body = {"arguments": {"country": "France"}, "seed": 5}
    whole = (await client.post(f"/v1/programs/{program_id}/run", json=body)).json()
    reply = await client.post(f"/v1/programs/{program_id}/run", json={**body, "stream": True})
    events = list(events_of(reply.text))
    assert events[0]["type"] == "run_started"
    assert events[0]["program"] == program_id
    assert events[-1] == {"type": "run_ended"}
    texts: dict[int, str] = defaultdict(str)
    for event in events:
        if event["type"] in ("text", "token"):
            texts[event["branch"]] += event["text"]
    assert [each["text"] for each in whole["branches"]] == [texts[index] for index in range(3)]
    kinds = [event["type"] for event in events]
    assert kinds.count("branch_forked") == kinds.count("branch_joined") == 1
    assert kinds.count("branch_ended") == 3
    assert kinds.count("value") == 4
    assert engine.stats()["num_branches"] == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"arguments": {}}, "arguments"),
        ({"arguments": {"country": "France", "more": 1}}, "arguments"),
        ({"arguments": {"country": "France"}, "seed": -1}, "seed"),
        ({"arguments": {"country": "France"}, "streaming": True}, "streaming"),
        ({"arguments": {"country": "word " * 5_000}}, None),
    ],
)
async def test_a_run_that_cannot_be_is_refused(
    body: dict[str, Any], param: str | None, client: httpx.AsyncClient
) -> None:
    program_id = await register(client)
    reply = await client.post(f"/v1/programs/{program_id}/run", json=body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] == param


@pytest.mark.anyio
@pytest.mark.parametrize(
    "plan",
    [
        b"{}",
        b"no json",
        Plan("p", (), ()).to_json(),
        Plan("p", (), (PlanBranch("b", None, (Template((Ref(0, 0),)),)),)).to_json(),
        Plan("p", (), (PlanBranch("b", None, ()),), version=9).to_json(),
        Plan("p", (), tuple(PlanBranch("b", None, ()) for _ in range(2_000))).to_json(),
        Plan("p", (), (PlanBranch("b", None, (Gen("x"),)),)).to_json().replace('"temperature":1.0', '"temperature":-1'),
    ],
)
async def test_a_plan_that_cannot_run_is_not_registered(plan: str | bytes, client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/programs", content=plan)).status_code == 400


@pytest.mark.anyio
async def test_a_branch_that_fails_is_told_with_its_error(client: httpx.AsyncClient) -> None:
    program_id = await register(client)
    body = {"arguments": {"country": "word " * 5_000}, "stream": True}
    events = list(events_of((await client.post(f"/v1/programs/{program_id}/run", json=body)).text))
    ended = [event for event in events if event["type"] == "branch_ended"]
    assert {event["error"]["type"] for event in ended} == {"RequestTooLong"}
    assert len({event["error"]["number"] for event in ended}) == 1  # one error, told three times
    assert events[-1]["error"]["type"] == "RequestTooLong"


@pytest.mark.anyio
async def test_keys_see_their_own_programs(engine: Engine) -> None:
    options = ServerSettings(keys=KeySettings(api_keys=("one", "two")), programs=ProgramSettings(max_programs=1))
    transport = httpx.ASGITransport(app=create_app(parts_of(engine, options)))
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        mine, yours = ({"authorization": f"Bearer {key}"} for key in ("one", "two"))
        program_id = (await client.post("/v1/programs", content=PLAN.to_json(), headers=mine)).json()["id"]
        assert (await client.get("/v1/programs", headers=yours)).json()["data"] == []
        assert (await client.get(f"/v1/programs/{program_id}", headers=yours)).status_code == 404
        other = Plan("other", (), PLAN.bind({"country": "x"}).branches)
        reply = await client.post("/v1/programs", content=other.to_json(), headers=mine)
        assert reply.status_code == 429
        assert reply.json()["error"]["code"] == "too_many_programs"


def tool_with(parameters: str) -> dict[str, Any]:
    return {"type": "declare_tools", "tools": [{"name": "x", "description": "", "parameters": parameters}]}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("operation", "param"),
    [
        ({"type": "select", "name": "s", "choices": []}, "choices"),
        ({"type": "select", "name": "s", "choices": ["a", "a"]}, "choices"),
        ({"type": "select", "name": "s", "choices": [""]}, "choices"),
        ({"type": "select", "name": "s", "choices": ["a"], "temperature": -1}, "temperature"),
        ({"type": "score", "name": "s", "text": ""}, "text"),
        (tool_with("no"), "tools[0].parameters"),
        (tool_with("1"), "tools[0].parameters"),
        ({"type": "gen", "name": "x", "params": {"stop": ["s"] * 99}}, "params.stop"),
        ({"type": "gen", "name": "x", "params": {"top_logprobs_num": 99}}, "params.top_logprobs_num"),
    ],
)
async def test_operations_are_checked_before_they_run(
    operation: dict[str, Any], param: str, client: httpx.AsyncClient, engine: Engine
) -> None:
    plan = {"name": "p", "parameters": [], "branches": [{"label": "b", "parent": None, "steps": [operation]}]}
    for path, body in (("/v1/programs", plan), ("/v1/programs/run", {"plan": plan})):
        reply = await client.post(path, json=body)
        assert reply.status_code == 400, reply.text
        assert reply.json()["error"]["param"] == f"branches[0].steps[0].{param}"
    [branch_id] = (await client.post("/v1/branches", json={})).json()["ids"]
    reply = await client.post(f"/v1/branches/{branch_id}/run", json={"operations": [operation]})
    assert reply.json()["error"]["param"] == f"operations[0].{param}"
    assert (await client.post("/v1/branches/close", json={"ids": [branch_id, 5]})).json() == {"ids": [branch_id]}
    assert engine.stats()["num_branches"] == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/branches", {"seed": 2**64}, 400),
        ("/v1/branches", {"terms": {"priority": 2**80}}, 400),
        ("/v1/branches/x/run", {"operations": [{"type": "text", "text": "a"}]}, 404),
        ("/v1/branches/5/fork", {"num_children": 1}, 404),
        ("/v1/branches/5/fork", {"num_children": 0}, 400),
        ("/v1/branches/5/fork", {"num_children": 10**9}, 429),
        ("/v1/branches/5/hold", {"seconds": -1}, 400),
        ("/v1/programs/run", {"plan": {"name": "p", "parameters": ["x"], "branches": []}}, 400),
    ],
)
async def test_requests_to_branches_that_cannot_be(
    path: str, body: dict[str, Any], status: int, client: httpx.AsyncClient
) -> None:
    assert (await client.post(path, json=body)).status_code == status


# --- the turns


async def told_of(engine: Engine, plan: Plan) -> list[WireEvent]:
    run = engine.run_plan(plan, {}, seed=1, is_streaming=True)
    story = PlanStory(plan, WireErrors())
    told = story.begin()
    async for index, event in run.events():
        told += story.hear(index, event)
    for branch in run.branches.values():
        await branch.close()
    return told


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=random_plans(max_steps=10, max_branches=5))
def test_turns_are_in_order_and_have_what_they_need(engine: Engine, drawn: DrawnPlan) -> None:
    plan = drawn.plan
    begun: list[Ref] = []
    done: set[Ref] = set()
    forked = {index for index, branch in enumerate(plan.branches) if branch.parent is None}
    ended: set[int] = set()
    for event in asyncio.run(told_of(engine, plan)):
        assert event.branch not in ended  # type: ignore[union-attr]  # all of these are of a branch
        match event:
            case OperationStarted(branch=branch, step=number):
                assert branch in forked
                assert number == sum(ref.branch == branch for ref in begun), "each once, in order"
                step = plan.branches[branch].steps[number]
                assert all(need in done for need in needs_of(plan, step))
                before = plan.branches[branch].steps[:number]
                values = [each for each, step in enumerate(before) if isinstance(step, Gen | Select | Score)]
                assert all(Ref(branch, each) in done for each in values)
                begun.append(Ref(branch, number))
            case TextAdded(branch=branch, step=number) | TokenAdded(branch=branch, step=number):
                assert Ref(branch, number) in begun
            case ValueMade(branch=branch, step=number):
                assert Ref(branch, number) in begun
                done.add(Ref(branch, number))
            case BranchForked(branch=branch, step=number, children=children):
                assert Ref(branch, number) in begun
                done.add(Ref(branch, number))
                forked.update(children)
            case BranchJoined(branch=branch, step=number, children=children):
                step = plan.branches[branch].steps[number]
                assert isinstance(step, Joining)
                assert step.children == children
            case BranchDone(branch=branch, error=None):
                ended.add(branch)
                done.add(Ref(branch, len(plan.branches[branch].steps)))
    assert ended == set(range(len(plan.branches)))
    assert len(begun) == sum(len(branch.steps) for branch in plan.branches)


def test_what_comes_after_a_failure_has_no_turn() -> None:
    plan = Plan(
        "p", (), (PlanBranch("a", None, (Gen("x"), Branching((1,)), Gen("y"))), PlanBranch("b", 0, (Gen("z"),)))
    )
    story = PlanStory(plan, WireErrors())
    assert story.begin() == [OperationStarted(0, 0, "gen", "x")]
    [told] = story.hear(0, BranchEnded(StepFailed("so"), 0))
    assert isinstance(told, BranchDone)
    assert told.step == 0


# --- errors


def test_an_error_of_ours_says_nothing_of_itself() -> None:
    wire = WireErrors().write(RuntimeError("/secret/path 0x7f"))
    assert wire.type == "internal_error"
    assert "secret" not in wire.message
    assert "secret" not in str(WireErrors().write(EngineError("/secret/path")))


def test_an_error_keeps_its_number_and_its_numbers() -> None:
    errors = WireErrors()
    cause = DeadlineExceeded("timeout_s", 1.0, 2.0)
    failed = DependencyFailed("needs it")
    failed.__cause__ = cause
    first, second = errors.write(cause), errors.write(failed)
    assert first.attributes == {"limit_name": "timeout_s", "limit_s": 1.0, "waited_s": 2.0}
    assert second.cause is not None
    assert second.cause.number == first.number != second.number


def test_every_field_of_a_run_is_in_the_table() -> None:
    assert {each.name for each in PROGRAM_PARAMETERS} == set(RunBody.__struct_fields__)


@pytest.mark.anyio
async def test_a_hostile_stop_regex_is_refused_before_it_runs(client: httpx.AsyncClient) -> None:
    gen = Gen("x", SamplingParams(max_new_tokens=1, stop_regex=("(a|b)*a(a|b){30}",)))
    plan = Plan("p", (), (PlanBranch("p", None, (Text("a"), gen)),))
    reply = await client.post("/v1/programs", content=plan.to_json())
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "branches[0].steps[1].params.stop_regex"


@pytest.mark.anyio
async def test_a_part_that_is_no_parameter_is_refused(client: httpx.AsyncClient) -> None:
    plan = Plan("p", ("a",), (PlanBranch("p", None, (Template(("x", Arg("b"))),)),))
    reply = await client.post("/v1/programs", content=plan.to_json())
    assert reply.status_code == 400
    assert "'b'" in reply.json()["error"]["message"]


def test_events_are_told_whether_a_turn_was_told_or_not() -> None:
    plan = Plan("p", (), (PlanBranch("a", None, (Gen("x"),)),))
    story = PlanStory(plan, WireErrors())
    assert story.hear(0, TextDelta(0, "y", "x", (1,))) == [TokenAdded(0, 0, "x", "y", (1,))]
    assert isinstance(story.hear(0, ValueReady(0, "x", ()))[0], ValueMade)
