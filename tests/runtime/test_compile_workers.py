"""Constraints of strangers at an engine: a bad one is an error of its own request, and the others never notice."""

import json

import pytest
from hostile_constraints import HOSTILE

from palmette.grammar.errors import CompileTimeout, ConstraintTooLarge, GrammarError
from palmette.grammar.spec import JsonSchema
from palmette.lang.errors import InvalidArgument
from palmette.runtime.errors import InvalidOption
from palmette.runtime.local.embedded import Engine

PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}}, "required": ["name"]}
BAD = ("nested 5,000 deep", "exponential anyOf", "ten megabytes", "a remote reference", "lone surrogates")
PARAMS = {"max_new_tokens": 40, "temperature": 0}


def test_an_engine_answers_them_all_and_goes_on() -> None:
    with Engine(random_seed=1) as engine:
        before = engine.generate("A person: ", PARAMS | {"json_schema": json.dumps(PERSON)})
        for name in (
            "nested 5,000 deep",
            "exponential anyOf",
            "ten megabytes",
            "a remote reference",
            "lone surrogates",
        ):
            constraint = HOSTILE[name]
            assert isinstance(constraint, JsonSchema)
            with pytest.raises((GrammarError, InvalidArgument)):
                engine.generate("A person: ", PARAMS | {"json_schema": constraint.schema})
        after = engine.generate("A person: ", PARAMS | {"json_schema": json.dumps(PERSON)})
        assert before["output_ids"] == after["output_ids"]
        assert set(json.loads(after["text"])) == {"name"}
        engine.check_integrity()


def test_the_limits_are_options() -> None:
    with Engine(compile_timeout_s=0.001) as engine, pytest.raises(CompileTimeout, match=r"within 0\.001 s"):
        engine.generate("x", PARAMS | {"regex": "(a|b)+c"})


def test_without_workers_the_same_constraints_are_enforced() -> None:
    with Engine(num_compile_workers=0) as engine:
        output = engine.generate("A person: ", PARAMS | {"json_schema": json.dumps(PERSON)})
        assert set(json.loads(output["text"])) == {"name"}
        with pytest.raises(ConstraintTooLarge):
            engine.generate("x", PARAMS | {"json_schema": HOSTILE["ten megabytes"].schema})  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "options",
    [{"num_compile_workers": -1}, {"compile_timeout_s": 0}, {"compile_memory_mb": 0}, {"grammar_cache_mb": "much"}],
)
def test_wrong_limits_are_refused(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(InvalidOption, match=name):
        Engine(**options)  # type: ignore[arg-type]
