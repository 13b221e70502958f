"""The patterns: what they give, what ties and failures do, and how much they ask of the backend."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang import patterns
from palmette.lang.ir import Gen


def run(body: Callable[[pm.ProgramState], Any], **options: Any) -> pm.ProgramState:
    """The state of a program with this body."""

    @pm.function
    def program(s):
        s += "start "
        return body(s)

    return program.run(**options)


def length(branch: pm.ProgramState) -> float:
    return len(branch["x"])


def make(branch: pm.ProgramState) -> pm.Value[str]:
    return branch.gen("x")


# best_of_n


def test_the_best_scores_highest(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["a", "long", "mid"]}
    state = run(lambda s: patterns.best_of_n(s, make, 3, length))
    best = state.ret_value
    assert (best.value, best.score, best.state["x"]) == ("long", 4.0, "long")
    assert best.state.text() == "start long"
    assert state["x"] == ["a", "long", "mid"]
    assert state.text() == "start "
    assert backend.max_in_flight == 3, "the candidates are made at once"


def test_the_first_of_the_best_wins(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["a", "bb", "cc"]}
    assert run(lambda s: patterns.best_of_n(s, make, 3, length)).ret_value.value == "bb"


def test_the_model_can_be_the_scorer_and_leaves_no_trace(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["a", "b"]}
    scored = []

    def score(branch: pm.ProgramState) -> pm.Value[float]:
        scored.append(branch)
        return branch.score("good", "!" if len(scored) == 2 else "!!")

    best = run(lambda s: patterns.best_of_n(s, make, 2, score)).ret_value
    assert (best.value, best.score) == ("b", -1.0)
    assert best.state.text() == "start b"
    assert [branch.text() for branch in scored] == ["start a!!", "start b!"]


@pytest.mark.parametrize("score", ["good", float("nan"), None])
def test_a_score_is_a_number(backend: ScriptedBackend, score) -> None:
    with pytest.raises(pm.InvalidArgument, match="score: expected a function that gives a number"):
        run(lambda s: patterns.best_of_n(s, make, 2, lambda branch: score))


def test_what_makes_a_candidate_returns_a_value(backend: ScriptedBackend) -> None:
    with pytest.raises(pm.InvalidArgument, match=r"make: expected a function that returns what b\.gen"):
        run(lambda s: patterns.best_of_n(s, lambda branch: "text", 2, length))
    with pytest.raises(pm.InvalidArgument, match="branches >= 1"):
        run(lambda s: patterns.best_of_n(s, make, 0, length))


def fail_second() -> Callable[[pm.ProgramState], pm.Value[str]]:
    names = itertools.chain(["x", "bad"], itertools.repeat("x"))
    return lambda branch: branch.gen(next(names))


def test_a_failed_candidate_raises_or_does_not_take_part(backend: ScriptedBackend) -> None:
    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match=r"gen 'bad'\), branch main.0\[1\]"):
        run(lambda s: patterns.best_of_n(s, fail_second(), 3, length))
    backend.answers = {"x": ["a", "longest"]}
    state = run(lambda s: patterns.best_of_n(s, fail_second(), 3, length, on_error="collect"))
    assert state.ret_value.value == "longest"
    assert isinstance(state["bad"][0], pm.ProgramError)
    with pytest.raises(pm.ProgramError, match=r"branch main.0\[0\]"):
        run(lambda s: patterns.best_of_n(s, lambda branch: branch.gen("bad"), 2, length, on_error="collect"))


def test_the_branch_that_failed_is_blamed_not_one_that_was_cancelled_for_it(backend: ScriptedBackend) -> None:
    names = iter(["never", "bad"])
    backend.failures = {"bad": ScriptedFailure("no")}
    backend.stuck = frozenset({"never"})
    with pytest.raises(pm.ProgramError, match=r"gen 'bad'\), branch main.0\[1\]"):
        run(lambda s: patterns.best_of_n(s, lambda branch: branch.gen(next(names)), 2, length))


# majority_vote


def test_the_most_frequent_answer_wins(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["1", "2", "3", "2", "1", "2"]}
    state = run(lambda s: patterns.majority_vote(s, lambda branch: branch.gen("x", type=int), 6))
    assert state.ret_value == patterns.Vote(2, 3, (1, 2, 3, 2, 1, 2))
    assert backend.max_in_flight == 6


def test_a_key_says_what_is_the_same(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["b", "A", "a ", "c"]}
    vote = run(lambda s: patterns.majority_vote(s, make, 4, key=lambda text: text.strip().lower())).ret_value
    assert (vote.value, vote.num_votes) == ("A", 2)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([[1], [2], [3]]), min_size=1, max_size=8))
def test_a_vote_is_the_first_of_the_most_frequent(backend: ScriptedBackend, values: list[list[int]]) -> None:
    """Of values that cannot be hashed, too."""
    backend.answers = {"x": [str(value) for value in values]}
    vote = run(lambda s: patterns.majority_vote(s, lambda b: b.gen("x", type=list[int]), len(values))).ret_value
    assert vote.values == tuple(values)
    assert vote.num_votes == values.count(vote.value) == max(map(values.count, values))
    assert vote.value == next(value for value in values if values.count(value) == vote.num_votes)


def test_failed_branches_do_not_vote(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["a", "b", "b"]}
    backend.failures = {"bad": ScriptedFailure("no")}
    vote = run(lambda s: patterns.majority_vote(s, fail_second(), 4, on_error="collect")).ret_value
    assert vote == patterns.Vote("b", 2, ("a", "b", "b"))
    backend.answers = {}
    with pytest.raises(pm.ProgramError, match="'bad'"):
        run(lambda s: patterns.majority_vote(s, fail_second(), 4))


def test_a_value_that_was_cut_off_does_not_vote(backend: ScriptedBackend) -> None:
    def number(branch: pm.ProgramState) -> pm.Value[int]:
        return branch.gen("x", type=int, max_tokens=2)

    backend.answers = {"x": ["12", "345"]}
    vote = run(lambda s: patterns.majority_vote(s, number, 2, on_error="collect")).ret_value
    assert vote.values == (12,)
    backend.answers = {"x": ["12", "345"]}
    with pytest.raises(pm.ProgramError, match="cut off by max_tokens=2"):
        run(lambda s: patterns.majority_vote(s, number, 2))


# map_reduce


def note(branch: pm.ProgramState, page: int) -> pm.Value[str]:
    branch += f"page {page}: "
    return branch.gen("note")


def append_all(s: pm.ProgramState, notes: Sequence[pm.Value[str]]) -> pm.Value[str]:
    for each in notes:
        s += f"- {each}\n"
    return s.gen("summary")


def test_each_item_has_a_branch_and_all_come_back(backend: ScriptedBackend) -> None:
    backend.answers = {"note": lambda text: text.split()[-1]}
    state = run(lambda s: patterns.map_reduce(s, range(3), note, append_all).get())
    assert state.text() == "start - 0:\n- 1:\n- 2:\n<summary>"
    assert state["note"] == ["0:", "1:", "2:"]
    assert state.ret_value == "<summary>"
    assert backend.max_in_flight == 3


def test_map_reduce_can_be_planned_as_a_whole(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += "start "
        patterns.map_reduce(s, [1, 2], note, append_all)

    drawn = str(program.plan())
    assert drawn.count("note") >= 2
    assert "summary" in drawn
    assert program.run().text() == "start - <note>\n- <note>\n<summary>"


def test_without_items_there_is_no_fork(backend: ScriptedBackend) -> None:
    state = run(lambda s: patterns.map_reduce(s, [], note, append_all))
    assert state.text() == "start <summary>"
    assert len(backend.branches) == 1


def test_a_failed_item_raises(backend: ScriptedBackend) -> None:
    backend.failures = {"note": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match="'note'"):
        run(lambda s: patterns.map_reduce(s, [1, 2], note, append_all))


# retry


def attempt(s: pm.ProgramState, feedback: str | None) -> pm.Value[str]:
    s += f"{feedback or 'Name a fruit.'} "
    return s.gen("x")


def test_it_tries_again_with_what_was_wrong_and_stops(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["stone", "brick", "pear", "never asked for"]}
    state = run(lambda s: patterns.retry(s, attempt, lambda x: None if x == "pear" else f"No {x}."))
    assert state.ret_value == "pear"
    assert state.text() == "start Name a fruit. stoneNo stone. brickNo brick. pear"
    assert len(backend.gens()) == 3


def test_it_gives_up(backend: ScriptedBackend) -> None:
    backend.answers = {"x": ["stone", "brick"]}
    with pytest.raises(patterns.NoneAccepted, match="none of 2 attempts was accepted; the last, 'brick'") as caught:
        run(lambda s: patterns.retry(s, attempt, lambda x: f"No {x}.", max_attempts=2))
    assert (caught.value.value, caught.value.feedback, caught.value.num_attempts) == ("brick", "No brick.", 2)
    assert isinstance(caught.value, pm.PalmetteError)


def test_what_retry_refuses(backend: ScriptedBackend) -> None:
    for max_attempts in (0, True, 1.5):
        with pytest.raises(pm.InvalidArgument, match="max_attempts"):
            run(lambda s, number=max_attempts: patterns.retry(s, attempt, lambda x: None, max_attempts=number))
    with pytest.raises(pm.InvalidArgument, match="check: expected a function that returns what is wrong"):
        run(lambda s: patterns.retry(s, attempt, lambda x: x == "pear"))


# beam_of_thoughts


def test_a_beam_keeps_the_best_of_each_level(backend: ScriptedBackend) -> None:
    backend.answers = {"x": list("2915")}
    beams = run(
        lambda s: patterns.beam_of_thoughts(s, make, lambda b: int(b["x"]), width=2, depth=1, breadth=4)
    ).ret_value
    assert [(beam.values, beam.score) for beam in beams] == [(("9",), 9.0), (("5",), 5.0)]
    thoughts = {"start ": list("29"), "start 9": list("18"), "start 2": list("42")}
    backend.answers = {"x": lambda text: thoughts[text].pop(0)}
    state = run(lambda s: patterns.beam_of_thoughts(s, make, lambda b: int(b["x"]), width=2, depth=2, breadth=2))
    assert [beam.values for beam in state.ret_value] == [("9", "8"), ("2", "4")]
    assert [beam.state.text() for beam in state.ret_value] == ["start 98", "start 24"]
    assert state.text() == "start "
    assert "x" not in state
    assert backend.max_in_flight == 4, "the branches of a level run at once"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(width=st.integers(1, 3), depth=st.integers(1, 3), breadth=st.integers(1, 3))
def test_a_beam_asks_no_more_than_it_says(backend: ScriptedBackend, width: int, depth: int, breadth: int) -> None:
    backend.answers = {"x": lambda text: str(len(text) % 10)}
    backend.submissions.clear()
    beams = run(
        lambda s: patterns.beam_of_thoughts(s, make, lambda b: int(b["x"]), width=width, depth=depth, breadth=breadth)
    ).ret_value
    num_beams, num_thoughts = 1, 0
    for _ in range(depth):
        num_thoughts += num_beams * breadth
        num_beams = min(width, num_beams * breadth)
    assert sum(isinstance(each, Gen) for each in backend.operations) == num_thoughts
    assert len(beams) == num_beams
    assert all(len(beam.values) == depth for beam in beams)
    scores = [beam.score for beam in beams]
    assert scores == sorted(scores, reverse=True)


def test_ties_in_a_beam_go_to_the_first_and_the_program_goes_on_in_it(backend: ScriptedBackend) -> None:
    def body(s: pm.ProgramState) -> str:
        best, second = patterns.beam_of_thoughts(s, make, lambda b: 1, width=2, depth=1, breadth=3)
        assert (best.values, second.values) == (("a",), ("b",))
        best.state.user("on" + pm.gen("y"))
        return best.state.text()

    backend.answers = {"x": list("abc")}
    assert run(body).ret_value == "start a<|im_start|>user\non<y><|im_end|>\n"


def test_the_scores_of_a_beam_are_not_in_its_text(backend: ScriptedBackend) -> None:
    beams = run(
        lambda s: patterns.beam_of_thoughts(s, make, lambda b: b.score("q", "?"), width=1, depth=2, breadth=2)
    ).ret_value
    assert beams[0].state.text() == "start <x><x>"


def test_a_failed_thought_raises(backend: ScriptedBackend) -> None:
    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match="'bad'"):
        run(lambda s: patterns.beam_of_thoughts(s, fail_second(), lambda b: 1, width=2, depth=1, breadth=2))


@pytest.mark.parametrize("name", ["width", "depth", "breadth"])
def test_the_size_of_a_beam_is_positive(backend: ScriptedBackend, name: str) -> None:
    sizes = {"width": 1, "depth": 1, "breadth": 1, name: 0}
    with pytest.raises(pm.InvalidArgument, match=name):
        run(lambda s: patterns.beam_of_thoughts(s, make, lambda b: 1, **sizes))


# route


def test_it_goes_where_the_model_chooses(backend: ScriptedBackend) -> None:
    def choose(branch: pm.ProgramState, names: Sequence[str]) -> pm.Value[str]:
        branch += "what kind? "
        return branch.select("kind", names)

    def to_fact(s: pm.ProgramState) -> str:
        s += "a fact"
        return "fact it is"

    backend.answers = {"kind": "fact"}
    state = run(lambda s: patterns.route(s, choose, {"sum": lambda s: "no", "fact": to_fact}))
    assert state.ret_value == "fact it is"
    assert state.text() == "start a fact"
    assert state["kind"] == ["fact"]


def test_what_a_router_refuses(backend: ScriptedBackend) -> None:
    routes = {"sum": lambda s: None}
    with pytest.raises(pm.InvalidArgument, match=r"choose: expected one of 'sum', got '<other>'"):
        run(lambda s: patterns.route(s, lambda branch, names: branch.gen("other"), routes))
    with pytest.raises(pm.InvalidArgument, match="routes: expected at least one"):
        run(lambda s: patterns.route(s, lambda branch, names: branch.select("kind", names), {}))
    backend.failures = {"kind": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError, match="'kind'"):
        run(lambda s: patterns.route(s, lambda branch, names: branch.select("kind", names), routes))


def test_errors_name_the_line_of_the_caller(backend: ScriptedBackend) -> None:
    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError) as caught:
        run(lambda s: patterns.majority_vote(s, lambda branch: branch.gen("bad"), 2))
    assert caught.value.source is not None
    assert __file__ in caught.value.source


def test_with_tracing_asked_for_they_give_the_same(backend: ScriptedBackend) -> None:
    @pm.function(tracing="always")
    def program(s):
        s += "start "
        vote = patterns.majority_vote(s, make, 3)
        s += f"{vote.value}!"

    backend.answers = {"x": lambda text: "y"}
    assert program.run().text() == "start y!"
    assert "runs eagerly" in program.explain()


def test_an_async_program_awaits_a_plain_one_that_uses_them(backend: ScriptedBackend) -> None:
    @pm.function
    def vote(s):
        return patterns.majority_vote(s, make, 3).value

    @pm.function
    async def program(s):
        s += "start " + (await vote.arun()).ret_value
        with pytest.raises(pm.StateError, match="await"):
            patterns.majority_vote(s, make, 3)

    assert program.run().text() == "start <x>"
