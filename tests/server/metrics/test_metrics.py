"""What `/metrics` counts, by requests that do it; and that the Grafana dashboard asks for nothing else."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from palmette.grammar.spec import JsonSchema, Regex, ToolCalls, ToolSpec
from palmette.lang.backend import Branch
from palmette.lang.ir import Gen, RoleBegin, RoleEnd, Text
from palmette.lang.plan import Branching, Plan, PlanBranch
from palmette.lang.sampling_params import SamplingParams
from palmette.lang.terms import Terms
from palmette.runtime.errors import DeadlineExceeded
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.metrics.metric_table import LABEL_VALUES, METRICS, OPEN_LABELS
from palmette.runtime.server.observed_parts import observed
from palmette.runtime.server.parts import Health, ServerParts
from palmette.runtime.server.settings import KeySettings

pytestmark = pytest.mark.anyio

GRAFANA = Path(__file__).parents[3] / "examples" / "monitoring" / "grafana_dashboard.json"

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def parts(engine: Engine) -> ServerParts:
    """Fresh counters for each test."""
    return observed(parts_of(engine))


@pytest.fixture
def app(parts: ServerParts) -> FastAPI:
    return create_app(parts)


async def scrape(client: httpx.AsyncClient) -> Samples:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"palmette_{name}", tuple(sorted(labels.items()))]


async def run(branch: Branch, *operations: Text | Gen | RoleBegin | RoleEnd) -> None:
    async for _ in branch.run(operations):
        pass


def gen(num_tokens: int, **options: object) -> Gen:
    params = SamplingParams(max_new_tokens=num_tokens, temperature=0.7, seed=5, ignore_eos=not options)
    return Gen("a", params, **options)  # type: ignore[arg-type] # a constraint, where there is one


async def test_tokens_times_and_prefix_hits_of_a_generation(client: httpx.AsyncClient, parts: ServerParts) -> None:
    branch = await parts.backend.open_branch()
    assert of(await scrape(client), "open_branches") == 1
    await run(branch, Text("Once upon a time there was a small fox who lived near"), gen(20))
    again = await parts.backend.open_branch()
    await run(again, Text("Once upon a time there was a small fox who lived near"), gen(4))
    await branch.close()
    await again.close()
    await again.close()  # a second time counts for nothing
    samples = await scrape(client)
    assert of(samples, "generated_tokens_total") == 24
    assert of(samples, "generations_total", finish_reason="length") == 2
    assert of(samples, "time_to_first_token_seconds_count") == 2
    assert 15 <= of(samples, "inter_token_seconds_count") <= 22  # what comes with the first token waits for nothing
    assert of(samples, "request_seconds_count") == of(samples, "queue_seconds_count") == 2
    assert 0 < of(samples, "prefix_hit_tokens_total") < of(samples, "prompt_tokens_total")
    assert of(samples, "open_branches") == of(samples, "running_requests") == 0
    assert of(samples, "computed_tokens_total") >= 24
    assert 0 < of(samples, "kv_use_ratio") < 1
    assert of(samples, "engine_up") == 1


async def test_constraints_are_counted(client: httpx.AsyncClient, parts: ServerParts, engine: Engine) -> None:
    before = await scrape(client)
    branch = await parts.backend.open_branch()
    await run(branch, Text("The answer is "), gen(30, constraint=Regex("(yes, of course){1}")))
    await branch.close()
    samples = await scrape(client)
    assert of(samples, "forced_tokens_total") > 0
    assert of(samples, "masks_total") > of(before, "masks_total")
    assert of(samples, "mask_fill_seconds_total") > of(before, "mask_fill_seconds_total")
    assert of(samples, "mask_fill_seconds_total") == pytest.approx(engine.stats()["mask_fill_us"] / 1e6)
    assert of(samples, "mask_wait_seconds_total") > of(before, "mask_wait_seconds_total")
    assert of(samples, "grammar_compiles_total") == of(before, "grammar_compiles_total") + 1
    assert of(samples, "grammar_hits_total") > of(before, "grammar_hits_total")
    assert of(samples, "grammar_compile_seconds_total") > of(before, "grammar_compile_seconds_total")


async def test_guesses_are_counted_by_source() -> None:
    with Engine(max_total_tokens=4096, random_seed=7, speculation="radix, forced") as engine:
        parts = observed(parts_of(engine))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(parts)), base_url="http://palmette"
        ) as client:
            none = await scrape(client)
            assert of(none, "spec_accept_length") == of(none, "verifications_total") == 0
            for _ in range(2):
                branch = await parts.backend.open_branch()
                await run(branch, Text("Once upon a time there was a small fox"), gen(24))
                await branch.close()
            samples = await scrape(client)
            reply = await client.post("/generate", json={"text": "Once", "sampling_params": {"max_new_tokens": 3}})
    drafted, accepted = of(samples, "drafted_tokens_total"), of(samples, "accepted_tokens_total")
    assert 0 < accepted <= drafted
    assert of(samples, "source_drafted_tokens_total", source="radix") == drafted
    assert of(samples, "source_accepted_tokens_total", source="radix") == accepted
    assert of(samples, "source_drafted_tokens_total", source="forced") == 0
    mean = of(samples, "verified_tokens_total") / of(samples, "verifications_total")
    assert of(samples, "spec_accept_length") == mean > 1
    assert reply.json()["meta_info"].keys() >= {"spec_verify_ct", "spec_accept_length"}


TOOLS = ToolCalls((ToolSpec("get_weather", json.dumps({"type": "object", "properties": {}})),), choice="required")


async def test_tool_calls_whole_and_cut(client: httpx.AsyncClient, parts: ServerParts) -> None:
    for num_tokens in (60, 3):
        branch = await parts.backend.open_branch()
        chat = (RoleBegin("user"), Text("The weather?"), RoleEnd("user"), RoleBegin("assistant"))
        await run(branch, *chat, gen(num_tokens, constraint=TOOLS))
        await branch.close()
    samples = await scrape(client)
    assert of(samples, "tool_calls_total", validity="valid") >= 1
    assert of(samples, "tool_calls_total", validity="cut") == 1
    assert of(samples, "tool_calls_total", validity="malformed") == 0


async def test_aborts_have_their_reasons(client: httpx.AsyncClient, parts: ServerParts) -> None:
    left = await parts.backend.open_branch()
    async with aclosing(left.run([Text("Once"), gen(500)])) as events:  # type: ignore[type-var]
        async for _ in events:
            break
    late = await parts.backend.open_branch(terms=Terms(timeout_s=1e-6))
    with pytest.raises(DeadlineExceeded):
        await run(late, Text("Once"), gen(500))
    wrong = await parts.backend.open_branch()
    with pytest.raises(ValueError, match="typ"):
        await run(wrong, Text("Once"), gen(5, constraint=JsonSchema('{"typ": "string"}')))
    for branch in (left, late, wrong):
        await branch.close()
    samples = await scrape(client)
    for reason in LABEL_VALUES["reason"]:
        expected = 1 if reason in ("client_gone", "deadline", "invalid_constraint") else 0
        assert of(samples, "aborts_total", reason=reason) == expected, reason
    assert of(samples, "running_requests") == 0


async def test_a_plan_is_one_request(client: httpx.AsyncClient, parts: ServerParts) -> None:
    children = tuple(PlanBranch(f"child {n}", 0, (gen(6),)) for n in range(3))
    plan = Plan("fan", (), (PlanBranch("root", None, (Text("Once upon a time"), Branching((1, 2, 3)))), *children))
    for is_streaming in (False, True):
        plan_run = parts.backend.run_plan(plan, {}, is_streaming=is_streaming)
        async for _ in plan_run.events():
            pass
        for branch in plan_run.branches.values():
            await branch.close()
    samples = await scrape(client)
    assert of(samples, "generated_tokens_total") == 36
    assert of(samples, "request_seconds_count") == of(samples, "time_to_first_token_seconds_count") == 2
    assert of(samples, "generations_total", finish_reason="length") == 6
    assert of(samples, "inter_token_seconds_count") >= 15  # of the plan that came in one piece, by the engine's clock
    assert of(samples, "open_branches") == of(samples, "running_requests") == 0


async def test_a_plan_may_go_on_with_live_branches(parts: ServerParts) -> None:
    branch = await parts.backend.open_branch()
    await run(branch, Text("Once upon a time"))
    plan_run = parts.backend.run_plan(Plan("more", (), (PlanBranch("root", None, (gen(3),)),)), {0: branch})
    async for _ in plan_run.events():
        pass
    assert plan_run.branches[0] is branch
    (child,) = await branch.fork(1)
    await run(child, gen(2))
    await child.close()
    await branch.close()


@pytest.mark.parametrize("failure", ["dead", "silent"])
async def test_an_engine_that_does_not_answer(
    parts: ServerParts, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palmette.runtime.server.metrics.exposition.STATS_TIMEOUT_S", 0.01)

    async def silence() -> Mapping[str, float]:
        await asyncio.Event().wait()
        return {}

    health = Health(is_alive=failure == "silent", reason="gone")
    app = create_app(replace(parts, health=lambda: health, stats=silence))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        samples = await scrape(client)
    assert of(samples, "engine_up") == 0
    assert of(samples, "open_branches") == 0
    assert not any(name == "palmette_kv_pages" for name, _ in samples)


async def test_replies_are_counted_by_route_and_status(parts: ServerParts) -> None:
    def fail() -> Health:
        raise RuntimeError("nobody foresaw this")

    settings = replace(parts.settings, keys=KeySettings(api_keys=("k",), admin_keys=("a",)))
    app = create_app(replace(parts, settings=settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": "Bearer a"}
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette", headers=headers) as client:
        for path in ("/v1/models", "/v1/models/sprig", "/v1/models/x", "/v1/models/y", "/nothing", "/nothing/else"):
            await client.get(path)
        body = {"prompt": "a", "max_tokens": 1}
        for more in ({}, {"stream": True}, {"temperature": -1}):
            await client.post("/v1/completions", json={**body, **more})
        await client.get("/v1/models", headers={"Authorization": "Bearer nobody"})
        failing = create_app(replace(parts, health=fail))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=failing, raise_app_exceptions=False), base_url="http://palmette"
        ) as other:
            assert (await other.get("/health")).status_code == 500
        samples = await scrape(client)
    counts = {
        dict(labels)["route"] + " " + dict(labels)["status"]: value
        for (name, labels), value in samples.items()
        if name == "palmette_http_responses_total"
    }
    assert counts == {
        "/v1/models 200": 1,
        "/v1/models/{model_id:path} 200": 1,
        "/v1/models/{model_id:path} 404": 2,
        "unmatched 404": 2,
        "unmatched 401": 1,
        "/v1/completions 200": 2,
        "/v1/completions 400": 1,
        "/health 500": 1,
    }


async def test_restarts_are_counted_while_the_engine_is_down(parts: ServerParts) -> None:
    down = replace(parts, health=lambda: Health(is_alive=False, reason="gone"), num_restarts=lambda: 3)
    transport = httpx.ASGITransport(app=create_app(down))
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        assert of(await scrape(client), "engine_restarts_total") == 3


async def test_every_metric_is_there_and_in_the_table(client: httpx.AsyncClient) -> None:
    await client.get("/health")
    samples = await scrape(client)
    shown = {name.removesuffix("_created") for name, _ in samples if not name.endswith("_created")}
    assert shown == {name for spec in METRICS for name in spec.sample_names}
    for spec in METRICS:
        for label in spec.labels:
            labels = {dict(each)[label] for name, each in samples if name == spec.sample_names[0]}
            assert label in OPEN_LABELS or labels == set(LABEL_VALUES[label])


async def test_each_query_of_the_grafana_dashboard_finds_its_metrics(client: httpx.AsyncClient) -> None:
    await client.get("/health")
    samples = await scrape(client)
    panels = json.loads(GRAFANA.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    asked: set[str] = set()
    for panel in panels:
        for target in panel["targets"]:
            found = list(selectors(target["expr"]))
            assert found, target["expr"]
            for name, labels in found:
                asked.add(name)
                assert any(each == name and labels.items() <= dict(have).items() for each, have in samples), (
                    f"{panel['title']}: nothing is called {name} {labels}"
                )
            for label in re.findall(r"by \((\w+)\)", target["expr"]):
                assert any(each in asked and label in dict(have) for each, have in samples), target["expr"]
    unseen = {spec.name for spec in METRICS if not asked & set(spec.sample_names)}
    assert unseen <= {
        "palmette_queued_tokens",
        "palmette_preempted_tokens",
        "palmette_kv_pages",
        "palmette_kv_free_pages",
        "palmette_open_branches",
    }, "what is in no panel"


def selectors(query: str) -> Sequence[tuple[str, dict[str, str]]]:
    """The names and labels that a query asks for."""
    return [
        (name, dict(re.findall(r'(\w+)="([^"]*)"', labels)))
        for name, labels in re.findall(r"\b(palmette_\w+)(?:\{([^}]*)\})?", query)
    ]
