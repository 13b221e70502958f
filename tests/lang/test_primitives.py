"""The primitives check their arguments where the user wrote them, and say them in the IR."""

import math

import pytest
from scripted_backend import ScriptedBackend

import palmette as sgl
from palmette.grammar.spec import Ebnf, JsonSchema, Lark, Regex, ToolCalls, ToolSpec
from palmette.lang.arguments.constraint_arguments import DTYPE_REGEXES
from palmette.lang.expressions import GenExpression, SelectExpression
from palmette.lang.ir import Gen, Select

SCHEMA = {"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"type": "integer"}}}


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_tokens": 0},
        {"max_tokens": -5},
        {"max_tokens": 2.5},
        {"min_tokens": -1},
        {"min_tokens": 5, "max_tokens": 4},
        {"n": 0},
        {"stop": 5},
        {"stop": [""]},
        {"stop": ["a", 1]},
        {"stop_token_ids": [-1]},
        {"stop_token_ids": 7},
        {"stop_regex": [""]},
        {"stop_regex": "("},
        {"logit_bias": {3: 1e31}},
        {"logit_bias": {3: -1e300}},
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": "hot"},
        {"top_p": 0},
        {"top_p": 1.5},
        {"top_k": 0},
        {"top_k": -2},
        {"min_p": 2},
        {"frequency_penalty": 3},
        {"presence_penalty": math.inf},
        {"repetition_penalty": 0},
        {"ignore_eos": "no"},
        {"token_healing": 1},
        {"prediction": 3},
        {"return_logprob": 1},
        {"logprob_start_len": -3},
        {"top_logprobs_num": -1},
        {"seed": -1},
        {"seed": 2**64},
        {"logit_bias": {3: math.nan}},
        {"logit_bias": {"x": 1.0}},
        {"logit_bias": [1]},
        {"name": ""},
        {"name": 5},
        {"dtype": list},
        {"dtype": "integer"},
        {"regex": ""},
        {"regex": 5},
        {"ebnf": ""},
        {"json_schema": "{"},
        {"json_schema": "[1]"},
        {"json_schema": {"type": int}},
        {"json_schema": {"maximum": math.nan}},
        {"choices": []},
        {"choices": ["a", ""]},
        {"choices": ["a", "b", "a"]},
        {"choices": "ab"},
        {"choices": ["a", 1]},
        {"choices": ["a", "b"], "regex": "a"},
        {"choices": ["a", "b"], "n": 2},
        {"choices": ["a", "b"], "choices_method": "best"},
        {"choices": ["a", "b"], "temperature": -1},
        {"choices_method": "greedy_token_selection"},
        {"regex": "a", "json_schema": SCHEMA},
        {"dtype": int, "regex": "a"},
        {"ebnf": "root ::= 'a'", "dtype": int},
    ],
    ids=str,
)
def test_wrong_arguments_raise_where_they_are_written(arguments) -> None:
    with pytest.raises(sgl.InvalidArgument):
        sgl.gen(**arguments)


def test_two_constraints_name_both() -> None:
    with pytest.raises(sgl.InvalidArgument, match="regex and json_schema: expected at most one constraint"):
        sgl.gen("x", regex="a", json_schema=SCHEMA)


def test_select_needs_choices() -> None:
    with pytest.raises(sgl.InvalidArgument, match="choices"):
        sgl.select("x")
    with pytest.raises(sgl.InvalidArgument, match="at least one"):
        sgl.select("x", [])
    with pytest.raises(sgl.InvalidArgument, match="text: expected a non-empty string"):
        sgl.score("x", "")


def constraint_of(expression: object) -> object:
    assert isinstance(expression, GenExpression)
    return expression.constraint


def test_constraints() -> None:
    assert constraint_of(sgl.gen()) is None
    assert constraint_of(sgl.gen(regex="a+")) == Regex("a+")
    assert constraint_of(sgl.gen(ebnf='root ::= "a"')) == Ebnf('root ::= "a"')
    text = '{"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"type": "integer"}}}'
    assert constraint_of(sgl.gen(json_schema=SCHEMA)) == JsonSchema(text)
    assert constraint_of(sgl.gen(json_schema=text.replace(" ", "\n "))) == JsonSchema(text), "one canonical text"
    for dtype in (int, float, bool, str):
        assert constraint_of(sgl.gen(dtype=dtype)) == Regex(DTYPE_REGEXES[dtype.__name__])
        assert constraint_of(sgl.gen(dtype=dtype.__name__)) == Regex(DTYPE_REGEXES[dtype.__name__])
    assert constraint_of(sgl.gen_int("x")) == Regex(DTYPE_REGEXES["int"])
    assert constraint_of(sgl.gen_string("x", 5, stop="a")) == Regex(DTYPE_REGEXES["str"])


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("int", ["0", "-12", "+7", "12 ", "3\n"], ["", "1.5", "a", "12  "]),
        ("float", ["0", "-1.25", ".5", "2 "], ["", ".", "1.", "e"]),
        ("bool", ["True", "False"], ["true", "1", "True "]),
        ("str", ['""', '"a b"', '"é{}"'], ["a", '"a', '"a"b"', '"\n"']),
    ],
)
def test_dtypes_read_back(dtype: str, good: list[str], bad: list[str]) -> None:
    import re

    for text in good:
        assert re.fullmatch(DTYPE_REGEXES[dtype], text), text
        if dtype in ("int", "float"):
            {"int": int, "float": float}[dtype](text)
    for text in bad:
        assert not re.fullmatch(DTYPE_REGEXES[dtype], text), text


