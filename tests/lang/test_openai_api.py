"""Programs against an OpenAI-compatible endpoint: our own server, and a scripted one for what it may say."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from live_server import LiveServer
from paused_engine import paused_engine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import palmette as pm
from palmette.lang.ir import Select
from palmette.lang.openai_api import OpenAIEndpoint
from palmette.lang.remote.errors import EndpointLimit, RemoteError, RemoteRefused, RemoteTimeout
from palmette.lang.remote.openai_reply import Choice, Logprobs, Reply, TokenEntry, TopLogprob
from palmette.lang.remote.openai_select import by_echo, by_first_token
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of


@dataclasses.dataclass
class Person:
    name: str
    age: int


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Engine(max_total_tokens=16_384) as engine, LiveServer(create_app(parts_of(engine))) as address:
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def chat(url: str) -> Iterator[OpenAIEndpoint]:
    with OpenAIEndpoint("sprig", url, "no key") as made:
        yield made


@pytest.fixture(scope="module")
def completions(url: str) -> Iterator[OpenAIEndpoint]:
    with OpenAIEndpoint("sprig", url, api="completions", dialect="vllm") as made:
        yield made


@pm.function
def ask(s: pm.ProgramState, question: str) -> None:
    with s.system():
        s += "Answer shortly."
    with s.user():
        s += question
    with s.assistant():
        s += pm.gen("answer", max_tokens=12, temperature=0)


def test_a_conversation(chat: OpenAIEndpoint) -> None:
    state = ask.run(question="What is the capital of France?", backend=chat)
    assert state["answer"]
    assert state.text().endswith(f"<|im_start|>assistant\n{state['answer']}<|im_end|>\n")
    meta = state.get_meta_info("answer")
    assert meta["prompt_tokens"] > 5
    assert meta["completion_tokens"] > 0
    assert chat.model_name == "sprig"


def test_text_streams() -> None:
    with (
        paused_engine(3) as (engine, pause),
        LiveServer(create_app(parts_of(engine))) as address,
        OpenAIEndpoint("sprig", f"{address}/v1", "no key") as chat,
    ):
        state = ask.run(question="Tell me about France.", backend=chat, stream=True)
        pieces = state.text_iter("answer")
        first = next(pieces)
        assert first
        pause.end()
        rest = list(pieces)
        assert rest
        assert first + "".join(rest) == state["answer"]


def test_a_type_goes_as_a_response_format(chat: OpenAIEndpoint) -> None:
    @pm.function
    def extract(s: pm.ProgramState) -> None:
        with s.user():
            s += "Ann is 30 years old."
        with s.assistant():
            s += pm.gen("person", type=Person, max_tokens=60, temperature=0)

    assert isinstance(extract.run(backend=chat)["person"], Person)


def test_select_reads_first_tokens(chat: OpenAIEndpoint) -> None:
    @pm.function
    def review(s: pm.ProgramState) -> None:
        with s.user():
            s += "The film was wonderful. Is this review positive? Answer yes or no."
        with s.assistant():
            s += pm.select("verdict", ["yes", "no"])

    state = review.run(backend=chat)
    assert state["verdict"] in ("yes", "no")
    assert sum(state.get_meta_info("verdict")["probabilities"]) == pytest.approx(1)


def test_forks_and_samples(chat: OpenAIEndpoint) -> None:
    @pm.function
    def spread(s: pm.ProgramState) -> None:
        with s.user():
            s += "Name a country."
        with s.assistant():
            s += pm.gen("three", n=3, max_tokens=5, temperature=1.0)
        for fork in s.fork(2):
            with fork.user():
                fork += "Another."
            with fork.assistant():
                fork += pm.gen("other", max_tokens=5)

    state = spread.run(backend=chat, seed=1)
    assert len(state.get_meta_info("three")) == 3


def test_plain_text_goes_to_completions(completions: OpenAIEndpoint) -> None:
    @pm.function
    def capital(s: pm.ProgramState) -> None:
        s += "The capital of France is" + pm.gen("city", max_tokens=4, temperature=0, regex=" [A-Z][a-z]+")
        s += ". It is"
        s += pm.select("size", [" large", " small"])

    state = capital.run(backend=completions)
    assert state["city"].startswith(" ")
    assert state["size"] in (" large", " small")
    scores = state.get_meta_info("size")["scores"]
    assert all(score < 0 for score in scores)


def test_a_join_appends_what_the_children_added(completions: OpenAIEndpoint) -> None:
    @pm.function
    def joined(s: pm.ProgramState) -> None:
        s += "Begin:"
        forks = s.fork(2)
        for number, fork in enumerate(forks):
            fork += f" {number}"
        forks.join("concate_and_append")
        s += " end" + pm.gen("x", max_tokens=2)

    assert joined.run(backend=completions).text().startswith("Begin: 0 1 end")


def refusing(steps: Any) -> pm.Function:
    @pm.function
    def program(s: pm.ProgramState) -> None:
        steps(s)

    return program


def in_chat(expression: Any) -> Any:
    def steps(s: pm.ProgramState) -> None:
        with s.user():
            s += "Hello"
        with s.assistant():
            s += expression

    return steps


def prefilled(s: pm.ProgramState) -> None:
    with s.assistant():
        s += "It is" + pm.gen("x")


def bare(s: pm.ProgramState) -> None:
    s += "It is" + pm.gen("x")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (in_chat(pm.gen("x", regex="[a-z]+")), "got a Regex, which the endpoint cannot be told"),
        (in_chat(pm.gen("x", top_k=3)), "got top_k=3"),
        (in_chat(pm.gen("x", return_logprob=True)), "got return_logprob=True"),
        (in_chat(pm.gen("x", stop_regex="a+")), "got stop_regex"),
        (in_chat(pm.gen("x", token_healing=True)), "got token_healing"),
        (in_chat(pm.score("x", "no")), "got Score"),
        (in_chat(pm.select("x", ["a", "b"], temperature=1.0)), "expected temperature 0"),
        (prefilled, "does not go on with a turn that has begun"),
        (bare, "outside of any"),
    ],
)
def test_what_an_endpoint_cannot_do_is_said_before_it_is_asked(steps: Any, message: str, chat: OpenAIEndpoint) -> None:
    with pytest.raises(pm.ProgramError) as caught:
        refusing(steps).run(backend=chat)
    assert isinstance(caught.value.cause, EndpointLimit)
    assert message in str(caught.value.cause)


def test_turns_are_refused_where_there_are_none(completions: OpenAIEndpoint) -> None:
    with pytest.raises(pm.ProgramError, match="make the endpoint with api='chat'"):
        ask.run(question="What?", backend=completions)


@pytest.mark.parametrize("option", [{"cache_salt": "x"}, {"priority": 1}, {"queue_timeout_s": 1.0}])
def test_terms_that_cannot_be_kept_are_refused(option: dict[str, Any], chat: OpenAIEndpoint) -> None:
    with pytest.raises(pm.ProgramError, match=next(iter(option))):
        ask.run(question="What?", backend=chat, **option)


def test_an_unknown_model_is_the_endpoints_error(url: str) -> None:
    with OpenAIEndpoint("another", url) as other, pytest.raises(pm.ProgramError) as caught:
        ask.run(question="What?", backend=other)
    assert isinstance(caught.value.cause, RemoteError)
    assert caught.value.cause.status == 404


@pytest.mark.parametrize("wrong", [{"base_url": "x"}, {"api": "x"}, {"dialect": "x"}])
def test_wrong_arguments(wrong: dict[str, Any]) -> None:
    with pytest.raises(pm.InvalidArgument, match=next(iter(wrong))):
        OpenAIEndpoint("m", **wrong)


# --- an endpoint that says what a test wants


class Scripted:
    """Answers every request with the same, and keeps the bodies."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.answer: Response = Response()
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self._take)

    async def _take(self, request: Request) -> Response:
        self.bodies.append(json.loads(await request.body()))
        return self.answer


