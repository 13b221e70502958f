"""Typed values: what `gen(type=T)` gives for every sort of T, while it grows, and when it goes wrong."""

import datetime
import enum
import inspect
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import annotated_types
import msgspec
import pydantic
import pytest
from paused_engine import paused_engine
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.grammar.spec import JsonSchema


@dataclass
class Person:
    name: str
    age: int = 0


class Movie(TypedDict):
    title: str
    year: int


class Point(NamedTuple):
    x: float
    y: float


class Order(msgspec.Struct):
    item: str
    people: list[Person] = []


class Address(pydantic.BaseModel):
    street: str
    number: int = pydantic.Field(ge=1)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Adult:
    age: int

    def __post_init__(self) -> None:
        if self.age < 18:
            raise ValueError(f"{self.age} is too young")


ANSWERS: list[Any] = [
    (Person, '{"name": "Ada", "age": 36}', Person("Ada", 36)),
    (Person, '{"name": "Ada"}', Person("Ada")),
    (Movie, '{"title": "M", "year": 1931}', Movie(title="M", year=1931)),
    (Point, '{"x": 1.5, "y": -2}', Point(1.5, -2.0)),
    (Order, '{"item": "tea", "people": [{"name": "Bo", "age": 3}]}', Order("tea", [Person("Bo", 3)])),
    (Address, '{"street": "Elm", "number": 7}', Address(street="Elm", number=7)),
    (Literal["yes", 3], "3", 3),
    (Color, '"blue"', Color.BLUE),
    (int, " 7 ", 7),
    (int, "-12\n", -12),
    (float, "2.5 ", 2.5),
    (float, "3", 3.0),
    (bool, "true", True),
    (str, "any text", "any text"),
    (datetime.date, '"2024-02-29"', datetime.date(2024, 2, 29)),
    (list[int], "[1, 2]", [1, 2]),
    (list[Person], '[{"name": "Ada", "age": 1}]', [Person("Ada", 1)]),
    (dict[str, float], '{"a": 1, "b": 0.5}', {"a": 1.0, "b": 0.5}),
    (int | str, '"x"', "x"),
    (Person | None, "null", None),
    (Annotated[int, msgspec.Meta(ge=0)], "5", 5),
    (Annotated[int, annotated_types.Ge(0)], "5", 5),
    (Annotated[int, pydantic.Field(ge=0)], "5", 5),
]


@pytest.mark.parametrize(("annotation", "answer", "value"), ANSWERS)
def test_the_value_is_an_instance_in_both_idioms(
    backend: ScriptedBackend, annotation: Any, answer: str, value: object
) -> None:
    @pm.function
    def program(s):
        s += "p: " + pm.gen("p", type=annotation)
        x = s.gen(type=annotation)
        return s["p"], x.get()

    backend.answers = {"p": answer, "#1": answer}
    state = program.run()
    assert state.ret_value == (value, value)
    assert type(state["p"]) is type(value)
    assert state.text() == f"p: {answer}{answer}"  # the text is what the model wrote


def test_the_schema_goes_to_the_grammar(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += pm.gen("a", type=Annotated[int, msgspec.Meta(ge=0, le=9)]) + pm.gen("t", type=str)

    backend.answers = {"a": "5"}
    program.run()
    held, free = backend.gens()
    assert isinstance(held.constraint, JsonSchema)
    assert json.loads(held.constraint.schema) == {"type": "integer", "minimum": 0, "maximum": 9}
    assert free.constraint is None


def test_several_samples_are_a_list(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += pm.gen("many", type=int, n=2) + pm.gen("one", type=int, n=1)
        return s.gen("typed", type=Person, n=2).get(), s.gen("single", n=1).get(), s.gen("texts", n=2).get()

    backend.answers = {
        "many": ["1", "2"],
        "one": "3",
        "typed": ['{"name": "a"}', '{"name": "b"}'],
        "single": "x",
        "texts": ["y", "z"],
    }
    state = program.run()
    assert (state["many"], state["one"]) == ([1, 2], 3)
    assert state.ret_value == ([Person("a"), Person("b")], ["x"], ["y", "z"])  # as the type of `s.gen(n=...)` says


def test_a_json_schema_is_a_dict_its_text_or_a_type(backend: ScriptedBackend) -> None:
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}}
    constraints = []
    for given in (schema, json.dumps(schema), Person, str):
        backend.submissions.clear()
        state = pm.function(lambda s, given=given: s.user(pm.gen("p", json_schema=given))).run()
        assert state["p"] == "<p>"  # text: the schema is asked for, not the instance
        (gen,) = backend.gens()
        assert isinstance(gen.constraint, JsonSchema)
        constraints.append(json.loads(gen.constraint.schema))
    assert constraints[0] == constraints[1] == schema
    assert list(constraints[2]["properties"]) == ["name", "age"]
    assert constraints[3] == {"type": "string"}


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", r"\bword", "(?<=a)b", "[z-a]"])
def test_a_regex_that_the_grammar_cannot_enforce_is_refused_where_it_is_written(pattern: str) -> None:
    with pytest.raises((pm.InvalidArgument, pm.GrammarError), match=r"regex: expected .* position [0-9]"):
        pm.gen("x", regex=pattern)


