"""When operations are sent never changes what comes of them."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_backend import ScriptedBackend

import palmette as sgl

Steps = list[object]

LEAF = st.one_of(
    st.sampled_from(["text", "", "<|im_end|>"]),
    st.sampled_from([("gen", "x"), ("gen", "y"), ("gen", None), ("select", "x"), ("user", "z"), ("set", "x")]),
)
STEPS = st.recursive(
    st.lists(LEAF, max_size=4),
    lambda inner: st.lists(
        st.one_of(
            LEAF,
            st.tuples(
                st.sampled_from(["gather_variable", "concate_and_append", None]),
                st.lists(inner, min_size=1, max_size=3),
            ),
            st.tuples(st.just("scope"), inner),
        ),
        max_size=5,
    ),
    max_leaves=12,
)


def perform(s: sgl.ProgramState, steps: Steps, after_each: Callable[[sgl.ProgramState], object]) -> None:
    """Append `steps`; a tuple is a gen, a select, a turn, a variable, a scope, or a fork with what its branches do."""
    for step in steps:
        match step:
            case str():
                s += step
            case ("gen", name):
                s += "[" + sgl.gen(name) + "]"
            case ("select", name):
                s += sgl.select(name, ["a", "b"])
            case ("user", name):
                s += sgl.user("u" + sgl.gen(name))
            case ("set", name):
                s[name] = 5
            case ("scope", inner):
                with s.var_scope("scope"):
                    perform(s, inner, after_each)
            case (mode, branches):
                forks = s.fork(len(branches))
                for fork, inner in zip(forks, branches, strict=True):
                    perform(fork, inner, after_each)
                if mode is not None:
                    forks.join(mode)
        after_each(s)


def outcome(steps: Steps, after_each: Callable[[sgl.ProgramState], object], *, stream: bool) -> object:
    backend = ScriptedBackend({"x": lambda text: f"x{len(text)}", "y": lambda text: f"y{text[-3:]}"})
    state = sgl.function(lambda s: perform(s, steps, after_each)).run(backend=backend, stream=stream)
    streamed = "".join(state.text_iter())
    assert streamed == state.text()
    backend.check_all_closed()
    values = {name: state[name] for name in ("x", "y", "z", "scope") if name in state}
    return streamed, state.messages(), values


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_lazy_eager_and_streamed_are_the_same(steps: Steps) -> None:
    lazy = outcome(steps, lambda s: None, stream=False)
    assert outcome(steps, lambda s: s.text(), stream=False) == lazy
    assert outcome(steps, lambda s: None, stream=True) == lazy
