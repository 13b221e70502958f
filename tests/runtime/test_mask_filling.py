"""Masks are filled beside the forward pass: the same ones, by one thread a matcher, and a fault ends one request."""

import threading
from collections.abc import Sequence

import pytest
import torch
from engine_harness import COMPILER, VOCAB_SIZE, Harness, Listening, gen, oracle, tokens
from guarded_grammar import GuardedCompiler, GuardedWalk, guarded
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_rows import StubTask
from torch import Tensor

from palmette.grammar.spec import Choice, Constraint, JsonSchema, Regex
from palmette.kernels.token_bitmask import mask_words
from palmette.lang.ir import Gen
from palmette.runtime.branch import Branch
from palmette.runtime.errors import StepFailed
from palmette.runtime.filled_mask import FilledMask
from palmette.runtime.mask_filler import MaskFiller

CONSTRAINTS: tuple[Constraint, ...] = (
    Regex("[a-z ]{3,9}"),
    JsonSchema('{"type": "array", "items": {"type": "integer"}, "maxItems": 3}'),
    Choice(("yes", "yesterday", "no")),
    guarded(3),
    guarded(11),
)


class FillingTask(StubTask):
    """Writes its number into its mask, or fails with it."""

    number: int = 0
    failure: BaseException | None = None
    num_filled: int = 0
    thread: int | None = None

    def fill_mask(self, row: Tensor) -> bool:
        self.num_filled += 1
        self.thread = threading.get_ident()
        if self.failure is not None:
            raise self.failure
        row.zero_()
        row[0] = self.number
        return self.number > 1


def filling(number: int, failure: BaseException | None = None) -> FillingTask:
    task = FillingTask(Branch(number, "", 0, token_ids=[1]))
    task.number, task.failure = number, failure
    return task


@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_every_mask_is_filled_once_and_comes_back_in_order(num_threads: int) -> None:
    others = set(threading.enumerate())
    filler = MaskFiller(VOCAB_SIZE, num_threads)
    for num_tasks in (0, 1, 40, 7, 90):
        tasks = [filling(number) for number in range(num_tasks)]
        masks = filler.start(tasks).collect()
        assert [int(mask.row[0]) for mask in masks] == list(range(num_tasks))
        assert [mask.num_allowed for mask in masks] == [min(number.bit_count(), 2) for number in range(num_tasks)]
        assert [mask.is_restricted for mask in masks] == [number > 1 for number in range(num_tasks)]
        assert all(tuple(mask.row.shape) == (mask_words(VOCAB_SIZE),) for mask in masks)
        assert [task.num_filled for task in tasks] == [1] * num_tasks
        if num_threads == 0:
            assert {task.thread for task in tasks} <= {threading.get_ident()}
    filler.close()
    assert set(threading.enumerate()) <= others
    assert [int(mask.row[0]) for mask in filler.start([filling(5)]).collect()] == [5], "it can be used again"
    filler.close()


def test_threads_do_take_part() -> None:
    """The caller's thread comes late: by then others have begun."""
    filler = MaskFiller(VOCAB_SIZE, 2)
    task, begun, go_on = filling(1), threading.Event(), threading.Event()
    inner = task.fill_mask

    def slow(row: Tensor) -> bool:
        begun.set()
        assert go_on.wait(30)
        return inner(row)

    task.fill_mask = slow  # type: ignore[method-assign]  # a task that says when it is at work
    job = filler.start([task, filling(2)])
    assert begun.wait(30)
    go_on.set()
    assert [int(mask.row[0]) for mask in job.collect()] == [1, 2]
    assert task.thread != threading.get_ident()
    filler.close()


class Panic(BaseException):
    """As engines written in Rust raise it."""


@pytest.mark.parametrize("num_threads", [0, 2])
@pytest.mark.parametrize("failure", [RuntimeError("no mask"), Panic("no mask")])
def test_a_fill_that_fails_is_told_of_its_own_row(num_threads: int, failure: BaseException) -> None:
    filler = MaskFiller(VOCAB_SIZE, num_threads)
    tasks = [filling(1), filling(2, failure), filling(3)]
    masks: Sequence[FilledMask] = filler.start(tasks).collect()
    assert [mask.error for mask in masks] == [None, failure, None]
    assert [int(masks[0].row[0]), int(masks[2].row[0])] == [1, 3]
    filler.close()