@pytest.fixture
def scripted() -> Iterator[tuple[Scripted, OpenAIEndpoint]]:
    server = Scripted()
    with LiveServer(server.app) as address, OpenAIEndpoint("m", f"{address}/v1") as endpoint:
        yield server, endpoint


def stream(*events: object) -> Response:
    text = "".join(f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in events)
    return Response(text, media_type="text/event-stream")


def test_what_goes_out_is_openais(scripted: tuple[Scripted, OpenAIEndpoint]) -> None:
    server, endpoint = scripted
    delta = {"choices": [{"index": 0, "delta": {"content": "Paris"}, "finish_reason": "stop"}]}
    server.answer = stream(delta, "[DONE]")
    state = ask.run(question="What?", backend=endpoint, seed=3, top_p=0.5, stop=["x"])
    assert state["answer"] == "Paris"
    [body] = server.bodies
    assert body.pop("seed") < 2**32
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Answer shortly."}, {"role": "user", "content": "What?"}],
        "max_completion_tokens": 12,
        "n": 1,
        "temperature": 0,
        "top_p": 0.5,
        "stop": ["x"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (stream({"choices": [{"index": 0, "delta": {"content": "Pa"}}]}), "broke off"),
        (stream({"error": {"message": "overloaded", "code": "busy"}}), "busy: overloaded"),
        (stream("no json"), "cannot be read"),
        (JSONResponse({"error": {"message": "no such key", "code": "bad_key"}}, 401), r"bad_key \(HTTP 401\)"),
        (Response("<html>", 502), r"HTTP 502"),
    ],
)
def test_what_goes_wrong_there_is_said_so(
    answer: Response, message: str, scripted: tuple[Scripted, OpenAIEndpoint]
) -> None:
    server, endpoint = scripted
    server.answer = answer
    with pytest.raises(pm.ProgramError, match=message):
        ask.run(question="What?", backend=endpoint)


