"""A program's function called to be seen: its whole plan, or the line where Python decides on what is not there yet."""

import asyncio
import contextlib
import json
import re
import statistics
from collections.abc import Callable
from typing import Any

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang.ir import Gen, RoleBegin, RoleEnd, Score, Select, Text
from palmette.lang.plan import Arg, Branching, Joining, Plan, Ref, Template


def steps_of(plan: Plan) -> list[list[object]]:
    """By branch; of generations the name."""
    return [[step.name if isinstance(step, Gen) else step for step in branch.steps] for branch in plan.branches]


# --- what a plan says


def test_a_loop_over_arguments_is_unrolled() -> None:
    @pm.function
    def program(s, questions, tail="."):
        for number, question in enumerate(questions):
            s += f"{number}: {question}" + pm.gen(f"answer{number}", stop="\n")
            s += f" So {s[f'answer{number}']}{tail}"
        return s[f"answer{len(questions) - 1}"]

    plan = program.plan(["who", "why"])
    assert plan.parameters == ()
    assert steps_of(plan) == [
        [
            Text("0: who", has_special=True),
            "answer0",
            Template((" So ", Ref(0, 1), "."), has_special=True),
            Text("1: why", has_special=True),
            "answer1",
            Template((" So ", Ref(0, 4), "."), has_special=True),
        ]
    ]
    assert [(ref, step.name) for ref, step in plan.values()] == [(Ref(0, 1), "answer0"), (Ref(0, 4), "answer1")]
    assert plan == program.plan(questions=["who", "why"], tail=".")
    assert plan != program.plan(["who", "when"])


def test_arguments_that_are_missing_stay_open() -> None:
    @pm.function
    def program(s, style, topic, mood="kind"):
        s.user(f"{style}: {topic}, {mood}")
        s.assistant(pm.gen("x") + " on " + topic)

    plan = program.plan(style="terse")
    assert plan.parameters == ("topic",)
    assert steps_of(plan) == [
        [
            RoleBegin("user"),
            Template(("terse: ", Arg("topic"), ", kind")),
            RoleEnd("user"),
            RoleBegin("assistant"),
            "x",
            Text(" on "),
            Template((Arg("topic"),)),
            RoleEnd("assistant"),
        ]
    ]
    assert program.plan().parameters == ("style", "topic")
    bound = plan.bind({"topic": "tea"})
    assert bound.parameters == ()
    assert bound.branches[0].steps[1] == Text("terse: tea, kind")
    assert bound.branches[0].steps == program.plan("terse", "tea").branches[0].steps
    assert program.bind(topic="figs").plan("terse").parameters == ()


def test_an_open_argument_is_text_and_nothing_else() -> None:
    @pm.function
    def program(s, count):
        for _ in range(count):
            s += pm.gen("x")

    with pytest.raises(pm.NotTraceable, match="the argument 'count' is known only while"):
        program.plan()
    assert steps_of(program.plan(2)) == [["x", "x"]]


def test_programs_inside_programs_are_part_of_the_plan() -> None:
    @pm.function
    def inner(s, word):
        s += f"[{word}" + pm.gen("y") + "]"

    @pm.function
    def outer(s):
        s += pm.gen("x")
        s += inner(s["x"])
        inner(s, "again")

    texts = [step for step in steps_of(outer.plan())[0] if not isinstance(step, str)]
    assert steps_of(outer.plan())[0].count("y") == 2
    assert texts[0] == Template(("[", Ref(0, 0)), has_special=True)
    assert texts[2] == Text("[again", has_special=True)


