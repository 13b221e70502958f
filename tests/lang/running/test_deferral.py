"""Reads that go straight into appended text do not wait; all others do, and what a program says never depends on it."""

import contextlib

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang.ir import Gen, Text


def groups(backend: ScriptedBackend) -> list[str]:
    """The operations of each submission, as a word: gens by name, texts as they are."""
    return [
        " ".join(
            each.name if isinstance(each, Gen) else each.text
            for each in submission.operations
            if isinstance(each, Gen | Text)
        )
        for submission in backend.submissions
    ]


def was_waited_for(backend: ScriptedBackend, program: pm.Function) -> bool:
    """Whether the body waited for the value of "x": then "after", submitted later, finds it answered."""
    backend.answers = {"x": "X"}
    seen: list[bool] = []

    @pm.function
    def whole(s):
        s += pm.gen("x")
        program(s)
        seen.append(bool(s._transcript.log[0].done.is_set()))

    state = whole.run()
    assert "X" in state.text()[1:], state.text()
    return seen[0]


@pm.function
def in_an_f_string(s):
    s += f"[{s['x']}]"


@pm.function
def in_a_sum(s):
    s += "[" + s["x"] + "]"


@pm.function
def alone(s):
    s += s["x"]


@pm.function
def in_a_turn(s):
    s.user(f"[{s['x']}]")


@pm.function
def in_a_turn_that_is_added(s):
    s += pm.user(f"[{s['x']}]") + pm.assistant("ok")


@pm.function
def over_lines(s):
    s += f"""a
    [{s["x"]}] b
    {1 + 1} [{s["x"]}]
    """


@pm.function
def of_a_branch(s):
    with s.fork(2) as branches:
        for b in branches:
            b += pm.gen("x")
    s += f"{branches[0]['x']} {s['x'][1]}"


@pm.function
def to_a_branch(s):
    branches = s.fork(2)
    branches[0] += f"[{s['x']}]"
    branches.join("concate_and_append")


@pytest.mark.parametrize(
    "program",
    [in_an_f_string, in_a_sum, alone, in_a_turn, in_a_turn_that_is_added, over_lines, of_a_branch, to_a_branch],
    ids=lambda program: program.name,
)
def test_text_does_not_wait(backend: ScriptedBackend, program: pm.Function) -> None:
    assert not was_waited_for(backend, program)


@pm.function
def bound_to_a_name(s):
    x = s["x"]
    s += f"[{x}]"


@pm.function
def by_a_method(s):
    s += f"[{s['x'].lower()}] {s['x']}"


@pm.function
def with_a_format(s):
    s += f"[{s['x']:>5}]"


@pm.function
def with_a_conversion(s):
    s += f"[{s['x']!r}]"


@pm.function
def to_a_text(s):
    text = ""
    text += f"[{s['x']}]"
    assert text == "[X]"
    s += text


@pm.function
def to_a_list(s):
    found = []
    found += f"[{s['x']}]"
    assert found == list("[X]")
    s += "".join(found)


@pm.function
def in_a_condition(s):
    s += "[X]" if s["x"] == "X" else "no"


@pm.function
def in_a_call(s):
    s += f"[{str(s['x'])}]"  # noqa: RUF010 - another place in the code


@pytest.mark.parametrize(
    "program",
    [bound_to_a_name, by_a_method, with_a_format, with_a_conversion, to_a_text, to_a_list, in_a_condition, in_a_call],
    ids=lambda program: program.name,
)
def test_python_gets_the_value_itself(backend: ScriptedBackend, program: pm.Function) -> None:
    assert was_waited_for(backend, program)


def test_a_slice_of_a_list_is_no_reference(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        with s.fork(2) as branches:
            branches += pm.gen("x")
        s += f"{s['x'][:1]}"

    assert program.run().text() == "['<x>']"


def test_values_that_are_more_than_text_are_waited_for(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += "a" + pm.gen("many", n=2) + pm.gen("number", type=int) + pm.score("score", "b")
        s += f"{s['many']} {s['number']} {s['score']}"

    backend.answers = {"number": " 7 "}
    assert program.run().text().endswith("['<many>', '<many>'] 7 -1.0")


def test_code_without_its_source_waits(backend: ScriptedBackend) -> None:
    names = {"pm": pm}
    exec("@pm.function\ndef program(s):\n    s += pm.gen('x')\n    s += f\"[{s['x']}]\"\n", names)
    program = names["program"]
    assert isinstance(program, pm.Function)
    assert program.run().text() == "<x>[<x>]"


def test_never_waits_everywhere(backend: ScriptedBackend) -> None:
    seen = []

    @pm.function(tracing="never")
    def program(s):
        s += pm.gen("x")
        s += f"[{s['x']}]"
        seen.append(s._transcript.log[0].done.is_set())

    assert program.run().text() == "<x>[<x>]"
    assert seen == [True]


def test_a_failed_value_fails_what_needs_it(backend: ScriptedBackend) -> None:
    """The error is that of the value, wherever it went."""

    @pm.function
    def program(s):
        with s.fork(2) as branches:
            branches[0] += pm.gen("bad")
            branches[1] += f"after {branches[0]['bad']}" + pm.gen("never")

    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match=r"gen 'bad'\), branch main.0\[0\]"):
        program.run()
    assert groups(backend) == ["bad"]


@pm.function
def in_a_try(s):
    try:
        s += f"[{s['x']}]"
    except pm.ProgramError:
        s += "not there"


@pm.function
def in_a_foreign_block(s):
    with contextlib.suppress(pm.ProgramError):
        s += f"[{s['x']}]"
        return
    s += "not there"


@pytest.mark.parametrize("program", [in_a_try, in_a_foreign_block], ids=lambda program: program.name)
def test_where_its_failure_may_be_caught_a_value_is_waited_for(backend: ScriptedBackend, program: pm.Function) -> None:
    assert was_waited_for(backend, program)


def test_collected_errors_are_caught_where_they_are_read(backend: ScriptedBackend) -> None:
    def body(s):
        branches = s.fork(2, on_error="collect")
        branches += [pm.gen("bad"), pm.gen("x")]
        try:
            s += f"first: {branches[0]['bad']}"
        except pm.ProgramError:
            s += "(first failed)"
        s += f" second: {branches[1]['x']}"

    backend.failures = {"bad": ScriptedFailure("no")}
    for tracing in ("auto", "always", "never"):
        assert pm.function(tracing=tracing)(body).run().text() == "(first failed) second: <x>"


def test_marks_of_another_run_are_not_mixed_up(backend: ScriptedBackend) -> None:
    """A value of the outer program, appended in an inner one, is read: the inner run cannot refer to it."""

    @pm.function
    def inner(s, outer):
        s += f"[{outer['x']}]" + pm.gen("y")

    @pm.function
    def program(s):
        s += pm.gen("x")
        s += inner(outer=s)["y"]

    assert program.run().text() == "<x><y>"
    assert groups(backend) == ["x", "[<x>] y", "<y>"]
