"""Forks and joins: branches run at the same time, and come back by variables or by text."""

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as sgl
from palmette.lang.ir import Join


def test_branches_run_at_the_same_time(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "trunk " + sgl.gen("t")
        forks = s.fork(3)
        for index, f in enumerate(forks):
            f += f"{index}" + sgl.gen("x")
        s += sgl.gen("own")
        assert backend.submissions == []
        assert [f["x"] for f in forks] == ["<x>"] * 3
        assert [f["t"] for f in forks] == ["<t>"] * 3, "a branch knows what was set before the fork"
        assert forks[1].text() == "trunk <t>1<x>"

    program.run()
    assert backend.max_in_flight == 4
    assert len(backend.branches) == 4


def test_join_gathers_variables_in_order(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("old")
        forks = s.fork(2)
        forks += lambda i: f"{i}:" + sgl.gen("x", return_logprob=True)
        forks[1]["only"] = "second"
        forks.join()
        assert s["only"] == ["second"]
        s += "done"

    backend.answers = {"x": lambda text: text[-2:]}
    state = program.run()
    assert state["x"] == ["0:", "1:"]
    assert state["old"] == "<old>"
    assert state.text() == "<old>done"
    metas = state.get_meta_info("x")
    assert [meta["output_token_logprobs"][0][2] for meta in metas] == ["0", "1"], "meta info survives a join"
    assert len({meta["id"] for meta in metas}) == 2


def test_a_join_in_a_loop_keeps_the_latest(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        for round_ in range(3):
            forks = s.fork(2)
            for f in forks:
                f["x"] = round_
            forks.join()
            assert s["x"] == [round_] * 2

    assert program.run()["x"] == [2, 2]


def test_join_appends_texts(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "facts: "
        forks = s.fork(3)
        forks += [f"({i})" for i in range(3)]
        forks += sgl.gen("x", stop=">")
        forks.join(mode="concate_and_append")
        s += " so " + sgl.gen("y")
        assert "x" not in s
        assert forks[2]["x"] == "<x"

    state = program.run()
    assert state.text() == "facts: (0)<x(1)<x(2)<x so <y>"
    assert state["y"] == "<y>"
    [join] = [op for op in backend.operations if isinstance(op, Join)]
    assert join == Join((1, 2, 3))


def test_a_scope_around_a_join(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with s.var_scope("all"):
            forks = s.fork(2)
            forks += ["a", "b"]
            forks.join("concate_and_append")
        assert s["all"] == "ab"

    program.run()


def test_nested_forks_and_forks_before_any_text(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        outer = s.fork(2)
        for i, f in enumerate(outer):
            f += f"{i}"
            inner = f.fork(2)
            inner += [sgl.gen("x"), sgl.gen("x")]
            inner.join()
        outer.join()

    backend.answers = {"x": lambda text: f"[{text}]"}
    assert program.run()["x"] == [["[0]", "[0]"], ["[1]", "[1]"]]


def test_context_managers_join(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += "a"
        with s.fork(2) as forks:
            forks += sgl.gen("x")
        assert s["x"] == ["<x>", "<x>"]
        with s.copy() as c:
            c += "b" + sgl.gen("y")
            assert c.text() == "ab<y>"
        assert s["y"] == ["<y>"]
        with s.fork(1) as forks:
            forks.join()

    assert program.run().text() == "a"


def test_a_fork_inside_a_turn(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.user("q") + sgl.assistant_begin()
        forks = s.fork(2)
        forks += sgl.gen("a") + sgl.assistant_end()
        assert forks[0].messages()[-1] == {"role": "assistant", "content": "<a>"}
        forks.join()
        s += sgl.assistant_end()
        assert s.messages() == [{"role": "user", "content": "q"}, {"role": "assistant", "content": ""}]

    program.run()


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "2"])
def test_a_fork_has_branches(backend: ScriptedBackend, size) -> None:
    with pytest.raises(sgl.InvalidArgument, match="branches >= 1"):
        sgl.function(lambda s: s.fork(size)).run()


def test_what_a_group_refuses(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        forks = s.fork(2)
        with pytest.raises(sgl.InvalidArgument, match="mode"):
            forks.join("both")
        with pytest.raises(sgl.InvalidArgument, match="2 of either"):
            forks += ["a"]
        with pytest.raises(sgl.InvalidArgument):
            forks[0] = forks[1]
        forks.join()
        with pytest.raises(sgl.StateError, match="not joined yet"):
            forks.join()
        with pytest.raises(sgl.StateError, match="has been joined"):
            forks[0] += "more"

    program.run()


def test_joined_branches_are_given_back_early(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        forks = s.fork(2)
        forks += sgl.gen("x")
        forks.join()
        assert s["x"]
        s += sgl.gen("y")
        assert s["y"]
        assert [backend.branches[i].num_closes for i in range(3)] == [0, 1, 1]

    program.run()


def test_a_failed_branch_surfaces_where_it_is_waited_for_or_read(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        forks = s.fork(3)
        for name, f in zip(["x", "bad", "x"], forks, strict=True):
            f += "text" + sgl.gen(name, max_tokens=9)
            f += sgl.gen("after")
        with pytest.raises(sgl.ProgramError, match=r"operation 1 \(gen 'bad'\), branch main.0\[1\]"):
            forks.wait()
        forks.join()
        with pytest.raises(sgl.ProgramError, match="'bad'"):
            s["bad"]
        s += sgl.gen("after")

    backend.failures = {"bad": ScriptedFailure("no")}
    assert program.run()["after"] == "<after>"


def test_a_branch_that_fails_cancels_its_siblings(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with s.fork(3) as forks:
            forks += [sgl.gen("bad"), sgl.gen("never"), sgl.gen("never")]

    backend.failures = {"bad": ScriptedFailure("no")}
    backend.stuck = frozenset({"never"})
    with pytest.raises(sgl.ProgramError, match="'bad'"):
        program.run()
    backend.check_all_closed()


def test_errors_of_branches_can_be_collected(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        with s.fork(3, on_error="collect") as forks:
            forks += [sgl.gen("x"), sgl.gen("bad") + sgl.gen("x"), sgl.gen("x")]
        first, failed, third = s["x"]
        assert (first, third) == ("<x>", "<x>")
        assert isinstance(failed, sgl.ProgramError)
        forks.wait()
        assert [error is None for error in forks.errors] == [True, False, True]
        s += sgl.gen("after")

    backend.failures = {"bad": ScriptedFailure("no")}
    assert program.run()["after"] == "<after>"
    with pytest.raises(sgl.InvalidArgument, match="on_error"):
        sgl.function(lambda s: s.fork(2, on_error="ignore")).run()


def test_a_failed_branch_nobody_read_surfaces_at_the_end(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        forks = s.fork(2)
        forks[0] += sgl.gen("bad")

    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(sgl.ProgramError, match="'bad'"):
        program.run()


def test_what_else_was_cancelled_is_noted(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        forks = s.fork(2)
        forks += [sgl.gen("never"), sgl.gen("worse")]
        forks.wait()

    backend.failures = {"worse": ScriptedFailure("no")}
    backend.stuck = frozenset({"never"})
    with pytest.raises(sgl.ProgramError, match="'worse'") as caught:
        program.run()
    assert "cancelled, as the branch main.0[1] of the same fork failed" in caught.value.__notes__[0]


def test_a_fork_that_fails(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        forks = s.fork(2)
        grandchildren = forks[0].fork(2)
        grandchildren += sgl.gen("x")
        with pytest.raises(sgl.ProgramError, match="no room"):
            grandchildren[1]["x"]
        with pytest.raises(sgl.ProgramError, match="no room"):
            forks[1].text()

    backend.fork_failure = MemoryError("no room")
    program.run()


def test_children_of_a_failed_trunk_fail_with_it(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.gen("bad")
        forks = s.fork(2)
        forks += sgl.gen("x")
        forks.join()

    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(sgl.ProgramError, match="'bad'"):
        program.run()


def test_the_end_of_a_turn_before_a_fork_is_in_every_text_once(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s += sgl.user("a")
        assert s.text() == "<|im_start|>user\na<|im_end|>\n"
        forks = s.fork(2)
        forks[0] += sgl.user("b")
        s += sgl.user("c")
        assert forks[0].text() == "<|im_start|>user\na<|im_end|>\n<|im_start|>user\nb<|im_end|>\n"
        assert forks[1].text() == "<|im_start|>user\na<|im_end|>\n"
        forks.join("concate_and_append")

    state = program.run()
    turns = "<|im_start|>user\na<|im_end|>\n<|im_start|>user\nc<|im_end|>\n"
    assert state.text().startswith(turns)
    assert "".join(state.text_iter()) == state.text()


def test_messages_have_the_turns_that_joined_branches_appended(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s.user("q")
        forks = s.fork(2)
        for index, f in enumerate(forks):
            with f.copy() as inner:
                inner.user("not joined by text")
            nested = f.fork(1)
            nested[0].assistant(f"{index}" + sgl.gen("a"))
            nested.join("concate_and_append")
        forks.join("concate_and_append")
        s.user("and?")
        with s.assistant():
            parts = s.fork(2)
            parts += ["b", "c"]
            parts.join("concate_and_append")

    turns = [(each["role"], each["content"]) for each in program.run().messages()]
    assert turns == [
        ("user", "q"),
        ("assistant", "0<a>"),
        ("assistant", "1<a>"),
        ("user", "and?"),
        ("assistant", "bc"),
    ]


def test_a_join_replaces_a_variable_from_before_the_fork(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s):
        s["x"] = "old"
        s["y"] = "kept"
        with s.fork(2) as forks:
            forks += sgl.gen("x")

    state = program.run()
    assert (state["x"], state["y"]) == (["<x>", "<x>"], "kept")