@pytest.mark.parametrize("is_async", [False, True])
def test_forks_joins_selects_and_scores(is_async: bool) -> None:
    def body(s: pm.ProgramState) -> None:
        s += "start"
        with s.fork(2) as branches:
            for index, branch in enumerate(branches):
                branch += f"{index}" + pm.gen("x")
                branch.select("s", ["a", "b"])
        s += f"{s['x'][0]}|{s['x'][1]}|{s['s'][1]}"
        s += pm.score("p", "sure")
        more = s.fork(1)
        more[0] += f"{branches[0]['x']}" + pm.gen("y")
        more.join("concate_and_append")
        s += pm.gen("z")

    @pm.function
    def plain(s):
        body(s)

    @pm.function
    async def awaits(s):
        body(s)

    plan = (awaits if is_async else plain).plan()
    assert [(branch.label, branch.parent) for branch in plan.branches] == [
        ("main", None),
        ("main.0[0]", 0),
        ("main.0[1]", 0),
        ("main.1[0]", 0),
    ]
    select = Select("s", ("a", "b"))
    assert steps_of(plan) == [
        [
            Text("start", has_special=True),
            Branching((1, 2)),
            Joining((1, 2), "gather_variable"),
            Template((Ref(1, 1), "|", Ref(2, 1), "|", Ref(2, 2)), has_special=True),
            Score("p", "sure"),
            Branching((3,)),
            Joining((3,), "concate_and_append"),
            "z",
        ],
        [Text("0", has_special=True), "x", select],
        [Text("1", has_special=True), "x", select],
        [Template((Ref(1, 1),), has_special=True), "y"],
    ]


def test_an_async_program_is_traced_through_what_it_awaits() -> None:
    @pm.function
    async def program(s):
        first = await s.gen("first")
        s += f" then {first}, {await s.get('first')}, {s['first']}" + pm.gen("second")
        return first

    assert steps_of(program.plan()) == [
        ["first", Template((" then ", Ref(0, 0), ", ", Ref(0, 0), ", ", Ref(0, 0)), has_special=True), "second"]
    ]


def test_text_that_is_appended_at_once() -> None:
    @pm.function
    def program(s):
        s += pm.gen("x")
        s += f"x is {s['x']}" + " or " + s["x"]
        s.user(f"({s['x']})")
        s.set_var("kept", s["x"])
        s += s["kept"]
        s += f"{s.value('x')}"

    templates = [step for step in program.plan().branches[0].steps if isinstance(step, Template)]
    assert [template.parts for template in templates] == [
        ("x is ", Ref(0, 0), " or "),
        (Ref(0, 0),),
        ("(", Ref(0, 0), ")"),
        (Ref(0, 0),),
        (Ref(0, 0),),
    ]


KEPT_TEXTS = {
    "f-string": lambda s: f"x is {s['x']}",
    "format": lambda s: "x is {}".format(s["x"]),
    "percent": lambda s: "x is %s" % s["x"],  # noqa: UP031 - that is the point
    "str": lambda s: str(s["x"]),
    "argument": lambda s: len(f"{s['x']}"),
    "print": lambda s: print(s["x"]),
}


@pytest.mark.parametrize("keep", KEPT_TEXTS.values(), ids=KEPT_TEXTS)
def test_text_that_is_kept_is_no_text_yet(keep: Any) -> None:
    """Python could look at it: its length, say, which no reference has."""

    @pm.function
    def program(s):
        s += pm.gen("x")
        kept = keep(s)
        s += f"{kept}"

    with pytest.raises(pm.NotTraceable, match=r"makes text of it that is not appended right there.*test_tracer\.py"):
        program.plan()


def test_marks_of_the_users_own_are_text() -> None:
    text = "\ue000deadbeef:0\ue001 {x}"

    @pm.function
    def program(s):
        s += pm.gen("x")
        s += text + f"{s['x']}"

    assert program.plan().branches[0].steps[1] == Template((text, Ref(0, 0)), has_special=True)


