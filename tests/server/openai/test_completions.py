"""`/v1/completions`: shapes, echoes and their probabilities, streams that equal whole replies, and refusals."""

import json
from typing import Any

import httpx
import pytest

from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.openai.completion_types import COMPLETION_PARAMETERS, CompletionRequest

pytestmark = pytest.mark.anyio

PROMPT = "The capital of France is"


async def complete(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    reply = await client.post("/v1/completions", json={"prompt": PROMPT, **fields})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def chunks(client: httpx.AsyncClient, **fields: Any) -> list[dict[str, Any]]:
    reply = await client.post("/v1/completions", json={"prompt": PROMPT, "stream": True, **fields})
    assert reply.status_code == 200, reply.text
    events = [each.removeprefix("data: ") for each in reply.text.split("\n\n") if each]
    assert events[-1] == "[DONE]"
    return [json.loads(each) for each in events[:-1]]


async def refusal(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    reply = await client.post("/v1/completions", json={"prompt": PROMPT, **fields})
    assert reply.status_code == 400, reply.text
    error: dict[str, Any] = reply.json()["error"]
    return error


async def test_a_text_goes_on_as_in_the_engine(client: httpx.AsyncClient, engine: Engine) -> None:
    body = await complete(client, max_tokens=5, temperature=0)
    here = engine.generate(PROMPT, {"max_new_tokens": 5, "temperature": 0})
    assert isinstance(here, dict)
    assert body["choices"] == [{"index": 0, "text": here["text"], "logprobs": None, "finish_reason": "length"}]
    assert body["object"] == "text_completion"
    assert body["usage"]["completion_tokens"] == 5
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + 5


async def test_the_default_is_sixteen_tokens(client: httpx.AsyncClient) -> None:
    body = await complete(client, ignore_eos=True)
    assert body["usage"]["completion_tokens"] == 16


async def test_token_ids_are_the_text_they_spell(client: httpx.AsyncClient, engine: Engine) -> None:
    ids = engine.tokenizer.encode(PROMPT, has_special=True, is_start=True)
    texts = [
        (await complete(client, prompt=prompt, seed=1, max_tokens=4))["choices"][0]["text"]
        for prompt in (PROMPT, ids, [ids], [PROMPT])
    ]
    assert len(set(texts)) == 1


async def test_choices_are_in_order_of_prompts_and_samples(client: httpx.AsyncClient) -> None:
    body = await complete(client, prompt=["One two", PROMPT], n=2, max_tokens=3, echo=True, temperature=0)
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2, 3]
    assert [choice["text"].startswith("One two") for choice in body["choices"]] == [True, True, False, False]


async def test_an_echo_has_the_probabilities_of_the_prompt(client: httpx.AsyncClient, engine: Engine) -> None:
    body = await complete(client, max_tokens=0, echo=True, logprobs=2)
    [choice] = body["choices"]
    assert choice["text"] == PROMPT
    assert choice["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 0
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == PROMPT
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert all(token in top for token, top in zip(logprobs["tokens"][1:], logprobs["top_logprobs"][1:], strict=True))
    here = engine.generate(PROMPT, {"max_new_tokens": 1}, return_logprob=True, logprob_start_len=0)
    assert isinstance(here, dict)
    wanted = [triple[0] for triple in here["meta_info"]["input_token_logprobs"]]
    assert logprobs["token_logprobs"][1:] == pytest.approx(wanted[1:], abs=1e-4)


async def test_offsets_say_where_a_token_is_in_the_text(client: httpx.AsyncClient) -> None:
    prompt = "Zürich 東京 is"
    body = await complete(client, prompt=prompt, max_tokens=3, echo=True, logprobs=0)
    choice = body["choices"][0]
    logprobs = choice["logprobs"]
    assert logprobs["top_logprobs"] is None
    for token, offset in zip(logprobs["tokens"], logprobs["text_offset"], strict=True):
        if "�" not in token:
            assert choice["text"][offset : offset + len(token)] == token


@pytest.mark.parametrize("fields", [{}, {"n": 2}, {"echo": True, "logprobs": 1}, {"stop": ["a"]}, {"max_tokens": 0}])
async def test_streamed_and_whole_replies_are_equal(fields: dict[str, Any], client: httpx.AsyncClient) -> None:
    fields = {"max_tokens": 6, "seed": 5, **fields}
    whole = await complete(client, **fields)
    texts: dict[int, str] = {}
    ended: dict[int, str] = {}
    logprobs: dict[int, Any] = {}
    for chunk in await chunks(client, **fields):
        [choice] = chunk["choices"]
        assert choice["index"] not in ended, "nothing comes after the reason"
        texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
        if choice["logprobs"] is not None:
            logprobs[choice["index"]] = choice["logprobs"]["tokens"]
        if choice["finish_reason"] is not None:
            ended[choice["index"]] = choice["finish_reason"]
        assert "usage" not in chunk
    assert {each["index"]: each["text"] for each in whole["choices"]} == texts
    assert {each["index"]: each["finish_reason"] for each in whole["choices"]} == ended
    assert {each["index"]: each["logprobs"]["tokens"] for each in whole["choices"] if each["logprobs"]} == logprobs


async def test_usage_comes_last_where_it_is_asked_for(client: httpx.AsyncClient) -> None:
    *others, last = await chunks(client, max_tokens=3, stream_options={"include_usage": True}, ignore_eos=True)
    assert all(chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3


async def test_constraints_hold(client: httpx.AsyncClient) -> None:
    assert (await complete(client, regex="[0-9]{3}"))["choices"][0]["text"].isdigit()
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert "a" in json.loads((await complete(client, response_format=form, max_tokens=40))["choices"][0]["text"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", ""]}, "prompt[1]"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [99_999]}, "prompt"),
        ({"prompt": "word " * 5_000}, "prompt"),
        ({"logprobs": 99}, "logprobs"),
        ({"n": 1_000}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"regex": "("}, "regex"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"guided_regex": "a"}, "guided_regex"),
        ({"tempreature": 1}, "tempreature"),
    ],
)
async def test_what_is_refused_is_named(fields: dict[str, Any], param: str, client: httpx.AsyncClient) -> None:
    assert (await refusal(client, **fields))["param"] == param


async def test_what_means_nothing_is_taken(client: httpx.AsyncClient) -> None:
    await complete(client, suffix=None, best_of=2, n=2, user="me", max_tokens=1)
    await complete(client, suffix="", best_of=1, metadata={"a": "b"}, max_tokens=1)


async def test_embeddings_are_refused_in_words(client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/embeddings", json={"input": "x", "model": "sprig"})
    assert reply.status_code == 400
    assert "hidden states are not served" in reply.json()["error"]["message"]


def test_every_field_is_in_the_table() -> None:
    taken = {each.name for each in COMPLETION_PARAMETERS if each.verdict != "refused"}
    fields = set(CompletionRequest.__struct_fields__)
    assert fields - taken <= {"suffix", "best_of"}
    assert taken <= fields
