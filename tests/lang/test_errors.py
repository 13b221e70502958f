"""A failing operation raises in the user's code, with the program, the operation and the cause."""

import contextlib
import inspect

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as sgl


def test_it_says_which_where_and_why(backend: ScriptedBackend) -> None:
    @sgl.function
    def capital(s):
        s += "a" + sgl.gen("good")
        s += "b"
        s += sgl.gen("bad")

    cause = ScriptedFailure("out of pages")
    backend.failures = {"bad": cause}
    with pytest.raises(sgl.ProgramError) as caught:
        capital.run()
    error = caught.value
    line = inspect.getsourcelines(capital.__wrapped__)[1] + 4
    assert (error.program, error.branch, error.operation_index) == ("capital", "main", 3)
    assert (error.operation, error.variable, error.source) == ("gen", "bad", f"{__file__}:{line}")
    assert error.__cause__ is cause
    assert str(error) == (
        f"program 'capital', operation 3 (gen 'bad'), branch main, at {__file__}:{line}: ScriptedFailure: out of pages"
    )


@pytest.mark.parametrize("append", ["+=", "turn", "with", "method"])
def test_the_source_line_is_the_users(backend: ScriptedBackend, append: str) -> None:
    @sgl.function
    def program(s):
        if append == "+=":
            s += sgl.gen("bad")  # here
        elif append == "turn":
            s += sgl.user(sgl.gen("bad"))  # here
        elif append == "method":
            s.user(sgl.gen("bad"))  # here
        else:
            with s.assistant():
                s += sgl.gen("bad")  # here

    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(sgl.ProgramError) as caught:
        program.run()
    lines, first = inspect.getsourcelines(program.__wrapped__)
    path, number = caught.value.source.rsplit(":", 1)
    assert path == __file__
    assert "# here" in lines[int(number) - first]


