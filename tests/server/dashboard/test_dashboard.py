"""What the dashboard is made of: the page, its state, and the playground's stream."""

import json
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import palmette as pm
from palmette.lang.ir import Gen, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.dashboard.page import SCRIPTS, page
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.observed_parts import observed
from palmette.runtime.server.parts import ServerParts
from palmette.runtime.server.settings import KeySettings, ServerSettings

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def parts(engine: Engine) -> ServerParts:
    return observed(parts_of(engine))


@pm.function
def greeting(s: pm.ProgramState) -> None:
    s += "Hi"


def plan_of(program: pm.Function) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(program.plan().to_json())
    return plan


async def play(client: httpx.AsyncClient, **body: object) -> list[dict[str, Any]]:
    response = await client.post("/dashboard/play", json=body)
    assert response.status_code == 200, response.text
    frames = [frame for frame in response.text.split("\n\n") if frame.startswith("data: ")]
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def tokens_of(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [token for frame in frames if frame["type"] == "tokens" for token in frame["tokens"]]


def test_the_page_needs_nothing_from_outside() -> None:
    html, policy = page()
    text = html.decode()
    assert "/*SCRIPT*/" not in text
    assert "/*STYLE*/" not in text
    addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nobody fetches
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(SCRIPTS) == len(set(SCRIPTS))


async def test_the_page_is_served_with_its_policy(client: httpx.AsyncClient) -> None:
    response = await client.get("/dashboard")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == page()[1]
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_with_keys_the_page_is_open_and_what_it_shows_is_not(engine: Engine) -> None:
    settings = ServerSettings(keys=KeySettings(api_keys=("user",), admin_keys=("admin",)))
    transport = httpx.ASGITransport(app=create_app(parts_of(engine, settings)))
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        assert (await client.get("/dashboard")).status_code == 200
        for key, status in (("", 401), ("user", 403), ("admin", 200)):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            assert (await client.get("/dashboard/state", headers=headers)).status_code == status
            body = {"prompt": "Hi", "max_tokens": 1}
            assert (await client.post("/dashboard/play", headers=headers, json=body)).status_code == status
            program = {"plan": plan_of(greeting)}
            reply = await client.post("/dashboard/play/program", headers=headers, json=program)
            assert reply.status_code == status


async def test_the_state_tells_of_requests_and_of_the_tree(client: httpx.AsyncClient, parts: ServerParts) -> None:
    branch = await parts.backend.open_branch(cache_salt="a secret")
    gen = Gen("a", SamplingParams(max_new_tokens=40, ignore_eos=True))
    async for _ in branch.run([Text("Once upon a time there was a fox. It lived near a river and"), gen]):
        state = (await client.get("/dashboard/state")).json()
    state = (await client.get("/dashboard/state")).json()
    await branch.close()
    assert state["is_alive"]
    assert state["model"] == "sprig"
    assert state["num_generated"] == 40
    ended = state["requests"][0]
    assert (ended["title"], ended["outcome"], ended["num_tokens"]) == ("gen", "done", 40)
    nodes = state["tree"]["nodes"]
    assert any((node["text"] or "").startswith("Once upon a time") for node in nodes)
    assert any(branch.branch_id in node["holder_ids"] for node in nodes)
    for node in nodes:
        assert node["parent_id"] is None or node["parent_id"] < node["node_id"]
    assert "a secret" not in json.dumps(state)


async def test_a_request_at_work_is_listed(client: httpx.AsyncClient, parts: ServerParts) -> None:
    branch = await parts.backend.open_branch()
    events = branch.run([Text("Once upon a time"), Gen("a", SamplingParams(max_new_tokens=30, ignore_eos=True))])
    seen = [(await client.get("/dashboard/state")).json()["requests"][0] async for _ in events]
    await branch.close()
    assert any(request["outcome"] is None and request["tail"] for request in seen)
    assert [request["num_tokens"] for request in seen] == sorted(request["num_tokens"] for request in seen)


async def test_the_playground_tells_each_token(client: httpx.AsyncClient) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of Peru?"}]
    frames = await play(client, messages=messages, max_tokens=24, temperature=0.9, seed=4)
    tokens, end = tokens_of(frames), frames[-1]
    assert end["type"] == "end"
    assert len(tokens) == end["completion_tokens"]
    assert "".join(token["text"] for token in tokens).startswith(end["text"])
    for token in tokens:
        assert token["logprob"] <= 0
        assert len(token["top"]) == 6
        assert sorted((logprob for _, logprob in token["top"]), reverse=True) == [each for _, each in token["top"]]
    again = await play(client, messages=messages, max_tokens=24, temperature=0.9, seed=int(end["seed"]))
    assert tokens_of(again)[-1]["id"] == tokens[-1]["id"]


async def test_it_marks_what_a_constraint_forced(client: httpx.AsyncClient) -> None:
    frames = await play(
        client, prompt="Yes or no? ", constraint="regex", constraint_text="(?:yes|no), because \\w{3}", max_tokens=30
    )
    tokens, end = tokens_of(frames), frames[-1]
    assert re.fullmatch(r"(?:yes|no), because \w{3}", end["text"])
    assert sum(token["forced"] for token in tokens) == end["num_forced"] > 0
    assert end["masked_log_mass"] < 0


@pytest.mark.parametrize(
    ("kind", "text", "pattern"),
    [
        (
            "json_schema",
            '{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}',
            r'\{"a": .*',
        ),
        ("choices", "red\ngreen", "red|green"),
        ("ebnf", 'root ::= "a" [0-9]', r"a\d"),
        ("lark", 'start: "b" /[0-9]/', r"b\d"),
    ],
)
async def test_each_kind_of_constraint_holds(client: httpx.AsyncClient, kind: str, text: str, pattern: str) -> None:
    frames = await play(client, prompt="Write: ", constraint=kind, constraint_text=text, max_tokens=24)
    assert re.fullmatch(pattern, frames[-1]["text"])


async def test_tools_may_be_called(client: httpx.AsyncClient) -> None:
    tools = [{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    frames = await play(
        client, messages=messages, constraint="tools", constraint_text=json.dumps(tools), temperature=0.0
    )
    assert frames[0]["type"] == "prompt"
    assert "get_weather" in frames[0]["text"]
    assert frames[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, "prompt"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "constraint": "tools", "constraint_text": "{}"}, "constraint_text"),
        (
            {"messages": [{"role": "user", "content": "b"}], "constraint": "tools", "constraint_text": "[]"},
            "constraint_text",
        ),
        ({"prompt": "a", "constraint": "json_schema", "constraint_text": " " * 600_000}, "constraint_text"),
        ({"prompt": "a", "oops": 1}, "oops"),
        ({"prompt": "a" * 100_000}, "prompt"),
        ({"messages": [{"role": "user", "content": "b" * 100_000}]}, "messages"),
        ({"prompt": "a", "seed": -1}, "seed"),
        ({"prompt": "a", "temperature": -1}, "temperature"),
    ],
)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, body: dict[str, object], param: str) -> None:
    response = await client.post("/dashboard/play", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_a_constraint_that_cannot_be_is_refused_before_the_stream(client: httpx.AsyncClient) -> None:
    body = {"prompt": "a", "constraint": "regex", "constraint_text": "("}
    response = await client.post("/dashboard/play", json=body)
    assert response.status_code == 400
    assert "error" in response.json()


async def test_bytes_of_a_character_are_spelt_out(app: FastAPI, client: httpx.AsyncClient) -> None:
    frames = await play(client, prompt="x", constraint="choices", constraint_text="\U0001f98a\U0001f98a", max_tokens=16)
    assert frames[-1]["text"] == "\U0001f98a\U0001f98a"
    assert "�" not in "".join(token["text"] for token in tokens_of(frames))


@pm.function
def animal(s: pm.ProgramState, place: str) -> None:
    s += f"An animal of the {place}:" + pm.gen("animal", max_tokens=4, temperature=1.0)
    branches = s.fork(2)
    for number, branch in enumerate(branches):
        branch += f" {number}" + pm.gen("word", max_tokens=3, temperature=1.0)
    s += " size" + pm.select("size", [" big", " small"])
    s += pm.gen("two", n=2, max_tokens=2)


async def play_animal(client: httpx.AsyncClient, seed: int = 3) -> list[dict[str, Any]]:
    body = {"plan": plan_of(animal), "arguments": {"place": "sea"}, "seed": seed}
    response = await client.post("/dashboard/play/program", json=body)
    assert response.status_code == 200, response.text
    frames = [frame for frame in response.text.split("\n\n") if frame.startswith("data: ")]
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


async def test_a_program_tells_what_each_branch_does(client: httpx.AsyncClient) -> None:
    frames = await play_animal(client)
    assert frames[0] == {"type": "branches", "labels": [branch.label for branch in animal.plan().branches]}
    assert frames[-1] == {"type": "end"}
    of_main = [frame for frame in frames if frame.get("branch") == 0]
    assert of_main[0] == {"branch": 0, "type": "text", "text": "An animal of the sea:"}
    values = {(frame["branch"], frame["name"]): frame for frame in frames if frame["type"] == "value"}
    for branch, name, num_tokens in ((0, "animal", 4), (1, "word", 3), (2, "word", 3)):
        mine = [frame for frame in frames if (frame.get("branch"), frame.get("name")) == (branch, name)]
        tokens = tokens_of(mine)
        assert len(tokens) <= num_tokens
        assert all(len(token["top"]) == 6 for token in tokens)
        assert "".join(token["text"] for token in tokens).startswith(values[branch, name]["text"])
    assert values[0, "size"]["choice"] in (" big", " small")
    assert sum(probability for _, probability in values[0, "size"]["choices"]) == pytest.approx(1.0)
    assert len(values[0, "two"]["samples"]) == 2
    kinds = [frame["type"] for frame in of_main]
    assert kinds.index("tokens") < kinds.index("forked") < kinds.index("value", kinds.index("forked"))
    assert values == {
        (frame["branch"], frame["name"]): frame for frame in await play_animal(client) if frame["type"] == "value"
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": {}}, "place"),
        ({"arguments": {"place": "sea", "colour": "red"}}, "colour"),
        ({"seed": -1}, "seed"),
        ({"plan": {"name": "p", "parameters": [], "branches": []}}, "branch"),
        ({"plan": {"name": "p"}}, "plan"),
        ({"oops": 1}, "oops"),
    ],
)
async def test_what_is_wrong_with_a_program_is_named(
    client: httpx.AsyncClient, change: dict[str, object], message: str
) -> None:
    body = {"plan": plan_of(animal), "arguments": {"place": "sea"}, **change}
    response = await client.post("/dashboard/play/program", json=body)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
