"""run_batch: results in order, the first failure raised, no thread left."""

import signal
import sys
import threading
from collections.abc import Iterator

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as sgl


@sgl.function
def ask(s, question, tone="kind"):
    s += f"{question} ({tone}): " + sgl.gen("a")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [each for each in threading.enumerate() if each.name.startswith("palmette-batch")] == []


@pytest.mark.parametrize("num_threads", ["auto", 1, 3])
def test_results_in_order(backend: ScriptedBackend, num_threads) -> None:
    backend.answers = {"a": lambda text: text.upper()}
    items = [{"question": str(i)} if i % 2 else (str(i), "stern") for i in range(50)]
    states = ask.run_batch(items, num_threads=num_threads)
    assert [state["a"] for state in states] == [f"{i} ({'KIND' if i % 2 else 'STERN'}): " for i in range(50)]


def test_thousands_of_items(backend: ScriptedBackend) -> None:
    states = ask.run_batch([(str(i),) for i in range(2000)], num_threads=8)
    assert len(states) == 2000
    assert all(state["a"] == "<a>" for state in states)


def test_generator_style_and_progress_bar(backend: ScriptedBackend, capsys: pytest.CaptureFixture[str]) -> None:
    states = ask.run_batch([(str(i),) for i in range(9)], generator_style=True, progress_bar=True)
    assert next(states).text() == "0 (kind): <a>"
    assert [state.text()[0] for state in states] == list("12345678")
    assert "9/9" in capsys.readouterr().out


def test_an_abandoned_generator_ends_its_threads(backend: ScriptedBackend) -> None:
    backend.stuck = frozenset({"a"})

    @sgl.function
    def program(s, i):
        s += "text" if i == 0 else sgl.gen("a")

    states = program.run_batch([(i,) for i in range(9)], generator_style=True, num_threads=4)
    assert next(states).text() == "text"
    states.close()


def test_an_empty_batch(backend: ScriptedBackend) -> None:
    assert ask.run_batch([]) == []


def test_options_are_for_every_item_and_seeds_differ(backend: ScriptedBackend) -> None:
    ask.run_batch([("a",), ("b",)], temperature=0.5, seed=2**64 - 1, cache_salt="me", num_threads=1)
    assert [gen.params.temperature for gen in backend.gens()] == [0.5, 0.5]
    assert backend.opened == [(2**64 - 1, "me"), (0, "me")]


def test_the_first_failure_is_raised_and_names_its_item(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, i):
        s += sgl.gen("bad" if i == 3 else "stuck")

    backend.failures = {"bad": ScriptedFailure("no")}
    backend.stuck = frozenset({"stuck"})
    with pytest.raises(sgl.ProgramError, match=r"item 3 of the batch.*gen 'bad'") as caught:
        program.run_batch([(i,) for i in range(100)], num_threads=4)
    assert caught.value.batch_index == 3


def test_the_programs_own_error_passes_with_a_note(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, i):
        s += sgl.gen("x")
        if i == 2:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        program.run_batch([(i,) for i in range(5)])
    assert "item 2" in caught.value.__notes__[0]


def test_errors_can_be_returned(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, name):
        s += sgl.gen(name)

    backend.failures = {"bad": ScriptedFailure("no")}
    good, bad, other = program.run_batch([("x",), ("bad",), ("y",)], on_error="return")
    assert (good["x"], other["y"]) == ("<x>", "<y>")
    assert isinstance(bad, sgl.ProgramError)
    assert bad.batch_index == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_threads": 0},
        {"num_threads": "many"},
        {"on_error": "ignore"},
        {"stream": True},
        {"temperature": -1},
    ],
)
def test_wrong_options(backend: ScriptedBackend, wrong) -> None:
    with pytest.raises(sgl.InvalidArgument):
        ask.run_batch([("a",)], **wrong)


def test_wrong_items_raise_before_anything_runs(backend: ScriptedBackend) -> None:
    with pytest.raises(sgl.InvalidArgument, match=r"batch_kwargs\[1\]"):
        ask.run_batch([("a",), "b"])
    with pytest.raises(TypeError, match="missing") as caught:
        ask.run_batch([("a",), {"tone": "b"}])
    assert "item 1" in caught.value.__notes__[0]
    with pytest.raises(TypeError, match="too many"):
        ask.run_batch([("a", "b", "c")])
    with pytest.raises(TypeError, match="unexpected argument 'max_tokens'"):
        ask.run_batch([("a",)], max_tokens=1)
    assert backend.submissions == []


@pytest.mark.skipif(sys.platform == "win32", reason="raises the signal in this process")
def test_an_interrupt_ends_the_batch(backend: ScriptedBackend) -> None:
    @sgl.function
    def program(s, i):
        if i == 1:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        s += sgl.gen("stuck")

    backend.stuck = frozenset({"stuck"})
    # A shell that runs the tests in the background has the signal ignored, and then Python leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            program.run_batch([(i,) for i in range(8)], num_threads=4)
    finally:
        signal.signal(signal.SIGINT, before)
