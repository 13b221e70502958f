"""`/generate` and its neighbours: SGLang's shapes, the engine's results, and the requests of SGLang's frontend."""

import asyncio
import dataclasses
import itertools
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from live_server import LiveServer
from paused_engine import paused_engine

from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.native.generate_body import GENERATE_PARAMETERS, GenerateBody
from palmette.runtime.server.native.generate_job import native_jobs
from palmette.runtime.server.native.sampling_parameters import SAMPLING_PARAMETERS
from palmette.runtime.server.parameters import Parameter
from palmette.runtime.server.parts import Health, ServerParts
from palmette.runtime.server.settings import DefaultSettings, KeySettings, ServerSettings

pytestmark = pytest.mark.anyio

PROMPT = "The capital of France is"


async def generate(client: httpx.AsyncClient, **fields: Any) -> Any:
    reply = await client.post("/generate", json=fields)
    assert reply.status_code == 200, reply.text
    return reply.json()


def same(output: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from call to call."""
    meta = {
        name: value
        for name, value in output["meta_info"].items()
        if name not in ("id", "e2e_latency", "cached_tokens", "seed") and not name.startswith("spec_")
    }
    return {**output, "meta_info": json.loads(json.dumps(meta))}


SAMPLING = {"max_new_tokens": 5, "temperature": 0}


async def test_it_is_engine_generate_over_http(client: httpx.AsyncClient, engine: Engine) -> None:
    engine.flush_cache()
    there = await generate(
        client, text=PROMPT, sampling_params=SAMPLING, return_logprob=True, logprob_start_len=2, top_logprobs_num=2
    )
    engine.flush_cache()
    here = engine.generate(PROMPT, SAMPLING, return_logprob=True, logprob_start_len=2, top_logprobs_num=2)
    assert isinstance(here, dict)
    assert same(there) == same(here)
    assert there["meta_info"]["finish_reason"] == {"type": "length", "matched": None, "length": 5}
    assert there["meta_info"]["e2e_latency"] > 0


async def test_a_batch_is_a_list_in_order(client: httpx.AsyncClient, engine: Engine) -> None:
    own = [{"max_new_tokens": 2}, {"max_new_tokens": 3, "ignore_eos": True}]
    outputs = await generate(client, text=[PROMPT, "One two"], sampling_params=own, rid=["x", "y"])
    assert [each["meta_info"]["completion_tokens"] for each in outputs] == [2, 3]
    assert [each["meta_info"]["id"] for each in outputs] == ["x", "y"]
    ids = engine.tokenizer.encode(PROMPT, has_special=True, is_start=True)
    [alone] = await generate(client, input_ids=[ids], sampling_params=SAMPLING)
    assert same(alone) == same(await generate(client, text=PROMPT, sampling_params=SAMPLING))


async def test_samples_are_a_list(client: httpx.AsyncClient) -> None:
    outputs = await generate(client, text=PROMPT, sampling_params={**SAMPLING, "n": 3}, rid="r")
    assert [each["meta_info"]["id"] for each in outputs] == ["r_0", "r_1", "r_2"]


@pytest.mark.parametrize(
    "constraint", [{"regex": "[0-9]+"}, {"ebnf": 'root ::= "1" [0-9]'}, {"json_schema": '{"type": "integer"}'}]
)
async def test_constraints_hold(constraint: dict[str, str], client: httpx.AsyncClient) -> None:
    output = await generate(client, text=PROMPT, sampling_params={"max_new_tokens": 8, **constraint})
    assert int(output["text"]) is not None


async def test_nothing_may_be_generated(client: httpx.AsyncClient) -> None:
    output = await generate(client, text=PROMPT, sampling_params={"max_new_tokens": 0})
    assert output["text"] == ""
    assert output["output_ids"] == []
    assert output["meta_info"]["completion_tokens"] == 0
    assert output["meta_info"]["finish_reason"]["type"] == "length"
    assert output["meta_info"]["prompt_tokens"] > 3


async def test_a_prompt_that_ends_inside_a_word_is_healed(client: httpx.AsyncClient) -> None:
    params = {"max_new_tokens": 3, "temperature": 0}
    text = "The capital of France is "
    healed = await generate(client, text=text, sampling_params={**params, "token_healing": True})
    plain = await generate(client, text=text, sampling_params=params)
    assert healed["text"].startswith("Paris")
    assert not plain["text"].startswith("Paris")


async def test_the_requests_of_sglangs_select(client: httpx.AsyncClient) -> None:
    """What its frontend asks to choose: the length of the prompt, then each choice's probabilities after it."""
    prompt_len = (await generate(client, text=PROMPT, sampling_params={"max_new_tokens": 0}))["meta_info"][
        "prompt_tokens"
    ]
    outputs = await generate(
        client,
        text=[PROMPT + each for each in (" Paris", " a")],
        sampling_params={"max_new_tokens": 0, "temperature": 0},
        return_logprob=True,
        return_text_in_logprobs=True,
        logprob_start_len=max(prompt_len - 2, 0),
    )
    logprobs = [each["meta_info"]["input_token_logprobs"] for each in outputs]
    assert ["".join(text for _, _, text in each) for each in logprobs] == ["ce is Paris", "ce is a"]
    assert [each["meta_info"]["output_token_logprobs"] for each in outputs] == [[], []]
    sums = [sum(logprob for logprob, _, _ in each) for each in logprobs]
    assert sums[0] > sums[1]
    unconditional = await generate(
        client,
        input_ids=[[token_id for _, token_id, _ in each] for each in logprobs],
        sampling_params={"max_new_tokens": 0},
        return_logprob=True,
    )
    for given, answer in zip(logprobs, unconditional, strict=True):
        assert [each[1] for each in answer["meta_info"]["input_token_logprobs"]] == [each[1] for each in given]


async def stream(client: httpx.AsyncClient, **fields: Any) -> list[dict[str, Any]]:
    reply = await client.post("/generate", json={"stream": True, **fields})
    assert reply.status_code == 200, reply.text
    events = [each.removeprefix("data: ") for each in reply.text.split("\n\n") if each]
    assert events.pop() == "[DONE]"
    return [json.loads(each) for each in events]


async def test_streamed_text_grows_to_the_whole(client: httpx.AsyncClient) -> None:
    body = {"stream": True, "text": PROMPT, "sampling_params": SAMPLING}
    with (
        paused_engine(3) as (engine, pause),
        LiveServer(create_app(parts_of(engine))) as url,
        httpx.Client(base_url=url) as reader,
        reader.stream("POST", "/generate", json=body) as reply,
    ):
        lines = (line.removeprefix("data: ") for line in reply.iter_lines() if line)
        first = json.loads(next(lines))
        pause.end()
        *growing, last = [first, *(json.loads(line) for line in lines if line != "[DONE]")]
    texts = [each["text"] for each in growing]
    assert texts[0]
    assert texts[0] != last["text"]
    assert all(longer.startswith(shorter) for shorter, longer in itertools.pairwise(texts))
    assert all(each["meta_info"]["finish_reason"] is None for each in growing)
    assert same(last) == same(await generate(client, text=PROMPT, sampling_params=SAMPLING))


async def test_a_stream_of_several_says_which(client: httpx.AsyncClient) -> None:
    events = await stream(client, text=[PROMPT, "One two"], sampling_params={**SAMPLING, "n": 2})
    ended = [each for each in events if each["meta_info"]["finish_reason"] is not None]
    assert sorted(each["index"] for each in ended) == [0, 1, 2, 3]
    assert len({each["meta_info"]["id"] for each in ended}) == 4


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "sampling_params"),
        ({"text": "x", "sampling_params": {"bogus": 1}}, "sampling_params"),
        ({"text": "x", "sampling_params": {"temperature": -1}}, "temperature"),
        ({"text": "x", "sampling_params": {"n": 100}}, "sampling_params.n"),
        ({"text": "x", "sampling_params": {"stop": ["s"] * 99}}, "sampling_params.stop"),
        ({"text": ["x"] * 999}, "text"),
        ({"text": "x", "image_data": "http://here"}, "image_data"),
        ({"text": "x", "lora_path": "p"}, "lora_path"),
        ({"text": "x", "custom_logit_processor": "code"}, "custom_logit_processor"),
        ({"text": "x", "top_logprobs_num": 99}, "top_logprobs_num"),
        ({"text": ["x", "y"], "rid": ["a"]}, "rid"),
    ],
)
async def test_what_is_refused_is_named(fields: dict[str, Any], param: str, client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json=fields)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] == param


