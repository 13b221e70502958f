"""`/v1/chat/completions`, whole replies: what each parameter does, and what is refused."""

import asyncio
import json
from typing import Any

import httpx
import jsonschema
import pytest
from free_guessing import ONE_SECOND

from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.openai.chat_parameters import CHAT_PARAMETERS
from palmette.runtime.server.openai.chat_types import ChatRequest
from palmette.runtime.speculation.worth import Worth

pytestmark = pytest.mark.anyio

Json = dict[str, Any]

CHAT = "/v1/chat/completions"
CITY: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER: Json = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": CITY}}


def body(text: str = "What is the weather in Rome?", **more: Any) -> Json:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 40, "temperature": 0, **more}


async def ask(client: httpx.AsyncClient, **more: Any) -> Json:
    reply = await client.post(CHAT, json=body(**more))
    assert reply.status_code == 200, reply.text
    parsed: Json = reply.json()
    return parsed


async def refusal(client: httpx.AsyncClient, **more: Any) -> Json:
    reply = await client.post(CHAT, json=body(**more))
    assert 400 <= reply.status_code < 500, reply.text
    error: Json = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def content(client: httpx.AsyncClient, **more: Any) -> str:
    text = (await ask(client, **more))["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


async def test_the_form_of_a_reply(client: httpx.AsyncClient) -> None:
    reply = await ask(client, model="sprig")
    assert reply["object"] == "chat.completion"
    assert reply["model"] == "sprig"
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 1 <= usage["completion_tokens"] <= 40


async def test_a_seed_fixes_the_answer_and_samples_differ(client: httpx.AsyncClient) -> None:
    again = [await ask(client, n=3, seed=-5, temperature=1.3) for _ in range(2)]
    texts = [[choice["message"]["content"] for choice in reply["choices"]] for reply in again]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) == 3


@pytest.mark.parametrize(
    "constraint",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY, "strict": True}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY}}},
        {"structured_outputs": {"json": CITY}},
        {"structured_outputs": {"json": json.dumps(CITY), "disable_any_whitespace": True}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY}}, "tools": [WEATHER],
         "tool_choice": "none"},
    ],
)  # fmt: skip
async def test_json_by_a_schema(client: httpx.AsyncClient, constraint: Json) -> None:
    text = await content(client, temperature=1, seed=3, **constraint)
    jsonschema.validate(json.loads(text), CITY)
    if "disable_any_whitespace" in constraint.get("structured_outputs", {}):
        assert '":"' in text


@pytest.mark.parametrize(
    ("constraint", "pattern"),
    [
        ({"regex": "[ab]{3}"}, {"aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"}),
        ({"ebnf": 'root ::= "yes" | "no"'}, {"yes", "no"}),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, {"yes", "no"}),
        ({"structured_outputs": {"regex": "yes|no"}}, {"yes", "no"}),
        ({"structured_outputs": {"grammar": 'root ::= "yes" | "no"'}}, {"yes", "no"}),
        ({"structured_outputs": {"grammar": 'start: "yes" | "no"'}}, {"yes", "no"}),
    ],
)
async def test_text_by_a_grammar(client: httpx.AsyncClient, constraint: Json, pattern: set[str]) -> None:
    assert await content(client, **constraint) in pattern


@pytest.mark.parametrize(
    "constraint",
    [
        {"response_format": {"type": "json_object"}, "max_tokens": 120},
        {"structured_outputs": {"json_object": True}, "max_tokens": 120},
    ],
)
async def test_any_object(client: httpx.AsyncClient, constraint: Json) -> None:
    reply = await ask(client, text='Answer with {"a": 1}', **constraint)
    if reply["choices"][0]["finish_reason"] == "stop":
        assert isinstance(json.loads(reply["choices"][0]["message"]["content"]), dict)


@pytest.mark.parametrize(
    "tag",
    [
        {"structural_tag": {"structures": [{"begin": "<a>", "schema": CITY, "end": "</a>"}], "triggers": ["<a"]}},
        {
            "structural_tag": {
                "type": "structural_tag",
                "format": {
                    "type": "triggered_tags",
                    "triggers": ["<a"],
                    "tags": [
                        {"begin": "<a>", "content": {"type": "json_schema", "json_schema": CITY}, "end": "</a>"},
                        {"begin": "<ab>", "content": {"type": "regex", "pattern": "[0-9]+"}, "end": "</ab>"},
                    ],
                    "at_least_one": True,
                    "stop_after_first": True,
                },
            }
        },
        {
            "response_format": {
                "type": "structural_tag",
                "structures": [{"begin": "<a>", "schema": CITY, "end": "</a>"}],
                "triggers": ["<a"],
            }
        },
    ],
)
async def test_structural_tags(client: httpx.AsyncClient, tag: Json) -> None:
    reply = await ask(client, max_tokens=120, **tag)
    if "at_least_one" in str(tag) and reply["choices"][0]["finish_reason"] == "stop":
        assert reply["choices"][0]["message"]["content"].endswith(("</a>", "</ab>"))


