"""Whatever is submitted at once, in pieces, or traced first: the same program says the same, token for token."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import palmette as pm

Steps = list[Any]

TEXTS = st.sampled_from([" The ", "and so on", ".\n", " 12 + 30 = ", "Paris", "<|im_end|>"])
LEAF = st.one_of(
    st.tuples(st.just("text"), TEXTS),
    st.tuples(st.just("gen"), st.sampled_from("xy"), st.integers(1, 6), st.sampled_from([0.0, 1.0])),
    st.tuples(st.just("stop"), st.sampled_from("xy"), st.sampled_from([" ", "e"])),
    st.tuples(st.just("digits"), st.sampled_from("xy")),
    st.tuples(st.just("select"), st.sampled_from("xy"), st.sampled_from([0.0, 1.0])),
    st.tuples(st.just("ref"), st.sampled_from("xy")),
    st.tuples(st.just("sum"), st.sampled_from("xy")),
    st.tuples(st.just("turn"), st.sampled_from("xy")),
    st.tuples(st.just("list"), st.sampled_from("xy")),
    st.tuples(st.just("many"), st.integers(2, 3)),
    st.tuples(st.just("score"), TEXTS),
)
STEPS = st.recursive(
    st.lists(LEAF, min_size=1, max_size=5),
    lambda inner: st.lists(
        st.one_of(
            LEAF,
            st.tuples(
                st.just("fork"),
                st.sampled_from(["gather_variable", "concate_and_append", None]),
                st.lists(inner, min_size=1, max_size=3),
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    max_leaves=14,
)


def perform(s: pm.ProgramState, steps: Steps, depths: dict[str, int]) -> None:
    """Append `steps`; what reads a value, reads it where it can be put in later. `depths`: 0 a text, 1 a list."""
    for step in steps:
        match step:
            case ("text", text):
                s += text
            case ("gen", name, length, temperature):
                s += pm.gen(name, max_tokens=length, temperature=temperature)
                depths[name] = 0
            case ("stop", name, stop):
                s += pm.gen(name, max_tokens=8, stop=stop)
                depths[name] = 0
            case ("digits", name):
                s += pm.gen(name, max_tokens=4, regex="[0-9]+")
                depths[name] = 0
            case ("select", name, temperature):
                s += pm.select(name, ["yes", "no", "maybe so"], temperature)
                depths[name] = 0
            case ("ref", name) if name in depths:
                s += f" ({s[name]}) "
            case ("sum", name) if depths.get(name) == 0:
                s += "<" + s[name] + ">"
            case ("turn", name) if name in depths:
                s.user(f"[{s[name]}]")
                s.assistant(pm.gen(max_tokens=3))
            case ("list", name) if depths.get(name) == 1:
                s += f"{s[name][0]}"
            case ("many", number):
                s += pm.gen("many", n=number, max_tokens=3)
            case ("score", text):
                s += pm.score("score", text)
            case ("fork", mode, branches):
                fork(s, mode, branches, depths)
            case _:
                s += " nothing yet "


def fork(s: pm.ProgramState, mode: Any, branches: list[Steps], depths: dict[str, int]) -> None:
    forks = s.fork(len(branches))
    gathered: dict[str, int] = {}
    for branch, inner in zip(forks, branches, strict=True):
        inside = dict(depths)
        perform(branch, inner, inside)
        for name in branch._transcript.own_names:
            gathered[name] = max(gathered.get(name, 0), inside.get(name, 0) + 1)
    if mode is not None:
        forks.join(mode)
    if mode == "gather_variable":
        depths |= {name: depth for name, depth in gathered.items() if name in "xy"}


def outcome(engine: pm.Engine, steps: Steps, tracing: Any) -> object:
    """Everything that a program made: text, values with their tokens, turns."""

    @pm.function(tracing=tracing)
    def program(s):
        s += "Once upon a time"
        perform(s, steps, {})

    engine.flush_cache()
    state = program.run(backend=engine, seed=7)
    values = {name: (state[name], tokens_of(state.get_meta_info(name))) for name in ("x", "y", "many") if name in state}
    return state.text(), values, state.messages()


def tokens_of(meta: Any) -> object:
    if isinstance(meta, list):
        return [tokens_of(each) for each in meta]
    return meta.get("completion_tokens"), meta.get("choices"), meta.get("seed")


@pytest.fixture(scope="module")
def engine() -> Iterator[pm.Engine]:
    with pm.Engine(max_total_tokens=4096) as made:
        yield made
        made.check_integrity()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_traced_is_eager(engine: pm.Engine, steps: Steps) -> None:
    eager = outcome(engine, steps, "never")
    assert outcome(engine, steps, "auto") == eager
    assert outcome(engine, steps, "always") == eager
