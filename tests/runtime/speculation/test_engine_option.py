"""Speculation on sprig: the option, the same answers as without, and fewer passes where texts repeat themselves."""

from collections.abc import Iterator

import pytest

import palmette as pm
from palmette.kernels.cpu.library import cpu_library
from palmette.runtime import assembly
from palmette.runtime.errors import InvalidOption
from palmette.runtime.local.embedded import Engine
from palmette.runtime.speculation.step_cost import StepCost

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "is_member": {"type": "boolean"}},
    "required": ["name", "age", "is_member"],
}


@pm.function
def extract(s: pm.ProgramState, text: str, temperature: float) -> None:
    s += pm.user(f"Extract the person: {text}")
    s += pm.assistant(pm.gen("person", json_schema=SCHEMA, max_tokens=60, temperature=temperature))
    s += pm.user("Say more.")
    more = pm.gen("more", max_tokens=20, temperature=temperature, repetition_penalty=1.2, return_logprob=True)
    s += pm.assistant(more)


@pytest.fixture(scope="module")
def plain() -> Iterator[Engine]:
    with Engine(max_total_tokens=8192, speculation="off") as engine:
        yield engine


@pytest.fixture(scope="module")
def guessing() -> Iterator[Engine]:
    """Where guesses cost nothing: how much is guessed hangs on no clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "measure_step_cost", lambda model, pool: StepCost((1, 1000), (1.0, 1.0)))
        made = Engine(max_total_tokens=8192)
    speculator = made._thread._core._speculator
    assert speculator is not None
    speculator.clock = lambda: 0.0
    with made as engine:
        yield engine
        engine.check_integrity()
        engine.flush_cache()
        stats = engine.stats()
        assert stats["num_free_pages"] == stats["num_pages"]


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_answers_are_those_without_and_come_in_fewer_passes(
    plain: Engine, guessing: Engine, temperature: float
) -> None:
    def answers(engine: Engine) -> tuple[list[object], int]:
        before = engine.stats()["num_steps"]
        states = [
            extract.run("Maria Lopez, 34, a member.", temperature, backend=engine, seed=seed) for seed in (1, 2, 1)
        ]
        num_passes = engine.stats()["num_steps"] - before
        # Palmette's own kernels give a guess the bits that its token has alone; PyTorch's the same tokens.
        names = ("output_token_logprobs", "completion_tokens")[cpu_library() is None :]
        metas = [[state.get_meta_info("more")[name] for name in names] for state in states]
        return [(state["person"], state["more"], meta) for state, meta in zip(states, metas, strict=True)], num_passes

    expected, num_passes = answers(plain)
    assert expected[0] == expected[2]
    answered, num_fewer = answers(guessing)
    assert answered == expected
    assert num_fewer < 0.8 * num_passes
    stats = guessing.stats()
    assert 0 < stats["num_accepted_tokens"] <= stats["num_drafted_tokens"]
    assert stats["num_guesser_failures"] == 0


def test_sources_may_be_named() -> None:
    with Engine(max_total_tokens=2048, speculation="suffix, radix") as engine:
        speculator = engine._thread._core._speculator
        assert speculator is not None
        assert [each.source for each in speculator._drafters] == ["radix", "suffix"]


@pytest.mark.parametrize("wrong", ["on", "", "radix,head", ["radix"], None])
def test_a_wrong_option_names_the_sources(wrong: object) -> None:
    with pytest.raises(
        InvalidOption, match="speculation: expected 'auto', 'off', or some of forced, prediction, radix"
    ):
        Engine(speculation=wrong)  # type: ignore[arg-type] # that is what is tested


def test_generate_takes_a_prediction(plain: Engine, guessing: Engine) -> None:
    prompt, params = (
        "The capital of France is",
        {"max_new_tokens": 24, "temperature": 1.0, "seed": 5, "ignore_eos": True},
    )
    answer = plain.generate(prompt, params)["text"]
    assert plain.generate(prompt, {**params, "prediction": answer})["text"] == answer
    guessing.flush_cache()
    before = guessing.stats()["num_steps"]
    foretold = guessing.generate(prompt, {**params, "prediction": answer})
    assert foretold["text"] == answer
    assert guessing.stats()["num_steps"] - before < 12
    assert foretold["meta_info"]["spec_num_accepted_tokens"] > 10
    with pytest.raises(ValueError, match="prediction: expected a string, got 3"):
        guessing.generate(prompt, {"prediction": 3})