def test_a_type_that_no_schema_can_say_is_refused_where_it_is_written(backend: ScriptedBackend) -> None:
    for wrong in (bytes, dict[int, str], complex, 3):
        with pytest.raises((pm.InvalidArgument, pm.GrammarError), match=r"type.*: expected"):
            pm.gen("x", type=wrong)
    with pytest.raises(pm.InvalidArgument, match="type and regex: expected at most one"):
        pm.gen("x", type=int, regex="[0-9]")


def line_of(program: pm.Function, mark: str) -> str:
    lines, first = inspect.getsourcelines(program.__wrapped__)  # type: ignore[attr-defined]  # as functools sets it
    (number,) = (number for number, line in enumerate(lines, first) if mark in line)
    return f"{__file__}:{number}"


def test_what_max_tokens_cut_off_is_an_error(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += "p: "
        s += pm.gen("p", type=Person, max_tokens=8)  # here
        return s["p"]

    backend.answers = {"p": '{"name": "Ada"}'}
    with pytest.raises(pm.ProgramError) as caught:
        program.run()
    error = caught.value
    assert isinstance(error.cause, pm.IncompleteValue)
    assert error.cause.text == '{"name":'
    assert (error.program, error.operation_index, error.variable) == ("program", 1, "p")
    assert error.source == line_of(program, "# here")
    assert "max_tokens=8" in str(error)
    assert "raise max_tokens" in str(error)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_validator_of_the_users_that_refuses_names_the_variable_and_the_line(
    backend: ScriptedBackend, is_async: bool
) -> None:
    @pm.function
    def plain(s):
        s += pm.gen("who", type=Adult)  # here
        return s["who"]

    @pm.function
    async def awaited(s):
        return await s.gen("who", type=Adult)  # here

    program = awaited if is_async else plain
    backend.answers = {"who": '{"age": 3}'}
    with pytest.raises(pm.ProgramError, match="3 is too young") as caught:
        program.run()
    assert (caught.value.variable, caught.value.source) == ("who", line_of(program, "# here"))


def test_a_value_that_does_not_fit_keeps_its_text_and_meta_info(backend: ScriptedBackend) -> None:
    """What a program does not read is not held against it; the text stays for whoever wants to look."""
    backend.answers = {"n": "seven"}
    state = pm.function(lambda s: s.user(pm.gen("n", type=int))).run()
    assert "seven" in state.text()
    assert state.get_meta_info("n")["finish_reason"]["type"] == "stop"
    for _ in range(2):
        with pytest.raises(pm.ProgramError, match=r"gen 'n'.*seven"):
            state["n"]


def test_partial_values_are_ever_more_complete(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        s += pm.gen("order", type=Order)
        return [order async for order in s.stream("order")]

    answer = '{"item": "green tea", "people": [{"name": "Ada", "age": 36}, {"name": "Bo", "age": 4}]}'
    backend.answers = {"order": answer}
    [state] = program.run_batch([{}])  # on the backend's own loop, so that it is read as it comes
    orders = state.ret_value
    assert len(orders) > 5
    assert all(isinstance(order, Order) for order in orders)
    assert orders[-1] == Order("green tea", [Person("Ada", 36), Person("Bo", 4)])
    assert all(new != old for old, new in itertools.pairwise(orders))
    items = [order.item or "" for order in orders]
    assert items == sorted(items, key=len)
    assert all("green tea".startswith(item) for item in items)
    counts = [len(order.people or []) for order in orders]
    assert counts == sorted(counts)


def test_partial_values_that_cannot_be_shown_yet_are_left_out(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        numbers = [each async for each in s.gen("n", type=int).stream()]
        colors = [each async for each in s.gen("c", type=Color).stream()]
        return numbers, colors, [each async for each in s.gen("t").stream()]

    backend.answers = {"n": "123456789", "c": '"blue"', "t": "some words"}
    [state] = program.run_batch([{}])
    numbers, colors, texts = state.ret_value
    assert (numbers, colors) == ([123456789], [Color.BLUE])
    assert texts[-1] == "some words"
    assert len(texts) > 1


def test_a_stream_of_values_ends_loudly(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s, name):
        s += pm.gen(name, type=Person)
        people = s.stream(name)
        seen = []

        async def follow() -> None:
            async for person in people:
                seen.append(person)  # noqa: PERF401 - it raises

        with pytest.raises(pm.ProgramError, match=f"gen '{name}'"):
            await follow()
        return seen

    backend.answers = {"bad": '{"name": "Ada"', "cut": '{"name": "Ada", "age": 3'}
    backend.failures = {"bad": ScriptedFailure("no")}
    for name in ("bad", "cut"):
        seen = program.run(name).ret_value
        assert seen[-1].name == "Ada"


def test_a_value_goes_into_text_wherever_it_is_put(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        x = s.gen("x")
        c = s.select("c", ["yes", "no"])
        s += f"({x}, {c})"
        s += x
        s += x + " then " + c
        s += "[" + x + "]"
        s.user(x)
        s += pm.assistant(c)
        return x, x.is_ready, repr(x)

    backend.answers = {"x": "X"}
    state = program.run()
    assert state.text() == (
        "Xyes(X, yes)XX then yes[X]<|im_start|>user\nX<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n"
    )
    x, was_ready, shown = state.ret_value
    assert (was_ready, shown) == (False, "<value 'x': not there yet>")  # none of it waited
    assert (x.is_ready, x.get(), str(x), repr(x)) == (True, "X", "X", "<value 'x': 'X'>")


def test_a_value_that_is_more_than_text_goes_into_text_as_python_shows_it(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        age = s.gen("age", type=int)
        s += f" is {age}, {age:03d}; "
        s += age
        s += " " + s.score("p", "sure")
        return age.get() + 1

    backend.answers = {"age": "36 "}
    state = program.run()
    assert state.text() == "36  is 36, 036; 36sure -4.0"
    assert state.ret_value == 37


def test_a_value_of_one_program_in_another(backend: ScriptedBackend) -> None:
    @pm.function
    def inner(s):
        s += "in " + pm.gen("x")

    @pm.function
    def outer(s):
        other = inner.run()
        s += "out " + other.value("x")
        s += f" {other.value('x')}"

    backend.answers = {"x": "X"}
    assert outer.run().text() == "out X X"


def test_get_in_an_async_program_says_what_to_do(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        value = s.gen("x")
        with pytest.raises(pm.StateError, match=r"await value"):
            value.get()
        with pytest.raises(pm.StateError, match=r"await value"):
            str(value)
        first = await value
        return first, value.get(), await value, f"{value}"  # once it is there, it can be read in any way

    assert program.run().ret_value == ("<x>",) * 4


def test_a_value_is_no_answer_by_itself(backend: ScriptedBackend) -> None:
    """`if s.gen(...)` and `s.gen(...) == "yes"` would be decided without the model."""

    @pm.function
    def program(s):
        value = s.select("c", ["no", "yes"])
        for decide in (lambda: bool(value), lambda: value == "no", lambda: value != "no", lambda: value in ["no"]):
            with pytest.raises(pm.StateError, match=r"\.get\(\)"):
                decide()
        assert value == value  # it is the same lazy value
        assert value != s.select("c", ["no"])
        assert len({value, value}) == 1

    program.run()


def test_meta_info_and_log_probabilities_of_a_value(backend: ScriptedBackend) -> None:
    @pm.function
    async def program(s):
        number = s.gen("n", type=int, return_logprob=True)
        score = s.score("p", "ab")
        logprobs = await number.logprobs()
        return [each.text for each in logprobs], number.meta_info()["completion_tokens"], len(await score.logprobs())

    backend.answers = {"n": "42"}
    assert program.run().ret_value == (["4", "2"], 2, 2)


@dataclass
class Reply:
    mood: Literal["glad", "sad"]
    stars: Annotated[int, msgspec.Meta(ge=1, le=5)]
    tags: Annotated[list[Literal["a", "b"]], msgspec.Meta(max_length=2)] = field(default_factory=list)


@pytest.fixture(scope="module")
def engine() -> Iterator[pm.Engine]:
    with pm.Engine(max_total_tokens=2048) as made:
        yield made


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_the_model_can_write_nothing_else(engine: pm.Engine, temperature: float) -> None:
    @pm.function
    def program(s):
        s += "The review: " + pm.gen("reply", type=Reply, max_tokens=100)
        s += " of " + pm.gen("color", type=Color) + " and " + pm.gen("numbers", type=Literal[1, 22], n=3)
        yes = s.gen(type=bool)
        return s["reply"], s["color"], s["numbers"], yes.get()

    for seed in range(3):
        reply, color, numbers, yes = program.run(backend=engine, temperature=temperature, seed=seed).ret_value
        assert isinstance(reply, Reply)
        assert reply.mood in ("glad", "sad")
        assert 1 <= reply.stars <= 5
        assert set(reply.tags) <= {"a", "b"}
        assert isinstance(color, Color)
        assert set(numbers) <= {1, 22}
        assert isinstance(yes, bool)


def test_values_grow_on_the_engine() -> None:
    @pm.function
    async def program(s):
        s += "The review: " + pm.gen("reply", type=Reply, max_tokens=100)
        partial = []
        async for each in s.stream("reply"):
            partial.append(each)
            pause.end()
        return partial, await s.get("reply")

    with paused_engine(8) as (engine, pause):
        partial, reply = program.run(backend=engine, temperature=0.0).ret_value
    assert partial[-1] == reply
    assert partial[0].stars is None
    assert len(partial) > 1