async def test_null_is_taken_for_what_is_refused(client: httpx.AsyncClient) -> None:
    await generate(client, text="x", sampling_params={"max_new_tokens": 1}, image_data=None, lora_path=None)


async def test_one_that_fails_ends_the_others(client: httpx.AsyncClient, engine: Engine) -> None:
    long = {"max_new_tokens": 2_000, "ignore_eos": True}
    reply = await client.post(
        "/generate", json={"text": [PROMPT, "word " * 5_000], "sampling_params": [long, {"max_new_tokens": 1}]}
    )
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "context_length_exceeded"
    assert engine.stats()["num_branches"] == 0


async def test_a_request_is_aborted_by_its_id(client: httpx.AsyncClient, parts: ServerParts, engine: Engine) -> None:
    long = {"max_new_tokens": 3_000, "ignore_eos": True}
    running = asyncio.create_task(client.post("/generate", json={"text": PROMPT, "rid": "me", "sampling_params": long}))
    while not parts.running.num_running:
        await asyncio.sleep(0)
    twice = await client.post("/generate", json={"text": PROMPT, "rid": "me"})
    assert twice.status_code == 409
    assert (await client.post("/abort_request", json={"rid": "me"})).status_code == 200
    reply = await running
    assert reply.json()["error"]["code"] == "aborted"
    assert engine.stats()["num_branches"] == 0
    assert (await client.post("/abort_request", json={"rid": "me"})).status_code == 200  # it has ended meanwhile
    assert (await client.post("/abort_request", json={})).status_code == 400