def answers(num_mask_threads: int, seeds: Sequence[int], choice: Sequence[int]) -> list[object]:
    compiler = GuardedCompiler()
    harness = Harness(compiler=compiler, num_mask_threads=num_mask_threads, token_budget=16)
    started: list[Listening] = []
    for seed, index in zip(seeds, choice, strict=True):
        operation = Gen("x", gen(14, temperature=1.0, ignore_eos=False).params, CONSTRAINTS[index])
        started.append(harness.submit(harness.core.open_branch(seed, ""), [tokens(1, 2, 3), operation]))
    while harness.core.step():
        pass
    heard: list[object] = []
    for each in started:
        if each.error is None:
            (sample,) = each.samples()
            heard.append((sample.token_ids, sample.text, sample.forced, sample.num_rollbacks, sample.finish_reason))
        else:
            heard.append((type(each.error), str(each.error)))
    harness.core.shut_down()
    harness.check_all_returned()
    return heard


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_threads_change_no_answer(data: st.DataObject) -> None:
    seeds = data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=8), "seeds")
    choice = [data.draw(st.integers(0, len(CONSTRAINTS) - 1), "constraint") for _ in seeds]
    alone = answers(0, seeds, choice)
    assert answers(1, seeds, choice) == alone
    assert answers(3, seeds, choice) == alone


@pytest.mark.parametrize("num_mask_threads", [0, 2])
@pytest.mark.parametrize("failure", [RuntimeError("sabotage"), Panic("sabotage")])
def test_a_matcher_that_fails_ends_its_request_alone(
    num_mask_threads: int, failure: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: GuardedWalk, row: Tensor) -> bool:
        raise failure

    monkeypatch.setattr(GuardedWalk, "fill_bitmask", failing)
    harness = Harness(compiler=GuardedCompiler(), num_mask_threads=num_mask_threads)
    good, bad, other = (
        harness.submit(harness.core.open_branch(7, ""), [tokens(1, 2), operation])
        for operation in (gen(6), Gen("x", gen(6).params, guarded(3)), Gen("x", gen(6).params, Choice(("yes", "no"))))
    )
    harness.run()
    assert isinstance(bad.error, StepFailed)
    assert "sabotage" in str(bad.error)
    assert good.token_ids() == oracle([1, 2], gen(6).params)
    assert other.samples()[0].text in ("yes", "no")
    harness.core.shut_down()
    harness.check_all_returned()


def test_a_pass_that_fails_waits_for_its_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is ended must not have its matcher in another thread's hands."""
    at_work: set[int] = set()
    inner = GuardedWalk.fill_bitmask

    def watched(self: GuardedWalk, row: Tensor) -> bool:
        at_work.add(id(self))
        result = inner(self, row)
        at_work.discard(id(self))
        return result

    monkeypatch.setattr(GuardedWalk, "fill_bitmask", watched)
    harness = Harness(compiler=GuardedCompiler(), num_mask_threads=2)
    listening = [
        harness.submit(harness.core.open_branch(7, ""), [tokens(1, 2 + salt), Gen("x", gen(6).params, guarded(salt))])
        for salt in range(8)
    ]
    harness.model.failures.append(RuntimeError("sabotage"))
    harness.core.step()
    assert not at_work
    harness.run()
    assert all(isinstance(each.error, StepFailed) for each in listening)
    harness.core.shut_down()
    harness.check_all_returned()


def test_an_engine_that_is_shut_down_has_no_threads() -> None:
    others = set(threading.enumerate())
    harness = Harness(num_mask_threads=2)
    harness.answer([tokens(1, 2), Gen("x", gen(4).params, Choice(("yes", "no")))])
    assert set(threading.enumerate()) > others
    harness.core.shut_down()
    assert set(threading.enumerate()) <= others


def test_what_is_not_constrained_wants_no_mask() -> None:
    others = set(threading.enumerate())
    harness = Harness(num_mask_threads=2)
    assert harness.answer([tokens(1, 2), gen(4)]).token_ids() == oracle([1, 2], gen(4).params)
    assert set(threading.enumerate()) <= others, "no thread was started"
    row = torch.zeros(mask_words(VOCAB_SIZE), dtype=torch.int32)
    with pytest.raises(AssertionError, match="no constraint"):
        StubTask(Branch(1, "", 0, token_ids=[1])).fill_mask(row)
    assert COMPILER.vocabulary.mask_words == mask_words(VOCAB_SIZE)