def test_nothing_runs_and_no_engine_is_asked(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += "a" + pm.gen("x")

    program.plan()
    program.explain()
    assert not backend.submissions
    assert not backend.opened


# --- where Python decides


@pm.function
def inner(s):
    s += pm.gen("y")


DECISIONS: dict[str, Callable[[Any], Any]] = {
    "if": lambda s: "a" if s["x"] else "b",
    "==": lambda s: s["x"] == "yes",
    "!=": lambda s: s["x"] != "yes",
    "<": lambda s: s["x"] < "yes",
    "not": lambda s: not s["x"],
    "len": lambda s: len(s["x"]),
    "int": lambda s: int(s["x"]),
    "float": lambda s: float(s["x"]),
    "strip": lambda s: s["x"].strip(),
    "iteration": lambda s: [letter for letter in s["x"]],  # noqa: C416 - that is the point
    "index": lambda s: s["x"][0],
    "slice": lambda s: s["x"][1:],
    "in": lambda s: "yes" in s["x"],
    "in a text": lambda s: s["x"] in "yes or no",
    "in a list": lambda s: s["x"] in ["yes", "no"],
    "dict": lambda s: {"yes": 1}[s["x"]],
    "set": lambda s: {s["x"]},
    "list index": lambda s: [1, 2][s["x"]],
    "range": lambda s: range(s["x"]),
    "sum": lambda s: s["x"] * 2,
    "json": lambda s: json.loads(s["x"]),
    "re": lambda s: re.match("[0-9]+", s["x"]),
    "sorted": lambda s: sorted([s["x"], "no"]),
    "median": lambda s: statistics.median([s["x"], "no"]),
    "join": lambda s: ", ".join([s["x"], "no"]),
    "isinstance": lambda s: isinstance(s["x"], str),
    "call": lambda s: s["x"](),
    "repr": lambda s: f"{s['x']!r}",
    "repr of a list": lambda s: f"{[s['x']]}",
    "format": lambda s: f"{s['x']:>10}",
    "upper": lambda s: s.user(f"{s['x']}".upper()),
    "stop": lambda s: s.gen("y", stop=s["x"]),
    "stop text": lambda s: s.gen("y", stop=f"{s['x']}!"),
    "choice": lambda s: s.select("y", ["no", s["x"]]),
    "choice text": lambda s: s.select("y", ["no", f"{s['x']}"]),
    "regex": lambda s: s.gen("y", regex=f"{s['x']}"),
    "name": lambda s: s.gen(f"{s['x']}"),
    "score": lambda s: s.score("p", s["x"]),
    "fork": lambda s: s.fork(s["x"]),
    "typed": lambda s: s.gen("y", type=int).get() + 1,
    "typed variable": lambda s: (s.gen("y", type=int), f"{s['y']}")[1],
    "typed value as text": lambda s: s.user("n: " + str(s.gen("y", type=int).get())),
    "several": lambda s: (s.gen("y", n=2), s["y"][0])[1],
    "score value": lambda s: (s.score("p", "text"), s["p"] > -1)[1],
    "value": lambda s: s.value("x").get().strip(),
    "text": lambda s: s.text(),
    "messages": lambda s: s.messages(),
    "sync": lambda s: s.sync(),
    "error": lambda s: s.error(),
    "meta": lambda s: s.get_meta_info("x"),
    "stream": lambda s: list(s.text_iter()),
    "wait": lambda s: s.fork(2).wait(),
    "nested": lambda s: inner()["y"],
    "nested run": lambda s: inner.run()["y"],
    "swallowed": lambda s: swallow(lambda: s["x"] == "yes"),
    "swallowed json": lambda s: swallow(lambda: json.loads(s["x"])),
}


def swallow(decide: Callable[[], object]) -> object:
    with contextlib.suppress(Exception):
        return decide()
    return None


@pytest.mark.parametrize("kind", DECISIONS)
def test_a_decision_on_a_value_names_the_users_line(kind: str) -> None:
    decide = DECISIONS[kind]

    @pm.function
    def program(s):
        s += pm.gen("x")
        return decide(s)

    with pytest.raises(pm.NotTraceable) as caught:
        program.plan()
    assert caught.value.source == f"{__file__}:{decide.__code__.co_firstlineno}"
    assert "The program still runs, eagerly" in str(caught.value)
    explained = program.explain()
    assert explained.startswith("program: runs eagerly, since a plan cannot say it whole: ")
    assert caught.value.source in explained


async def sleeps(s: pm.ProgramState) -> None:
    await asyncio.sleep(0)  # here


async def compares(s: pm.ProgramState) -> bool:
    return bool(await s.get("x") == "yes")  # here


async def settles(s: pm.ProgramState) -> None:
    await s.wait()  # here


async def follows(s: pm.ProgramState) -> list[str]:
    return [chunk async for chunk in s.value("x")]  # here


@pytest.mark.parametrize("body", [sleeps, compares, settles, follows], ids=lambda each: each.__name__)
def test_a_decision_of_an_async_program_names_the_users_line(body: Any) -> None:
    @pm.function
    async def program(s):
        s += pm.gen("x")
        await body(s)

    with pytest.raises(pm.NotTraceable) as caught:
        program.plan()
    assert caught.value.source == f"{__file__}:{body.__code__.co_firstlineno + 1}"


def test_the_users_own_errors_pass(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s, word):
        s += f"{word}" + pm.gen("x")
        s += f"{s['x']}"
        if word == "state":
            s += pm.user_end()
        if word == "argument":
            s += pm.gen("y", max_tokens=-1)
        if word == "grammar":
            s += pm.gen("y", regex="(")
        s["never set"]

    for word, error in (
        ("state", pm.StateError),
        ("argument", pm.InvalidArgument),
        ("grammar", (pm.GrammarError, pm.InvalidArgument)),
        ("none", pm.VariableNotSet),
    ):
        with pytest.raises(error) as caught:
            program.plan(word)
        assert not isinstance(caught.value, pm.NotTraceable)
    with pytest.raises(TypeError, match=r"program\(\).*expected \(word\)"):
        program.plan("a", "b")


# --- explain


def test_a_plan_is_explained_as_a_tree(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s, topic):
        s += "About " + topic
        with s.fork(2) as branches:
            branches += pm.gen("x", max_tokens=7, regex="[a-z]+")
        s += f"{s['x'][0]}" + pm.select("s", ["yes", "no"])

    shown = program.explain()
    for part in ("program(topic)", "fork into 2", "[a-z]+", "{topic}", "at most 14 new ones", "3 branches"):
        assert part in shown, shown
    assert "at most 8 forward passes" in shown
    drawn = str(program.plan())
    assert drawn.splitlines()[0] == "program(topic)"
    assert "{main.0[0]: x}" in drawn
    assert shown.count("\n") > drawn.count("\n")


# --- tracing="always": seen first, run once


def outcome(state: pm.ProgramState) -> tuple[object, ...]:
    return state.text(), state.ret_value, state.messages()


CALLS = ["run", "arun", "run_batch", "arun_batch"]


def runs(program: pm.Function, how: str) -> pm.ProgramState:
    match how:
        case "run":
            return program.run()
        case "arun":
            return asyncio.run(program.arun())
        case "run_batch":
            return program.run_batch([{}])[0]
        case _:
            return asyncio.run(program.arun_batch([{}]))[0]


@pytest.mark.parametrize("how", CALLS)
def test_what_cannot_be_traced_runs_eagerly_with_the_same_results(backend: ScriptedBackend, how: str) -> None:
    calls: list[str] = []

    def body(s: pm.ProgramState) -> object:
        calls.append("call")
        s += "a" + pm.gen("x")
        s += f"<{s['x']}>"
        if s["x"] == "yes":
            s += " indeed" + pm.gen("y")
        return s["x"], {"last": s["y"]}

    backend.answers = {"x": "yes", "y": "!"}
    eager = runs(pm.function(tracing="never")(body), how)
    calls.clear()
    traced = runs(pm.function(tracing="always")(body), how)
    assert outcome(traced) == outcome(eager) == ("ayes<yes> indeed!", ("yes", {"last": "!"}), [])
    assert calls == ["call"] * 2


@pytest.mark.parametrize("how", CALLS)
def test_what_can_be_traced_is_called_once_and_leaves_no_references(backend: ScriptedBackend, how: str) -> None:
    calls: list[str] = []

    def body(s: pm.ProgramState) -> object:
        calls.append("call")
        s += "a" + pm.gen("x")
        s.set_var("kept", s["x"])
        s["list"] = [s["x"], {"deep": (s["x"], 3)}]
        with s.fork(2) as branches:
            for branch in branches:
                branch += pm.gen("y")
                branch["own"] = branch["y"]
        with s.var_scope("scope"):
            s += f"<{s['kept']}|{s['y'][1]}>"
        return {"x": s["x"], "said": [s["x"], (s["y"], None)], "k": s.value("x")}

    backend.answers = {"x": "X", "y": "Y"}
    eager = runs(pm.function(tracing="never")(body), how)
    calls.clear()
    traced = runs(pm.function(tracing="always")(body), how)
    assert calls == ["call"]
    assert traced.text() == eager.text() == "aX<X|Y>"
    for name in ("x", "kept", "list", "y", "own", "scope"):
        assert traced[name] == eager[name], name
    results = [{**state.ret_value, "k": state.ret_value["k"].get()} for state in (traced, eager)]
    assert results[0] == results[1] == {"x": "X", "said": ["X", (["Y", "Y"], None)], "k": "X"}


@pytest.mark.parametrize("how", CALLS)
def test_an_async_program_is_traced_too(backend: ScriptedBackend, how: str) -> None:
    calls: list[str] = []

    @pm.function(tracing="always")
    async def traceable(s):
        calls.append("call")
        first = await s.gen("x")
        s += f" then {first}" + pm.gen("y")
        return first

    @pm.function(tracing="always")
    async def decides(s):
        calls.append("call")
        if await s.gen("x") == "X":
            s += pm.gen("y")
        return await s.get("y")

    backend.answers = {"x": "X", "y": "Y"}
    state = runs(traceable, how)
    assert outcome(state) == ("X then XY", "X", [])
    assert len(backend.submissions) == 2  # the text that refers to a value comes by itself, as nothing asked for it
    assert calls == ["call"]
    assert outcome(runs(decides, how)) == ("XY", "Y", [])
    assert calls == ["call"] * 3


def test_what_a_trace_leaves_behind_does_not_run(backend: ScriptedBackend) -> None:
    left: list[asyncio.Task[Any]] = []

    @pm.function(tracing="always")
    async def program(s):
        left.append(asyncio.create_task(s.get("x")))
        value = s.gen("x")
        await left[-1]
        return await value

    async def main() -> object:
        result = (await program.arun()).ret_value
        outcomes = await asyncio.gather(*left, return_exceptions=True)
        assert outcomes[-1] == "<x>"
        return result

    assert asyncio.run(main()) == "<x>"
    assert len(left) == 2
    assert len(backend.opened) == 1


def test_a_list_that_was_set_is_the_same_list(backend: ScriptedBackend) -> None:
    @pm.function(tracing="always")
    def program(s, items):
        s += pm.gen("x")
        s["items"] = items
        s += f"{s['x']}"

    items = ["a", ("b",), {"c": 1}]
    assert program.run(items)["items"] is items


def test_a_reference_to_what_failed_raises(backend: ScriptedBackend) -> None:
    @pm.function(tracing="always")
    def program(s):
        with s.fork(2, on_error="collect") as branches:
            branches += [pm.gen("good"), pm.gen("bad")]
        return branches[1]["bad"]

    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match="gen 'bad'"):
        program.run()


