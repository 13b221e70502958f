"""Whatever is sent to the chat endpoints, the server does not fail at it."""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]

BODY: Json = {
    "messages": [
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "c", "tool_call_id": "1"},
    ],
    "model": "sprig",
    "max_tokens": 2,
    "temperature": 1.0,
    "top_p": 0.5,
    "top_k": 5,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "logit_bias": {"5": 1},
    "seed": 1,
    "stop": ["x"],
    "stop_token_ids": [7],
    "n": 1,
    "logprobs": True,
    "top_logprobs": 1,
    "stream": False,
    "timeout_s": 60,
    "queue_timeout_s": 60,
    "priority": 1,
    "cache_salt": "s",
    "min_tokens": 0,
    "prediction": {"type": "content", "content": "p"},
    "metadata": {"a": "b"},
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}},
        {
            "type": "custom",
            "custom": {"name": "g", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}}},
        },
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
}
CONSTRAINTS: list[Json] = [
    {},
    {"regex": "a{2}"},
    {"ebnf": 'root ::= "a"'},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}},
    {"structured_outputs": {"choice": ["a", "b"]}},
    {"structural_tag": {"structures": [{"begin": "<a>", "schema": {}, "end": "</a>"}], "triggers": ["<a"]}},
]

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**30, 0.0, -1.0, 1e-30, 1e-300, 1e30, 1e308]),
    st.text(max_size=4),
    st.sampled_from(["(", "[a", "\\", "<|im_end|>", "\x00", "🌳", "", "root ::= root", "\ud800", "user", "required"]),
    st.lists(st.integers(0, 9), max_size=2),
    st.just({}),
    st.dictionaries(st.sampled_from(["type", "name", "$ref"]), st.sampled_from(["object", "x", 1, None]), max_size=2),
)  # fmt: skip


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


@st.composite
def bodies(draw: st.DrawFn) -> Json:
    body = copy.deepcopy(BODY | draw(st.sampled_from(CONSTRAINTS)))
    for name in draw(st.sets(st.sampled_from(sorted(set(body) - {"messages", "max_tokens"})), max_size=12)):
        del body[name]
    for _ in range(draw(st.integers(0, 2))):
        *path, last = draw(st.sampled_from(list(places(body))))
        parent: Any = body
        for key in path:
            parent = parent[key]
        if draw(st.booleans()):
            parent[last] = draw(values)
        else:
            del parent[last]
    body["max_tokens"] = body.get("max_tokens", 2)
    return body


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@settings(
    max_examples=120,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=bodies(), is_stream=st.booleans())
def test_no_body_makes_it_fail(app: FastAPI, runner: asyncio.Runner, body: Json, is_stream: bool) -> None:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
            return await client.post("/v1/chat/completions", content=json.dumps({**body, "stream": is_stream}))

    reply = runner.run(post())
    assert reply.status_code < 500, reply.text
    if reply.status_code == 200 and is_stream:
        assert reply.text.endswith("data: [DONE]\n\n") or '"error"' in reply.text
    if reply.status_code != 200:
        error = reply.json()["error"]
        assert error["message"]
        assert error["param"] is None or isinstance(error["param"], str)
