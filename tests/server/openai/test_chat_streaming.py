"""A streamed chat completion: its form, and that it is what the whole reply would be."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from chat_stream_reader import Json, frames, read_stream, without_ids
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CHAT = "/v1/chat/completions"
WEATHER: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "maximum": 99}},
    "required": ["city"],
}
TOOLS: list[Json] = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {
        "type": "custom",
        "custom": {
            "name": "look_up",
            "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": '[a-zé"\\\\\n ]{1,12}'}},
        },
    },
    {"type": "function", "function": {"name": "now"}},
]
PROMPTS = (
    "What is the weather in Rome and in Paris?",
    "Write a list of emoji and of Greek words: 🌳 αβγ",
    "Look up what a palmette is, then tell me.",
)
CHOICES: list[Any] = [
    "none",
    "auto",
    "required",
    {"type": "function", "function": {"name": "get_weather"}},
    {"type": "custom", "custom": {"name": "look_up"}},
    {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]},
    },
]

requests = st.fixed_dictionaries(
    {
        "messages": st.sampled_from(PROMPTS).map(lambda text: [{"role": "user", "content": text}]),
        "seed": st.integers(0, 2**32),
        "temperature": st.sampled_from([0, 1, 1.6]),
        "max_tokens": st.integers(1, 60),
    },
    optional={
        "n": st.integers(1, 3),
        "stop": st.lists(st.sampled_from(["e", "a ", "\n", "the", "</tool_call>", "ou"]), min_size=1, max_size=3),
        "logprobs": st.just(True),
    },
)
with_tools = st.fixed_dictionaries(
    {"tools": st.just(TOOLS), "tool_choice": st.sampled_from(CHOICES)},
    optional={"parallel_tool_calls": st.booleans()},
)


class Caller:
    """Asks the application, from outside of a loop."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self._app = app
        self._runner = runner

    def post(self, body: Json) -> httpx.Response:
        return self._runner.run(self._post(body))

    async def _post(self, body: Json) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
            reply = await client.post(CHAT, json=body)
        assert reply.status_code == 200, reply.text
        return reply


@pytest.fixture(scope="module")
def caller(app: FastAPI) -> Iterator[Caller]:
    with asyncio.Runner() as runner:
        yield Caller(app, runner)


def check(caller: Caller, body: Json) -> list[Json]:
    """Stream it and have it whole; the choices of the whole."""
    has_usage = body["seed"] % 2 == 0
    options = {"stream_options": {"include_usage": True}} if has_usage else {}
    whole = caller.post(body).json()
    streamed = caller.post(body | {"stream": True} | options)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    choices, usage = read_stream(streamed.text, body.get("n", 1), has_usage=has_usage)
    for streamed_choice, choice in zip(choices, whole["choices"], strict=True):
        message = choice["message"]
        calls = message.get("tool_calls")
        assert streamed_choice.message == message | ({"tool_calls": without_ids(calls)} if calls else {})
        assert streamed_choice.finish_reason == choice["finish_reason"]
        logprobs = None if choice["logprobs"] is None else choice["logprobs"]["content"]
        assert (streamed_choice.logprobs or []) == (logprobs or [])
        assert (logprobs is not None) == body.get("logprobs", False)
    if usage is not None:
        details = ("prompt_tokens_details",)  # the second time more of the prompt is cached
        assert {**usage, **dict.fromkeys(details)} == {**whole["usage"], **dict.fromkeys(details)}
    return list(whole["choices"])


FEW = settings(
    max_examples=7,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # each example asks a model twice: to shrink one takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FEW
@given(body=requests)
def test_text(caller: Caller, body: Json) -> None:
    for choice in check(caller, body):
        content = choice["message"]["content"]
        assert not any(stop in content for stop in body.get("stop", ()))
        if choice["logprobs"] is not None and choice["finish_reason"] == "length":
            spelled = b"".join(bytes(each["bytes"] or b"") for each in choice["logprobs"]["content"])
            assert spelled.decode("utf-8", "replace") == content


@FEW
@given(body=requests, tools=with_tools)
def test_calls(caller: Caller, body: Json, tools: Json) -> None:
    for choice in check(caller, body | tools):
        calls = choice["message"].get("tool_calls", [])
        is_cut = choice["finish_reason"] == "length"
        whole_calls = calls[:-1] if is_cut else calls
        for call in whole_calls:
            check_call(call)
        assert choice["finish_reason"] == ("length" if is_cut else "tool_calls" if calls else "stop")
        wanted = tools["tool_choice"]
        if wanted not in ("none", "auto"):
            assert calls or is_cut
        if wanted == "none":
            assert not calls
        if tools.get("parallel_tool_calls") is False:
            assert len(calls) <= 1
        if isinstance(wanted, dict):
            allowed = wanted.get("allowed_tools", {}).get("tools", [wanted])
            names = {each[each["type"]]["name"] for each in allowed}
            assert {call[call["type"]]["name"] for call in calls} <= names
            if "allowed_tools" not in wanted and tools.get("parallel_tool_calls") is not True:
                assert len(calls) <= 1


def test_characters_of_several_bytes_are_never_split(caller: Caller) -> None:
    body = {"messages": [{"role": "user", "content": "Trees"}], "regex": "[🌳漢é]{12}", "seed": 0, "max_tokens": 60}
    (choice,) = check(caller, body)
    assert len(choice["message"]["content"]) == 12
    streamed = caller.post(body | {"stream": True})
    deltas = [json.loads(frame)["choices"][0]["delta"].get("content", "") for frame in frames(streamed.text)[:-1]]
    assert all(set(delta) <= set("🌳漢é") for delta in deltas)


def check_call(call: Json) -> None:
    if call["type"] == "custom":
        assert call["custom"]["name"] == "look_up"
        assert 1 <= len(call["custom"]["input"]) <= 12
        assert set(call["custom"]["input"]) <= set('abcdefghijklmnopqrstuvwxyzé"\\\n ')
        return
    arguments = json.loads(call["function"]["arguments"])
    if call["function"]["name"] == "get_weather":
        jsonschema.validate(arguments, WEATHER)
    else:
        assert arguments == {}


@FEW
@given(body=requests, format_tools=st.booleans())
def test_calls_or_else_json(caller: Caller, body: Json, format_tools: bool) -> None:
    answer = {"type": "json_schema", "json_schema": {"name": "a", "schema": WEATHER}}
    tools = {"tools": TOOLS, "tool_choice": "auto"} if format_tools else {}
    for choice in check(caller, body | tools | {"response_format": answer}):
        calls = choice["message"].get("tool_calls", [])
        if choice["finish_reason"] == "length":
            continue
        for call in calls:
            check_call(call)
        if not calls:
            jsonschema.validate(json.loads(choice["message"]["content"]), WEATHER)