def test_gen_takes_its_first_arguments_by_position() -> None:
    expression = sgl.gen("x", 5, 1, 2, "a", [3], "b", 0.5)
    assert isinstance(expression, GenExpression)
    assert expression.sampling == {
        "max_new_tokens": 5,
        "min_new_tokens": 1,
        "n": 2,
        "stop": ("a",),
        "stop_token_ids": (3,),
        "stop_regex": ("b",),
        "temperature": 0.5,
    }


def test_a_prediction_goes_with_its_generation(backend: ScriptedBackend) -> None:
    @sgl.function
    def edit(s, text):
        s += "Fix it: " + text + sgl.gen("fixed", prediction=text) + sgl.gen("more")

    plan = edit.plan("a line")
    predictions = [step.prediction for step in plan.branches[0].steps if isinstance(step, Gen)]
    assert predictions == ["a line", None]


def test_choices_become_a_select(backend: ScriptedBackend) -> None:
    expression = sgl.gen("x", choices=["a", "b"], choices_method=sgl.unconditional_likelihood_normalized)
    assert expression == SelectExpression("x", ("a", "b"), "unconditional_likelihood_normalized", 0.0)

    @sgl.function
    def program(s):
        s += sgl.gen("x", choices=("a", "b"), temperature=0.7) + sgl.select("y", ["c"])

    program.run(temperature=1.0)
    assert backend.operations == [
        Select("x", ("a", "b"), "token_length_normalized", 0.7),
        Select("y", ("c",), sgl.token_length_normalized, 0.0),
    ]


def test_expressions_add_up_on_both_sides() -> None:
    expression = "a" + sgl.gen("x") + "b" + (sgl.gen("y") + sgl.gen("z"))
    kinds = [part if isinstance(part, str) else part.name for part in expression.parts]
    assert kinds == ["a", "x", "b", "y", "z"]
    with pytest.raises(TypeError):
        sgl.gen("x") + 5


def test_a_turn_takes_text_or_an_expression() -> None:
    for role in (sgl.system, sgl.user, sgl.assistant):
        with pytest.raises(sgl.InvalidArgument):
            role(5)
        assert len(role().parts) == 2


def test_arguments_of_sglang_that_would_do_nothing_are_refused_with_the_reason(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s.fork(2, None).join()
        with pytest.raises(sgl.InvalidArgument, match=r"position_ids_offset: .* at the position where"):
            s.fork(2, [0, 5])

    program.run()
    with pytest.raises(sgl.InvalidArgument, match=r"use_thread: .* all branches at the same time"):
        program.run(use_thread=True)


def test_any_constraint_of_the_specification() -> None:
    calls = ToolCalls((ToolSpec("f", "{}"),), "mistral")
    assert constraint_of(sgl.gen(constraint=calls)) == calls
    assert constraint_of(sgl.gen(lark='start: "a"')) == Lark('start: "a"')
    with pytest.raises(sgl.InvalidArgument, match="constraint: expected one of palmette"):
        sgl.gen(constraint="a+")  # type: ignore[arg-type]
    with pytest.raises(sgl.InvalidArgument, match="lark and constraint: expected at most one"):
        sgl.gen(lark="a", constraint=calls)
    with pytest.raises(sgl.InvalidArgument, match="type and constraint: expected at most one"):
        sgl.gen(type=int, constraint=calls)
    with pytest.raises(sgl.InvalidArgument, match="lark: expected a grammar"):
        sgl.gen(lark="")


@pytest.mark.parametrize(
    "text",
    ['{"type": "integer", "type": "string"}', '{"multipleOf": 0.10000000000000000001}', '{"maximum": 1e999}'],
)
def test_a_schema_whose_reading_would_lose_something_stays_as_it_is_written(text: str) -> None:
    assert constraint_of(sgl.gen(json_schema=text)) == JsonSchema(text)