@pytest.mark.parametrize("syntax", ["lark", "regex"])
async def test_a_custom_tool_by_a_grammar(client: httpx.AsyncClient, syntax: str) -> None:
    definition = {"lark": 'start: "SELECT " ("a" | "b")', "regex": "SELECT (a|b)"}[syntax]
    grammar = {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}
    tool = {"type": "custom", "custom": {"name": "sql", "format": grammar}}
    reply = await ask(client, tools=[tool], tool_choice={"type": "custom", "custom": {"name": "sql"}})
    (call,) = reply["choices"][0]["message"]["tool_calls"]
    assert call["type"] == "custom"
    assert call["custom"]["name"] == "sql"
    assert call["custom"]["input"] in ("SELECT a", "SELECT b")
    assert reply["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_call_and_its_answer_go_on(client: httpx.AsyncClient) -> None:
    first = await ask(client, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, max_tokens=80)
    message = first["choices"][0]["message"]
    (call,) = message["tool_calls"]
    jsonschema.validate(json.loads(call["function"]["arguments"]), CITY)
    messages = [
        *body()["messages"],
        {**message, "provider_specific_fields": {"refusal": None}},  # clients note at a reply what they like
        {"role": "tool", "tool_call_id": call["id"], "content": "22 degrees"},
    ]
    reply = await client.post(CHAT, json={"messages": messages, "tools": [WEATHER], "max_tokens": 20})
    assert reply.status_code == 200, reply.text
    # What the model wrote is found in the cache again: the turn is rendered as it was written.
    rendered = (await client.post(f"{CHAT}/render", json={"messages": messages, "tools": [WEATHER]})).json()
    assert call["function"]["arguments"] in rendered["prompt"]


@pytest.mark.parametrize(("is_parallel", "num_calls"), [(None, 1), (False, 1), (True, 2)])
async def test_a_named_tool_is_called_once_unless_more_is_said(
    client: httpx.AsyncClient, is_parallel: bool | None, num_calls: int
) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    more = {} if is_parallel is None else {"parallel_tool_calls": is_parallel}
    text = "What is the weather in Rome and in Paris?"
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": city}}
    reply = await ask(client, text=text, tools=[tool], tool_choice=named, max_tokens=120, **more)
    assert len(reply["choices"][0]["message"]["tool_calls"]) == num_calls


async def test_no_branch_is_left_open(client: httpx.AsyncClient, engine: Engine) -> None:
    await ask(client, n=3)
    await ask(client, stream_options=None)
    assert await asyncio.to_thread(num_open_branches, engine) == 0


def num_open_branches(engine: Engine) -> int:
    num_open: int = engine._thread.ask(lambda core: len(list(core.branches.all()))).result()
    return num_open


@pytest.mark.parametrize("is_calling", [True, False])
async def test_calls_or_else_an_answer_by_a_format(client: httpx.AsyncClient, engine: Engine, is_calling: bool) -> None:
    (mark,) = engine.tokenizer.encode("<tool_call>", has_special=True)
    bias = {} if is_calling else {str(mark): -1e6}
    answer = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": ["hello", "bye"]}}}
    reply = await ask(client, tools=[WEATHER], response_format=answer, n=2, max_tokens=60, logit_bias=bias)
    for choice in reply["choices"]:
        message = choice["message"]
        if is_calling:
            assert message["tool_calls"][0]["function"]["name"] == "get_weather"
        else:
            assert json.loads(message["content"]) in ("hello", "bye")
            assert "tool_calls" not in message


async def test_a_call_that_is_cut(client: httpx.AsyncClient) -> None:
    reply = await ask(client, tools=[WEATHER], tool_choice="required", max_tokens=12)
    assert reply["choices"][0]["finish_reason"] == "length"


async def test_roles_and_parts(client: httpx.AsyncClient) -> None:
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
        {"role": "user", "content": "Hi", "name": "ada"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "Why?"},
    ]
    rendered = (await client.post(f"{CHAT}/render", json={"messages": messages})).json()
    assert "<|im_start|>system\nBe brief.<|im_end|>" in rendered["prompt"]
    assert "<|im_start|>assistant\nNo.<|im_end|>" in rendered["prompt"]


async def test_a_prediction_that_is_wrong_is_reported_as_rejected(client: httpx.AsyncClient, engine: Engine) -> None:
    reply = await ask(client, prediction={"type": "content", "content": "The weather is fine."})
    details = reply["usage"]["completion_tokens_details"]
    assert details["rejected_prediction_tokens"] == engine.token_len("The weather is fine.")
    assert details["accepted_prediction_tokens"] == 0