async def test_abort_all_ends_what_is_of_this_key(engine: Engine) -> None:
    parts = parts_of(engine, ServerSettings(keys=KeySettings(api_keys=("mine", "yours"))))
    transport = httpx.ASGITransport(app=create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        long = {"text": PROMPT, "sampling_params": {"max_new_tokens": 3_000, "ignore_eos": True}}
        mine, yours = (
            asyncio.create_task(client.post("/generate", json=long, headers={"authorization": f"Bearer {key}"}))
            for key in ("mine", "yours")
        )
        while parts.running.num_running < 2:
            await asyncio.sleep(0)
        await client.post("/abort_request", json={"abort_all": True}, headers={"authorization": "Bearer mine"})
        assert (await mine).status_code == 499
        assert parts.running.num_running == 1
        assert parts.running.abort_all() == 1
        assert (await yours).status_code == 499


async def test_what_is_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/health_generate")).status_code == 200
    info = (await client.get("/get_model_info")).json()
    assert info["model_path"] == "sprig"
    assert info == (await client.get("/model_info")).json()
    server = (await client.get("/get_server_info")).json()
    assert server["internal_states"][0]["num_steps"] > 0


async def test_a_flush_forgets(client: httpx.AsyncClient, engine: Engine) -> None:
    await generate(client, text=PROMPT, sampling_params=SAMPLING)
    assert (await client.post("/flush_cache")).status_code == 200
    output = await generate(client, text=PROMPT, sampling_params=SAMPLING)
    assert output["meta_info"]["cached_tokens"] == 0
    output = await generate(client, text=PROMPT, sampling_params=SAMPLING, extra_key="other")
    assert output["meta_info"]["cached_tokens"] == 0


async def test_a_dead_engine_is_not_healthy(engine: Engine) -> None:
    parts = dataclasses.replace(parts_of(engine), health=lambda: Health(is_alive=False, reason="no sign of life"))
    transport = httpx.ASGITransport(app=create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        for path in ("/health", "/health_generate"):
            reply = await client.get(path)
            assert reply.status_code == 503
            assert "no sign of life" in reply.json()["error"]["message"]


def test_a_reader_that_leaves_ends_the_work(app: FastAPI, engine: Engine) -> None:
    with LiveServer(app) as url, httpx.Client(base_url=url) as client:
        body = {"text": PROMPT, "stream": True, "sampling_params": {"max_new_tokens": 3_000, "ignore_eos": True}}
        with client.stream("POST", "/generate", json=body) as reply:
            lines = reply.iter_lines()  # kept: one that is dropped hangs up
            next(lines)
            assert engine.stats()["num_branches"] == 1
        while engine.stats()["num_branches"]:  # ends: the server hears of it
            pass


def test_defaults_are_the_servers(engine: Engine) -> None:
    parts = parts_of(engine, ServerSettings(defaults=DefaultSettings(timeout_s=9.0)))
    [job], _ = native_jobs(GenerateBody(text="x", queue_timeout_s=3.0), "tenant", parts)
    assert (job.job.terms.timeout_s, job.job.terms.queue_timeout_s, job.job.terms.tenant) == (9.0, 3.0, "tenant")


def test_every_field_is_in_the_table() -> None:
    assert set(GenerateBody.__struct_fields__) <= {each.name for each in GENERATE_PARAMETERS}


ODD: list[Any] = [
    10**400,
    -(10**400),
    2**70,
    1e308,
    -1,
    [],
    {},
    [[1]],
    [10**30],
    {"a": [1]},
    {"99999999999": 1},
    True,
    "x",
]


@pytest.mark.parametrize("parameter", SAMPLING_PARAMETERS, ids=lambda each: each.name)
async def test_an_odd_value_is_no_failure(parameter: Parameter, client: httpx.AsyncClient) -> None:
    """A huge number, above all, must not get as far as a step, which would fail for all who are in it."""
    for value in ODD:
        limit = {"regex": "a"} if parameter.name in ("max_new_tokens", "max_tokens") else {"max_new_tokens": 1}
        body = {"text": "a", "sampling_params": {**limit, parameter.name: value}}
        reply = await client.post("/generate", json=body)
        assert reply.status_code < 500, (value, reply.text)


async def test_a_bias_is_by_token_id(client: httpx.AsyncClient) -> None:
    body = {"text": "a", "sampling_params": {"max_new_tokens": 2, "temperature": 0, "logit_bias": {"17": 1000}}}
    assert (await client.post("/generate", json=body)).json()["output_ids"] == [17, 17]


async def test_a_hostile_stop_regex_is_refused(client: httpx.AsyncClient) -> None:
    body = {"text": "a", "sampling_params": {"max_new_tokens": 1, "stop_regex": ["x", "(a|b)*a(a|b){30}"]}}
    reply = await client.post("/generate", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "sampling_params.stop_regex"
    assert "needs more; shorten its repeats" in reply.json()["error"]["message"]
