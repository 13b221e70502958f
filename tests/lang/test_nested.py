"""Programs inside programs: on the caller's state, as lazy values, and as runs of their own."""

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as sgl


@sgl.function
def ask(s, question, n=1):
    s += f"Q{n}: {question} A: " + sgl.gen("a", max_tokens=20) + "\n"
    return "asked"


def test_a_call_that_is_appended_runs_on_the_callers_state(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "begin\n"
        s += ask("one")
        s += "[" + ask(question="two", n=2) + "]"
        assert backend.submissions == []
        assert s["a"] == "<a>"

    state = program.run()
    assert state.text() == "begin\nQ1: one A: <a>\n[Q2: two A: <a>\n]"
    assert len(backend.branches) == 1


def test_a_state_given_first_is_the_state_to_run_on(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        assert ask(s, "one") == "asked"
        forks = s.fork(2)
        for f in forks:
            ask(f, "two", temperature=0.25)
        s += sgl.gen("own")

    program.run(temperature=0.75)
    assert [gen.params.temperature for gen in backend.gens() if gen.name == "own"] == [0.75]
    assert sorted(gen.params.temperature for gen in backend.gens()) == [0.25, 0.25, 0.75, 0.75]
    with pytest.raises(sgl.InvalidArgument, match="seed"):
        sgl.function(lambda s: ask(s, "one", seed=3)).run()


def test_a_call_that_is_read_runs_on_its_own(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        answer = ask("one")
        assert backend.submissions == []
        s += "copied: " + answer["a"]
        assert "a" in answer
        assert answer.get_var("a") == "<a>"
        assert answer.get_meta_info("a")["completion_tokens"] == 3
        assert answer.text() == "Q1: one A: <a>\n"
        assert list(answer.text_iter("a")) == ["<a>"]
        assert answer.messages() == []
        assert answer.ret_value == "asked"
        with pytest.raises(sgl.InvalidArgument, match="has not run"):
            s += answer

    other = ScriptedBackend()
    state = program.run(backend=other)
    assert state.text() == "copied: <a>"
    assert len(other.branches) == 2, "it runs where its caller runs, once"
    other.check_all_closed()


def test_a_call_never_used_never_runs(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        ask("one")
        s += "x"

    assert program.run().text() == "x"


def test_a_run_inside_a_program_is_a_run(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += ask.run("one")["a"] + ask("two", backend=backend)["a"]
        s += ask.run_batch([("three",), {"question": "four"}])[1]["a"]

    assert program.run().text() == "<a><a><a>"


def test_bound_programs_are_values(backend: ScriptedBackend) -> None:
    bound = ask.bind(question="one")

    @sgl.function
    def program(s, task):
        s += task()
        s += task(n=3)

    assert program.run(bound).text() == "Q1: one A: <a>\nQ3: one A: <a>\n"
    assert bound.run()["a"] == "<a>"
    assert bound.bind(question="two").run().text() == "Q1: two A: <a>\n"


def test_wrong_arguments_raise_at_the_call(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with pytest.raises(TypeError, match="missing a required argument"):
            ask()
        with pytest.raises(TypeError, match="unexpected argument"):
            ask("one", tone=1)
        with pytest.raises(sgl.InvalidArgument, match=r"state\['name'\]"):
            s += ask.run("one")

    program.run()


def test_a_failure_names_the_line_inside(backend: ScriptedBackend) -> None:
    backend.failures = {"a": ScriptedFailure("no")}

    @sgl.function
    def program(s):
        s += ask("one")

    with pytest.raises(sgl.ProgramError, match=r"program 'program'.*gen 'a'"):
        program.run()