async def test_a_prediction_that_is_right_is_reported_as_accepted(
    client: httpx.AsyncClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    speculator = engine._thread._core._speculator
    assert speculator is not None
    monkeypatch.setattr(speculator, "_cost", ONE_SECOND)  # so that no guess is too dear
    monkeypatch.setattr(speculator, "_worth", Worth(ONE_SECOND))
    first = await ask(client, temperature=0)
    content = first["choices"][0]["message"]["content"]
    parts = [{"type": "text", "text": content}]
    second = await ask(client, temperature=0, prediction={"type": "content", "content": parts})
    assert second["choices"] == first["choices"]
    details = second["usage"]["completion_tokens_details"]
    num_tokens = engine.token_len(content)
    assert 0 < details["accepted_prediction_tokens"] <= num_tokens
    assert details["accepted_prediction_tokens"] + details["rejected_prediction_tokens"] == num_tokens


async def test_logprobs(client: httpx.AsyncClient) -> None:
    reply = await ask(client, logprobs=True, top_logprobs=3)
    assert reply["choices"][0]["finish_reason"] == "stop"
    tokens = reply["choices"][0]["logprobs"]["content"]
    text = reply["choices"][0]["message"]["content"]
    assert "".join(token["token"] for token in tokens) == text, "what ended the text is not shown"
    stopped = await ask(client, logprobs=True, stop=[text[:2]])
    assert stopped["choices"][0]["message"]["content"] == ""
    assert stopped["choices"][0]["logprobs"]["content"] == []
    assert all(len(token["top_logprobs"]) == 3 and token["logprob"] <= 0 for token in tokens)
    assert all(token["logprob"] == token["top_logprobs"][0]["logprob"] for token in tokens)  # temperature 0


async def test_a_logit_bias_decides(client: httpx.AsyncClient, engine: Engine) -> None:
    (token_id,) = engine.tokenizer.encode("a", has_special=False)
    assert await content(client, logit_bias={str(token_id): 1e9}, max_tokens=5) == "aaaaa"


async def test_a_cache_salt_parts_caches(client: httpx.AsyncClient) -> None:
    async def num_cached(salt: str) -> int:
        reply = await ask(client, text="A text that no other test has", cache_salt=salt, max_tokens=1)
        return int(reply["usage"]["prompt_tokens_details"]["cached_tokens"])

    assert await num_cached("one") == 0
    assert await num_cached("one") > 0
    assert await num_cached("two") == 0


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temprature": 1}, "temprature"),
        ({"top_p": 2}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 10_000}, "n"),
        ({"stop": ["x"] * 100}, "stop"),
        ({"stop": ["x" * 10_000]}, "stop"),
        ({"stop": ""}, "stop"),
        ({"seed": 2**70}, "seed"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"99999999": 1}}, "logit_bias"),
        ({"stop_token_ids": [99999999]}, "stop_token_ids"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 200}, "top_logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 7}, "max_tokens"),
        ({"min_tokens": 50}, "min_tokens"),
        ({"model": "gpt-9"}, "model"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"functions": []}, "functions"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"store": True}, "store"),
        ({"modalities": ["audio"]}, "modalities[0]"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"tools": [WEATHER, WEATHER]}, "tools"),
        ({"tools": [WEATHER] * 1000}, "tools"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "custom", "custom": {"name": "get_weather"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"regex": "a", "ebnf": 'root ::= "a"'}, "ebnf"),
        ({"regex": "("}, "regex"),
        ({"regex": ""}, "regex"),
        ({"ebnf": "root ::= ("}, "ebnf"),
        ({"structural_tag": {"format": {"type": "sequence"}}}, "structural_tag"),
        ({"structural_tag": [[]]}, "structural_tag"),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs"),
        ({"structured_outputs": {"choice": ["a", "a"]}}, "structured_outputs.choice"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "strin"}}}},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "http://x/y"}}}},
            "response_format.json_schema.schema",
        ),
        ({"priority": 2**40}, "priority"),
        ({"queue_timeout_s": 0}, "queue_timeout_s"),
        ({"cache_salt": "x" * 1000}, "cache_salt"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "usr", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "", "colour": 1}]}, "messages[0].colour"),
        ({"messages": [{"role": "user", "content": "", "a` - b": 1}]}, "messages[0].a` - b"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "y"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "user", "content": "word " * 20_000}]}, "messages"),
    ],
)  # fmt: skip
async def test_what_is_refused_is_named(client: httpx.AsyncClient, more: Json, param: str) -> None:
    error = await refusal(client, **more)
    assert error["param"] == param
    assert len(error["message"]) <= 610


async def test_errors_show_little_of_what_came(client: httpx.AsyncClient) -> None:
    for more in ({"model": "x" * 5000}, {"x" * 5000: 1}, {"regex": "(" + "x" * 5000}, {"seed": 10**4000}):
        error = await refusal(client, **more)
        assert "x" * 201 not in error["message"]
        assert "0" * 201 not in error["message"]


async def test_a_time_that_runs_out(client: httpx.AsyncClient) -> None:
    reply = await client.post(CHAT, json=body(timeout_s=0.001, max_tokens=4000, ignore_eos=True))
    assert reply.status_code == 408
    assert reply.json()["error"]["param"] == "timeout_s"


def test_the_table_has_all_parameters_and_no_others() -> None:
    taken = {each.name for each in CHAT_PARAMETERS if each.verdict != "refused"}
    refused = {each.name for each in CHAT_PARAMETERS if each.verdict == "refused"}
    assert taken == set(ChatRequest.__struct_fields__)
    assert not taken & refused
