"""`/v1/responses` through OpenAI's SDK, over a socket; and what becomes of work that nobody waits for."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from live_server import LiveServer
from pydantic import BaseModel
from response_order import check_order

from palmette.runtime.local.embedded import Engine

openai = pytest.importorskip("openai")

LONG = {"input": "Tell me a story.", "max_output_tokens": 3_000, "extra_body": {"ignore_eos": True}}


@pytest.fixture(scope="module")
def sdk(app: FastAPI) -> Iterator[Any]:
    with LiveServer(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def assert_at_rest(engine: Engine) -> None:
    """Nothing runs, no branch is open; all pages are free, or the cache's."""
    stats = engine.stats()
    assert stats["num_running_rows"] == 0
    assert stats["num_branches"] == 0
    engine.check_integrity()


def test_create_and_stream_are_equal(sdk: Any) -> None:
    question = {"model": "sprig", "input": "Where is Paris?", "temperature": 0, "max_output_tokens": 40}
    whole = sdk.responses.create(**question)
    with sdk.responses.stream(**question) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text != ""
    assert "".join(each.delta for each in events if each.type == "response.output_text.delta") == whole.output_text
    raw = [each.to_dict() for each in sdk.responses.create(**question, stream=True)]
    assert check_order(raw)["status"] == "completed"


def test_parse_gives_instances(sdk: Any) -> None:
    class Place(BaseModel):
        city: str
        is_capital: bool

    parsed = sdk.responses.parse(model="sprig", input="Paris.", text_format=Place, max_output_tokens=200, temperature=0)
    assert isinstance(parsed.output_parsed, Place)


def test_a_function_call_is_parsed_and_answered(sdk: Any) -> None:
    class GetWeather(BaseModel):
        city: str

    tools = [openai.pydantic_function_tool(GetWeather)]
    question = {"role": "user", "content": "What is the weather in Rome?"}
    with sdk.responses.stream(
        model="sprig", input=[question], tools=tools, tool_choice="required", temperature=0, parallel_tool_calls=False
    ) as stream:
        deltas = [each.delta for each in stream if each.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    [call] = final.output
    assert isinstance(call.parsed_arguments, GetWeather)
    assert json.loads("".join(deltas)) == json.loads(call.arguments)
    answer = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    following = sdk.responses.create(model="sprig", input=[question, *final.output, answer], max_output_tokens=20)
    assert following.status in ("completed", "incomplete")


def test_a_conversation_by_ids(sdk: Any) -> None:
    first = sdk.responses.create(model="sprig", input="My name is Ada.", max_output_tokens=20)
    second = sdk.responses.create(model="sprig", input="Hello?", previous_response_id=first.id, max_output_tokens=20)
    assert second.usage.input_tokens_details.cached_tokens >= first.usage.input_tokens
    assert sdk.responses.retrieve(second.id).output_text == second.output_text
    items = list(sdk.responses.input_items.list(second.id, limit=1))
    assert [item.role for item in items] == ["user", "assistant", "user"]
    assert sdk.responses.input_tokens.count(input="Hi").input_tokens > 0
    sdk.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(second.id)


def test_background_is_cancelled_and_gives_its_memory_back(sdk: Any, engine: Engine) -> None:
    begun = sdk.responses.create(**LONG, background=True, stream=True)
    seen: list[Any] = []
    for event in begun:
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    begun.close()  # who leaves does not end it
    assert [event.type for event in seen[:3]] == ["response.created", "response.queued", "response.in_progress"]
    response_id = seen[0].response.id
    assert sdk.responses.retrieve(response_id).status == "in_progress"
    with pytest.raises(openai.BadRequestError):
        sdk.responses.create(input="And?", previous_response_id=response_id)
    cancelled = sdk.responses.cancel(response_id)
    assert cancelled.status == "cancelled"
    assert_at_rest(engine)
    assert sdk.responses.cancel(response_id).output == cancelled.output
    again = sdk.responses.retrieve(response_id, stream=True)
    assert check_order([each.to_dict() for each in again])["status"] == "cancelled"


def test_background_is_polled_and_read_again_from_any_place(sdk: Any) -> None:
    queued = sdk.responses.create(input="Where is Paris?", background=True, max_output_tokens=20, temperature=0)
    assert queued.status == "queued"
    events = [each.to_dict() for each in sdk.responses.retrieve(queued.id, stream=True)]
    response = check_order(events)
    assert sdk.responses.retrieve(queued.id).status == response["status"]
    for place in (0, 3, len(events) - 2):
        rest = [each.to_dict() for each in sdk.responses.retrieve(queued.id, stream=True, starting_after=place)]
        assert rest == events[place + 1 :]


def test_deleting_ends_what_runs(sdk: Any, engine: Engine) -> None:
    queued = sdk.responses.create(**LONG, background=True)
    sdk.responses.delete(queued.id)
    assert_at_rest(engine)


def test_who_leaves_a_stream_ends_it(sdk: Any, engine: Engine) -> None:
    stream = sdk.responses.create(**LONG, stream=True)
    created = next(iter(stream))
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    stream.close()
    while sdk.responses.retrieve(created.response.id).status == "in_progress":
        pass  # each question lets the server's loop go on
    assert sdk.responses.retrieve(created.response.id).status == "cancelled"
    assert_at_rest(engine)


def test_too_much_time_fails_the_response(sdk: Any, engine: Engine) -> None:
    body = {**LONG, "extra_body": {"ignore_eos": True, "timeout_s": 0.2}}
    events = [each.to_dict() for each in sdk.responses.create(**body, stream=True)]
    response = check_order(events)
    assert response["status"] == "failed"
    assert "timeout_s" in response["error"]["message"]
    with pytest.raises(openai.APIStatusError, match="timeout_s") as refusal:
        sdk.responses.create(**body)
    assert refusal.value.status_code == 408
    assert_at_rest(engine)
