"""The openai package against a server on a socket, as its users call it."""

import json
import threading
from collections.abc import Iterator

import openai
import pytest
import uvicorn
from fastapi import FastAPI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Rome?"}]
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA, "strict": True}}
]


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[openai.OpenAI]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    started = threading.Event()
    startup = server.startup

    async def startup_and_tell(sockets: object = None) -> None:
        await startup()
        started.set()

    server.startup = startup_and_tell  # type: ignore[method-assign,assignment] # to wait without asking again and again
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as made:
        yield made
    server.should_exit = True
    thread.join()


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["sprig"]


def test_a_reply(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="sprig", messages=MESSAGES, max_completion_tokens=8, seed=1)
    assert reply.usage is not None
    assert 1 <= reply.usage.completion_tokens <= 8
    assert isinstance(reply.choices[0].message.content, str)


def test_a_typed_reply(client: openai.OpenAI) -> None:
    pydantic = pytest.importorskip("pydantic")
    weather = pydantic.create_model("Weather", city=(str, ...), days=(int, ...))
    reply = client.chat.completions.parse(
        model="sprig", messages=MESSAGES, response_format=weather, temperature=0, max_tokens=100
    )
    assert reply.choices[0].message.parsed.model_dump().keys() == {"city", "days"}


def test_a_stream_adds_up(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="sprig", messages=MESSAGES, tools=TOOLS, tool_choice="required", temperature=0, max_tokens=100,
        stream_options={"include_usage": True}, parallel_tool_calls=False,
    ) as stream:  # fmt: skip
        kinds = {event.type for event in stream}
        reply = stream.get_final_completion()
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    (call,) = reply.choices[0].message.tool_calls or []
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments).keys() == {"city"}
    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.usage is not None


def test_the_round_trip_of_a_call(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(
        model="sprig", messages=MESSAGES, tools=TOOLS, tool_choice="required", max_tokens=100, temperature=0
    )
    message = first.choices[0].message
    answers: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": call.id, "content": "22"} for call in message.tool_calls or []
    ]
    assert answers
    told: list[ChatCompletionMessageParam] = [*MESSAGES, message.to_dict(), *answers]  # type: ignore[list-item]
    reply = client.chat.completions.create(model="sprig", messages=told, tools=TOOLS, max_tokens=10)
    assert reply.choices[0].message.role == "assistant"


def test_extensions_go_in_the_extra_body(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="sprig", messages=MESSAGES, max_tokens=10, extra_body={"regex": "(yes|no)", "top_k": 5}
    )
    assert reply.choices[0].message.content in ("yes", "no")


def test_errors_are_the_sdk_s_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-9", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="sprig", messages=MESSAGES, temperature=-1)
    assert refused.value.param == "temperature"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="sprig", messages=MESSAGES, stream=True, extra_body={"regex": "("})