def test_errors_of_the_body_are_raised_by_the_run_that_counts(backend: ScriptedBackend) -> None:
    calls: list[str] = []

    @pm.function(tracing="always")
    def program(s):
        calls.append("call")
        s += pm.gen("x")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        program.run()
    assert len(calls) == 2


def test_a_swallowed_decision_does_not_send_the_trace_astray(backend: ScriptedBackend) -> None:
    @pm.function(tracing="always")
    def program(s):
        s += pm.gen("n")
        try:
            number = int(s["n"])
        except Exception:  # noqa: BLE001 - what users write
            number = -1
        s += f" is {number + 1}"

    backend.answers = {"n": "41"}
    assert program.run().text() == "41 is 42"


def test_a_reference_in_a_stop_string_is_its_text_under_every_tracing(backend: ScriptedBackend) -> None:
    for tracing in ("always", "auto", "never"):

        @pm.function(tracing=tracing)
        def program(s):
            s += pm.gen("end")
            s += pm.gen("x", stop=f"{s['end']}.")

        backend.answers = {"end": "E", "x": "text E. more"}
        assert program.run()["x"] == "text "


def test_wrong_tracing_is_refused() -> None:
    with pytest.raises(pm.InvalidArgument, match="tracing"):
        pm.function(tracing="sometimes")  # type: ignore[call-overload]  # that is the point


def test_values_that_are_more_than_text_can_be_handed_on(backend: ScriptedBackend) -> None:
    @pm.function(tracing="always")
    def program(s):
        number = s.gen("number", type=int)
        s += pm.gen("many", n=2) + pm.score("score", "text")
        return {"number": number.get(), "again": s["number"], "rest": (s["many"], s["score"])}

    backend.answers = {"number": "7 "}
    result = program.run().ret_value
    assert result == {"number": 7, "again": 7, "rest": (["<many>", "<many>"], -4.0)}
    assert str(program.plan()).splitlines()[0] == "program()"
    assert len(backend.submissions) == 1