def test_too_many_requests_can_be_told_apart(scripted: tuple[Scripted, OpenAIEndpoint]) -> None:
    server, endpoint = scripted
    server.answer = JSONResponse({"error": {"message": "slower"}}, 429, headers={"retry-after": "3"})
    with pytest.raises(pm.ProgramRefused) as caught:
        ask.run(question="What?", backend=endpoint)
    assert isinstance(caught.value.cause, RemoteRefused)
    assert caught.value.cause.retry_after_s == 3


def test_a_deadline_is_kept_from_here(chat: OpenAIEndpoint) -> None:
    with pytest.raises(pm.ProgramTimeout) as caught:
        ask.run(question="What?", backend=chat, timeout_s=1e-6)
    assert isinstance(caught.value.cause, RemoteTimeout)


# --- the arithmetic of select


def first(token: str, logprob: float, **others: float) -> Choice:
    top = [TopLogprob(name, value) for name, value in others.items()]
    return Choice(logprobs=Logprobs(content=[TokenEntry(token, logprob, top)]))


def test_first_tokens_are_added_up_by_choice() -> None:
    select = Select("x", ("yes", "no", "maybe"))
    result = by_first_token(select, first("y", -1.0, ye=-2.0, no=-1.5, zebra=-9.0))
    assert result.choice == "yes"
    assert result.logprobs[1:] == (-1.5, -9.0)  # what is not there is no likelier than the least that is
    assert result.logprobs[0] == pytest.approx(-0.6867, abs=1e-4)


def test_choices_that_begin_alike_are_refused() -> None:
    with pytest.raises(EndpointLimit, match="both begin with 'a'"):
        by_first_token(Select("x", ("ab", "ac")), first("a", -1.0))


def test_choices_that_are_not_there_are_refused() -> None:
    with pytest.raises(EndpointLimit, match="none among the 2 likeliest"):
        by_first_token(Select("x", ("yes", "no")), first("q", -1.0, r=-2.0))


def test_an_endpoint_without_probabilities_cannot_select() -> None:
    with pytest.raises(EndpointLimit, match="got none; it cannot select"):
        by_first_token(Select("x", ("yes", "no")), Choice())


def test_an_echo_scores_the_choice_alone() -> None:
    def echoed(index: int, *logprobs: float | None) -> Choice:
        return Choice(index, logprobs=Logprobs(token_logprobs=list(logprobs), text_offset=[0, 3, 4, 5]))

    # The prompt "It " is one token, each choice is two, and one token was generated after them.
    reply = Reply([echoed(1, None, -1.0, -2.0, -7.0), echoed(0, None, -5.0, -1.0, 0.0)])
    result = by_echo(Select("x", ("ab", "cd")), "It ", reply)
    assert result.logprobs == (-6.0, -3.0)
    assert result.scores == (-3.0, -1.5)
    assert result.choice == "cd"