def test_every_later_read_raises_again_and_earlier_values_stay(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("good") + sgl.select("bad", ["a", "b"]) + sgl.gen("after")
        errors = []
        for read in (lambda: s["bad"], lambda: s["bad"], lambda: s["after"], s.text, s.messages, s.sync):
            with pytest.raises(sgl.ProgramError, match="select 'bad'") as caught:
                read()
            errors.append(caught.value)
        assert len({id(error) for error in errors}) == len(errors)
        assert s["good"] == "<good>"
        s += "later"
        with pytest.raises(sgl.ProgramError, match="select 'bad'"):
            s.text()
        assert isinstance(s.error(), sgl.ProgramError)

    backend.failures = {"bad": ScriptedFailure("no")}
    state = program.run()  # the program saw the failure, and chose to go on
    assert state["good"] == "<good>"
    with pytest.raises(sgl.ProgramError):
        state["bad"]


def test_run_raises_even_if_nobody_read(backend: ScriptedBackend) -> None:
    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(sgl.ProgramError):
        sgl.function(lambda s: s.user(sgl.gen("bad"))).run()


def test_a_backend_that_does_not_open(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "a"
        s += sgl.gen("x")
        s += s.fork(2)[0]["x"]

    backend.open_failure = OSError("no engine")
    with pytest.raises(sgl.ProgramError, match="program 'program', branch main: OSError: no engine"):
        program.run()


def test_a_backend_that_forgets_a_value(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripted_backend import ScriptedBranch

    async def no_events(self, index, operation):
        return
        yield

    monkeypatch.setattr(ScriptedBranch, "_events", no_events)
    with pytest.raises(sgl.ProgramError, match=r"gen 'x'.*without a value"):
        sgl.function(lambda s: s.user(sgl.gen("x"))).run()


def test_a_branch_that_does_not_close(backend: ScriptedBackend) -> None:
    backend.close_failure = OSError("stuck")
    with pytest.raises(sgl.ProgramError, match="stuck"):
        sgl.function(lambda s: s.user("a")).run()

    @sgl.function
    def program(s):
        s += sgl.gen("x")
        s.sync()
        raise KeyError("own")

    with pytest.raises(KeyError, match="own") as caught:
        program.run()
    assert "stuck" in caught.value.__notes__[0]


def test_the_programs_own_error_passes_unchanged_and_all_is_closed(backend: ScriptedBackend) -> None:
    own = RuntimeError("mine")
    kept = []

    @sgl.function
    def program(s):
        kept.append(s)
        forks = s.fork(2)
        forks += sgl.gen("x")
        assert forks[0]["x"]
        forks[1] += sgl.gen("never")
        s += sgl.gen("stuck")
        assert forks[1]["never"]
        raise own

    backend.stuck = frozenset({"stuck"})
    with pytest.raises(RuntimeError) as caught:
        program.run()
    assert caught.value is own
    assert caught.value.__cause__ is None
    backend.check_all_closed()
    with pytest.raises(sgl.ProgramError, match="mine"):
        kept[0]["stuck"]


def test_an_interrupt_closes_all(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("stuck")
        s.fork(2)
        raise KeyboardInterrupt

    backend.stuck = frozenset({"stuck"})
    with pytest.raises(KeyboardInterrupt):
        program.run()


def test_the_tree_of_errors() -> None:
    for kind in (sgl.InvalidArgument, sgl.ProgramError, sgl.VariableNotSet, sgl.StateError, sgl.UnsupportedTool):
        assert issubclass(kind, sgl.PalmetteError)
    assert issubclass(sgl.InvalidArgument, ValueError)
    assert issubclass(sgl.VariableNotSet, KeyError)
    assert issubclass(sgl.UnsupportedTool, TypeError)
    assert "..." in str(sgl.InvalidArgument("x", "y", "z" * 500))


def test_a_stream_read_by_the_program_itself_ends_loudly(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "a" + sgl.gen("bad")
        with pytest.raises(sgl.ProgramError, match="gen 'bad'"):
            list(s.text_iter())
        with pytest.raises(sgl.ProgramError, match="gen 'bad'"):
            list(s.text_iter("bad"))

    backend.failures = {"bad": ScriptedFailure("no")}
    program.run()


def test_turns_and_joins_have_the_users_line(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with s.user():
            s += "a"
        with s.fork(2) as forks:
            forks += "b"
            forks.join("concate_and_append")
        assert {entry.source.rsplit(":", 1)[0] for entry in s._transcript.log} == {__file__}

    program.run()


def test_an_exception_inside_a_turn_closes_it(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with contextlib.suppress(KeyError), s.user():
            s += "half a question"
            raise KeyError
        with contextlib.suppress(KeyError), s.user():
            s += sgl.user_end()
            raise KeyError
        s += sgl.assistant(sgl.gen("x"))

    roles = [(each["role"], each["content"]) for each in program.run().messages()]
    assert roles == [("user", "half a question"), ("user", ""), ("assistant", "<x>")]


def test_what_was_made_before_a_failure_stays_whenever_it_is_read(backend: ScriptedBackend) -> None:
    """Both gens go out in one submission; the second has a constraint, say, that cannot be compiled."""

    @sgl.function
    def program(s, is_read_at_once):
        s += "a" + sgl.gen("first")
        if is_read_at_once:
            assert s["first"] == "<first>"
        s += sgl.gen("bad", regex="x")
        with pytest.raises(sgl.ProgramError, match="gen 'bad'"):
            s["bad"]
        assert s["first"] == "<first>"

    backend.failures = {"bad": ScriptedFailure("no such grammar")}
    for is_read_at_once in (True, False):
        assert program.run(is_read_at_once)["first"] == "<first>"


def test_programs_nested_too_deep_are_a_clear_error(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, depth):
        if depth:
            s += program(depth - 1)

    program.run(5)
    with pytest.raises(sgl.StateError, match=r"recursion limit .* 'program', which runs inside other programs"):
        program.run(500)
