"""StopAutomaton against Python's own regexes; what would be too large is given up, and never on the engine's thread."""

import asyncio
import re
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import palmette as pm
from palmette.grammar.rules.expression import Expression
from palmette.runtime.errors import InvalidRequest
from palmette.runtime.local.embedded import Engine
from palmette.runtime.text import stop_automaton as module
from palmette.runtime.text.stop_automaton import MAX_STATES, START, StopAutomaton, stop_automaton
from palmette.runtime.text.stop_checker import StopChecker

HOSTILE = [
    "(a|b)*a(a|b){30}",
    "(?:.*a){30}b.{25}c",
    "(?:a|b|ab|ba){1,500}c",
    "(?:a?){500}a{500}b",
    "(?:(?:a{1,30}){1,30}){1,30}b",
    "(?:(?:a?){60}){60}b",
    ".{0,3000}END",
    "a{1000000}",
    "|".join(f".*{chr(97 + number)}.{{9}}" for number in range(20)),
]
pieces = st.sampled_from(["a", "b", "[ab]", ".", "[^a]", r"\d", "é", "\n", "1"])
patterns = st.recursive(
    pieces,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("(?:{})*".format, inner),
        st.builds("(?:{}){{1,3}}".format, inner),
    ),
    max_leaves=6,
)


def _reads(automaton: StopAutomaton, text: str) -> list[bool]:
    """Of each beginning of the text but the empty one, whether it matches."""
    state: int | None = START
    found = []
    for character in text:
        state = None if state is None else automaton.after(state, automaton.class_of(character))
        found.append(state is not None and automaton.is_final(state))
    return found


@settings(deadline=None)
@given(pattern=patterns, text=st.text("ab1é\n東", max_size=8))
def test_it_reads_what_python_matches(pattern: str, text: str) -> None:
    if re.fullmatch(pattern, ""):
        with pytest.raises(InvalidRequest, match="matches the empty text"):
            stop_automaton(pattern)
        return
    expected = [re.fullmatch(pattern, text[:end]) is not None for end in range(1, len(text) + 1)]
    assert _reads(stop_automaton(pattern), text) == expected


@pytest.mark.parametrize("pattern", HOSTILE, ids=map(str, range(len(HOSTILE))))
def test_what_would_be_too_large_is_given_up(pattern: str) -> None:
    with pytest.raises(InvalidRequest, match="stop_regex: expected a pattern whose automaton needs at most"):
        stop_automaton(pattern)


@pytest.mark.parametrize("pattern", ["x" * 900, "[^z]{500}z", "(a|b)*a(a|b){8}", r"(?:\w+ ){1,50}END", r"(.*,){11}P"])
def test_what_people_write_is_taken(pattern: str) -> None:
    assert stop_automaton(pattern)


def test_a_place_from_which_nothing_can_come_is_left() -> None:
    automaton = stop_automaton(r"a[^\s\S]|b")
    assert automaton.after(START, automaton.class_of("a")) is None
    assert automaton.after(START, automaton.class_of("b")) is not None


def test_there_are_never_more_places_than_states() -> None:
    checker = StopChecker((), ("[ab]*a[ab]{5}c",))
    checker.append("ab" * 2_000)
    assert len(checker._threads[0]) <= 2**6 + 1
    assert checker.num_safe() == 0
    match = checker.append("c")
    assert match is not None
    assert match.start == 0


def test_long_repeats_stay_within_the_bound() -> None:
    checker = StopChecker((), ("[^z]{300}z",))
    checker.append("y" * 1_000)
    assert len(checker._threads[0]) == 300 <= MAX_STATES
    assert checker.num_safe() == 1_000 - 300


def _generated(engine: Engine, pattern: str) -> None:
    engine.generate("One two", {"max_new_tokens": 2, "stop_regex": pattern})


def _generated_on_a_loop(engine: Engine, pattern: str) -> None:
    asyncio.run(engine.async_generate("One two", {"max_new_tokens": 2, "stop_regex": pattern}))


def _run(engine: Engine, pattern: str) -> None:
    @pm.function
    def program(s: pm.ProgramState) -> None:
        s += "One two" + pm.gen("x", max_tokens=2, stop_regex=pattern)

    try:
        program.run(backend=engine)["x"]
    except pm.ProgramError as error:
        raise error.cause from None


@pytest.mark.parametrize("use", [_generated, _generated_on_a_loop, _run])
def test_the_engine_does_not_make_it(use: Callable[[Engine, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    class Noted(StopAutomaton):
        def __init__(self, expression: Expression) -> None:
            threads.append(threading.current_thread().name)
            super().__init__(expression)

    monkeypatch.setattr(module, "StopAutomaton", Noted)
    with Engine(max_total_tokens=1_024) as engine:
        use(engine, f"never (seen|heard) by {use.__name__}")
        with pytest.raises(InvalidRequest, match="stop_regex"):
            use(engine, f"{HOSTILE[0]}{use.__name__}")
    assert len(threads) == 2
    assert "palmette-engine" not in threads
