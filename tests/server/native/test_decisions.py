"""`/v1/decisions`: the probabilities are `select`'s, the input is computed once, and the mass is what labels hold."""

import dataclasses
import math
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import palmette as pm
from palmette.lang.events import SelectResult, TokenLogprob
from palmette.runtime.local.embedded import Engine
from palmette.runtime.server.app import create_app
from palmette.runtime.server.in_process import parts_of
from palmette.runtime.server.native.decision import decision_of
from palmette.runtime.server.native.decision_types import Choice, Score

INPUT = "I loved this film. The actors were great, and I would see it again. " * 6
QUESTIONS: list[dict[str, Any]] = [
    {"kind": "predicate", "question": "Is the review positive?"},
    {"kind": "choice", "question": "What is it about?", "choices": ["film", "book", "meal"], "id": "topic"},
    {"kind": "score", "question": "How many stars?", "maximum": 10},
]


async def decide(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    reply = await client.post("/v1/decisions", json={"input": INPUT, "questions": QUESTIONS, **fields})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


@pytest.mark.anyio
async def test_each_kind_has_its_answer(client: httpx.AsyncClient) -> None:
    predicate, choice, score = (await decide(client))["decisions"]
    assert predicate["answer"] is (predicate["probability"] > 0.5)
    assert choice["id"] == "topic"
    assert choice["answer"] == max(choice["probabilities"], key=choice["probabilities"].get)
    assert list(score["probabilities"]) == [str(each) for each in range(1, 11)]
    assert 1 <= score["expected"] <= 10
    for each in (predicate, choice, score):
        assert sum(each["probabilities"].values()) == pytest.approx(1)
        assert 0 < each["mass"] <= 1


@pytest.mark.anyio
async def test_the_probabilities_are_those_of_select(client: httpx.AsyncClient, engine: Engine) -> None:
    @pm.function
    def program(s: pm.ProgramState) -> None:
        with s.user():
            s += f"{INPUT}\n\nWhat is it about?\nAnswer with one of: film, book, meal."
        with s.assistant():
            s += pm.select("topic", ["film", "book", "meal"])

    there = (await decide(client))["decisions"][1]
    here = (await program.arun(backend=engine)).get_meta_info("topic")
    assert list(there["logprobs"].values()) == pytest.approx(here["logprobs"], abs=1e-3)


@pytest.mark.anyio
async def test_the_input_is_computed_once(client: httpx.AsyncClient, engine: Engine) -> None:
    engine.flush_cache()
    before = engine.stats()["num_computed_tokens"]
    await decide(client, instructions="Read with care.")
    num_computed = engine.stats()["num_computed_tokens"] - before
    input_len = len(engine.tokenizer.encode(INPUT, has_special=False))
    assert input_len < num_computed < 2 * input_len
    assert engine.stats()["num_branches"] == 0


@pytest.mark.anyio
async def test_a_model_without_turns_reads_plain_text(engine: Engine) -> None:
    parts = dataclasses.replace(parts_of(engine), chat_template=None)
    transport = httpx.ASGITransport(app=create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://palmette") as client:
        predicate, *_ = (await decide(client))["decisions"]
        assert set(predicate["probabilities"]) == {"yes", "no"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"questions": []}, "questions"),
        ({"questions": [{"kind": "guess", "question": "x"}]}, "questions[0].kind"),
        ({"questions": [{"kind": "choice", "question": "x", "choices": ["a", "a"]}]}, "questions[0].choices"),
        ({"questions": [{"kind": "score", "question": "x", "maximum": 0}]}, "questions[0].maximum"),
        ({"questions": [{"kind": "score", "question": "x", "maximum": 10**9}]}, "questions[0].maximum"),
        ({"questions": QUESTIONS * 200}, "questions"),
        ({"input": ""}, "input"),
        ({"input": "word " * 5_000}, None),
    ],
)
async def test_what_is_refused_is_named(fields: dict[str, Any], param: str | None, client: httpx.AsyncClient) -> None:
    reply = await client.post("/v1/decisions", json={"input": INPUT, "questions": QUESTIONS, **fields})
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] == param


# --- the arithmetic


def select_result(labels: tuple[str, ...], tokens: list[list[tuple[int, float]]]) -> SelectResult:
    logprobs = tuple(sum(logprob for _, logprob in each) for each in tokens)
    total = math.fsum(map(math.exp, logprobs))
    return SelectResult(
        choice=labels[0],
        choices=labels,
        scores=logprobs,
        logprobs=logprobs,
        probabilities=tuple(math.exp(each) / total for each in logprobs),
        token_logprobs=tuple(tuple(TokenLogprob(token_id, logprob) for token_id, logprob in each) for each in tokens),
        prompt_tokens=1,
        cached_tokens=0,
    )


def test_a_label_that_goes_on_from_another_is_within_its_mass() -> None:
    one, ten = [(1, math.log(0.6))], [(1, math.log(0.6)), (0, math.log(0.5))]
    result = select_result(("1", "10"), [one, ten])
    assert decision_of(0, Choice(question="x", choices=["1", "10"]), ("1", "10"), result).mass == pytest.approx(0.6)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(-3, 3))
@example([0.9999999999999999, 1.0], 0)
def test_a_score_is_the_mean_of_its_probabilities(weights: list[float], minimum: int) -> None:
    labels = tuple(str(minimum + index) for index in range(len(weights)))
    total = math.fsum(weights) * 1.5
    tokens = [[(index, math.log(each / total))] for index, each in enumerate(weights)]
    question = Score(question="x", minimum=minimum, maximum=minimum + len(weights) - 1)
    decision = decision_of(0, question, labels, select_result(labels, tokens))
    mean = math.fsum((minimum + index) * each for index, each in enumerate(weights)) / math.fsum(weights)
    assert decision.expected == pytest.approx(mean)
    assert decision.mass == pytest.approx(1 / 1.5)
    # Of labels whose log-probabilities are equal to the last bit the first answers, whatever their weights were before.
    logprobs = [token_logprobs[0][1] for token_logprobs in tokens]
    assert decision.answer == minimum + logprobs.index(max(logprobs))
