"""Whatever part raises, the requests concerned end with an error, the others with the answers they would have had."""

from collections.abc import Callable

import pytest
import torch
from engine_harness import COMPILER, Harness, Listening, gen, oracle, tokens

from palmette.grammar.spec import Regex
from palmette.lang.events import Event, TextDelta
from palmette.lang.ir import Gen, Select, Text
from palmette.runtime.errors import StepFailed
from palmette.runtime.operations.gen import GenTask
from palmette.runtime.request import Ended, Request
from palmette.runtime.text.detokenizer import Detokenizer
from palmette.runtime.text.stop_checker import StopChecker

GOOD = [tokens(1, 2, 3), gen(6)]


def run_beside(harness: Harness, bad: list[object]) -> tuple[Listening, Listening]:
    """A request that will fail, between two that must not notice."""
    listening = [
        harness.submit(harness.core.open_branch(7, ""), operations)  # type: ignore[arg-type]
        for operations in (GOOD, bad, GOOD)
    ]
    harness.run()
    for each in (listening[0], listening[2]):
        assert each.token_ids() == oracle([1, 2, 3], gen(6).params)
    harness.core.shut_down()
    harness.check_all_returned()
    return listening[1], listening[0]


def failing(method: Callable[..., object], after: int, is_meant: Callable[..., bool]) -> Callable[..., object]:
    """The same method, which raises from the `after`th call on for whom it is meant."""
    num_calls = 0

    def sabotaged(self: object, *arguments: object, **named: object) -> object:
        nonlocal num_calls
        if is_meant(self, *arguments):
            num_calls += 1
            if num_calls > after:
                raise RuntimeError("sabotage")
        return method(self, *arguments, **named)

    return sabotaged


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("part", ["fill_bitmask", "accept"])
def test_a_matcher(part: str, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    constraint = Regex("[a-f]{4,8}")
    matcher = type(COMPILER.compile(constraint).new_matcher())
    monkeypatch.setattr(matcher, part, failing(getattr(matcher, part), after, lambda *_: True))
    bad, _ = run_beside(Harness(), [tokens(1, 2), Gen("x", gen(8).params, constraint)])
    assert isinstance(bad.error, StepFailed)
    assert "sabotage" in str(bad.error)


@pytest.mark.parametrize("after", [0, 2])
def test_a_detokenizer(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed: list[Detokenizer] = []
    init = GenTask.__post_init__

    def note(task: GenTask) -> None:
        init(task)
        if task.params.max_new_tokens == 8:
            doomed.append(task.detokenizer)

    monkeypatch.setattr(GenTask, "__post_init__", note)
    monkeypatch.setattr(
        Detokenizer,
        "append",
        failing(Detokenizer.append, after, lambda self, *_: any(self is each for each in doomed)),
    )
    bad, _ = run_beside(Harness(), [tokens(1, 2), gen(8)])
    assert isinstance(bad.error, StepFailed)


def test_a_stop_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StopChecker, "append", failing(StopChecker.append, 1, lambda *_: True))
    bad, _ = run_beside(Harness(), [tokens(1, 2), gen(8, stop=("never there",))])
    assert isinstance(bad.error, StepFailed)


def test_one_sample_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        GenTask, "receive_token", failing(GenTask.receive_token, 3, lambda self, *_: self.branch.path != 0)
    )
    bad, _ = run_beside(Harness(), [tokens(1, 2), gen(8, n=3, temperature=1.0)])
    assert isinstance(bad.error, StepFailed)


def test_an_operation_that_cannot_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    starter = harness.core.branches._starter
    monkeypatch.setattr(starter, "select", failing(lambda *_: None, 0, lambda *_: True))
    bad, _ = run_beside(harness, [tokens(1, 2), Text("a"), Select("s", ("b", "c"))])
    assert isinstance(bad.error, RuntimeError)
    assert bad.ended is not None
    assert bad.ended.operation_index == 2


@pytest.mark.parametrize("at", ["first", "value", "end"])
def test_a_callback(at: str) -> None:
    harness = Harness()
    heard: list[Event | Ended] = []

    def deaf(item: Event | Ended) -> None:
        heard.append(item)
        is_value = not isinstance(item, TextDelta | Ended)
        if at == "first" or (at == "value" and is_value) or (at == "end" and isinstance(item, Ended)):
            raise RuntimeError("nobody is here")

    harness.core.submit(Request(harness.core.open_branch(1, ""), (tokens(1), gen(5)), deaf))
    good = harness.submit(harness.core.open_branch(7, ""), GOOD)  # type: ignore[arg-type]
    harness.run()
    assert good.token_ids() == oracle([1, 2, 3], gen(6).params)
    assert heard
    harness.core.shut_down()
    harness.check_all_returned()


def test_a_forward_pass_ends_the_rows_in_it_and_not_those_that_wait() -> None:
    harness = Harness(max_running_rows=1)
    bad = harness.submit(harness.core.open_branch(7, ""), GOOD)  # type: ignore[arg-type]
    good = harness.submit(harness.core.open_branch(7, ""), GOOD)  # type: ignore[arg-type]
    harness.core.step()
    harness.model.failures.append(torch.OutOfMemoryError("no room"))
    harness.run()
    assert isinstance(bad.error, StepFailed)
    assert good.token_ids() == oracle([1, 2, 3], gen(6).params)
    harness.core.shut_down()
    harness.check_all_returned()


def test_a_forward_pass_that_fails_for_a_leader_lets_its_followers_go_on() -> None:
    harness = Harness(page_size=4, token_budget=8)
    prompt = list(range(100, 140))
    leader = harness.submit(harness.core.open_branch(7, ""), [tokens(*prompt), gen(2)])
    harness.core.step()
    follower = harness.submit(harness.core.open_branch(7, ""), [tokens(*prompt, 1), gen(2)])
    harness.core.step()
    harness.model.failures.append(RuntimeError("the device is on fire"))
    harness.run()
    assert isinstance(leader.error, StepFailed)
    assert follower.token_ids() == oracle([*prompt, 1], gen(2).params)
