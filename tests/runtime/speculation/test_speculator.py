"""Whom the speculator asks, and when it leaves a text alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine_harness import Harness, gen, tokens

from palmette.runtime.models.batch import Batch
from palmette.runtime.speculation.draft import Draft, Source
from palmette.runtime.speculation.drafter import DraftText
from palmette.runtime.speculation.speculator import Guesses, Speculator
from palmette.runtime.speculation.step_cost import StepCost

COST = StepCost((1, 64), (1.0, 1.1))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Guessing:
    """Guesses two tokens each time, and takes its time for it."""

    clock: Clock
    seconds: float = 0.0
    probability: float = 0.9
    source: Source = "suffix"
    asked: list[int] = field(default_factory=list)
    """The first token of each text that was asked for."""

    def begin(self, text: DraftText) -> "_Text":
        return _Text(self, text)


@dataclass
class _Text:
    drafter: Guessing
    text: DraftText

    def drafts(self, max_len: int) -> Iterable[Draft]:
        self.drafter.asked.append(self.text.token_ids[0])
        self.drafter.clock.now += self.drafter.seconds
        yield Draft((7, 8), (self.drafter.probability,) * 2, self.drafter.source)


def step(speculator: Speculator, clock: Clock, *texts: Guesses, num_right: int = 0) -> list[int]:
    """One step, of which a pass takes a second and the rest another; the sizes of the trees."""
    trees = speculator.trees(texts, num_rows=len(texts), num_tokens=len(texts), max_nodes=32)
    clock.now += 2.0
    for text, tree in zip(texts, trees, strict=True):
        if len(tree):
            right = list(range(min(num_right, len(tree))))
            speculator.learn(text, tree, right, len(right) + 1)
    speculator.end_pass(0.0)
    return [len(tree) for tree in trees]


def text(first: int) -> DraftText:
    return DraftText("", [first, 2, 3], 0)


def test_a_new_text_is_asked_for_even_where_guessing_does_not_pay() -> None:
    clock = Clock()
    drafter = Guessing(clock, seconds=50.0)
    speculator = Speculator([drafter], COST, clock=clock)
    old = speculator.begin(text(1))
    other = speculator.begin(text(2))
    for _ in range(41):
        step(speculator, clock, old, other)
    drafter.asked.clear()
    new = speculator.begin(text(9))
    step(speculator, clock, old, new)
    step(speculator, clock, old, new)
    assert drafter.asked == [9]


def test_a_text_without_likely_guesses_waits_longer_and_longer() -> None:
    clock = Clock()
    drafter = Guessing(clock, probability=0.06)
    speculator = Speculator([drafter], StepCost((1, 2), (1.0, 2.0)), clock=clock)
    alone = speculator.begin(text(1))
    asked = []
    for _ in range(60):
        before = len(drafter.asked)
        assert step(speculator, clock, alone) == [0]
        asked.append(len(drafter.asked) > before)
    assert [index for index, was_asked in enumerate(asked) if was_asked] == [0, 3, 8, 17, 34, 51]


def test_a_text_whose_guesses_are_wrong_waits_too_until_one_is_right() -> None:
    clock = Clock()
    drafter = Guessing(clock)
    speculator = Speculator([drafter], COST, clock=clock)
    alone = speculator.begin(text(1))
    assert [step(speculator, clock, alone) for _ in range(4)] == [[2], [0], [0], [2]]
    assert step(speculator, clock, alone) == [0]
    alone.num_passes_to_wait = 0
    assert [step(speculator, clock, alone, num_right=1) for _ in range(3)] == [[2]] * 3


def test_where_guessing_does_not_pay_passes_go_by_without_a_question() -> None:
    clock = Clock()
    drafter = Guessing(clock, seconds=50.0)
    speculator = Speculator([drafter], COST, clock=clock)
    alone = speculator.begin(text(1))
    while not speculator.is_resting:
        step(speculator, clock, alone)
    num_asked = len(drafter.asked)
    num_rested = 0
    while speculator.is_resting:
        speculator.rest()
        num_rested += 1
    assert num_rested == 7
    assert len(drafter.asked) == num_asked


def test_a_text_with_a_prediction_never_waits() -> None:
    clock = Clock()
    drafter = Guessing(clock, probability=0.06)
    speculator = Speculator([drafter], StepCost((1, 2), (1.0, 2.0)), clock=clock)
    alone = speculator.begin(DraftText("", [1, 2, 3], 0, prediction="x"))
    for _ in range(5):
        assert step(speculator, clock, alone) == [0]
    assert len(drafter.asked) == 5


def test_what_was_foretold_or_goes_well_is_asked_for_where_guessing_does_not_pay() -> None:
    clock = Clock()
    drafter = Guessing(clock, seconds=50.0)
    speculator = Speculator([drafter], COST, clock=clock)
    old, other = speculator.begin(text(1)), speculator.begin(text(2))
    for _ in range(41):
        step(speculator, clock, old, other)
    foretold = speculator.begin(DraftText("", [5, 2, 3], 0, prediction="x"))
    step(speculator, clock, old, foretold)
    drafter.asked.clear()
    for _ in range(4):
        step(speculator, clock, old, foretold)
    assert drafter.asked.count(5) == 4
    assert not old.is_promising
    old.is_on_track = True
    assert old.is_promising


def test_what_a_step_takes_beside_its_pass_is_measured_where_nothing_was_checked() -> None:
    clock = Clock()
    drafter = Guessing(clock)
    speculator = Speculator([drafter], COST, clock=clock)
    guesses = speculator.begin(text(1))
    for _ in range(5):
        assert step(speculator, clock, guesses, num_right=2) == [2]
    assert speculator._worth.overhead(1) == 0.0
    guesses.guessers.clear()
    for _ in range(5):
        assert step(speculator, clock, guesses) == [0]
    assert speculator._worth.overhead(1) == 1.0


def test_time_without_work_is_no_part_of_a_step() -> None:
    clock = Clock()
    harness = Harness(make_drafters=lambda _: [Guessing(clock, probability=0.0)], is_caching=False)
    speculator = harness.core._speculator
    assert speculator is not None
    speculator.clock = clock

    def take(batch: Batch) -> None:
        clock.now += 1.0

    harness.model.on_pass = take
    for seed in range(20):
        harness.answer([tokens(5, 6, 7), gen(1)], seed=seed)
        clock.now += 100.0
    assert speculator._worth.overhead(1) == 0.0


def test_guesses_compete_with_steps_whose_passes_ran_ahead() -> None:
    clock = Clock()
    speculator = Speculator([Guessing(clock)], COST, clock=clock)
    rate = speculator._worth._record(2, False).rate_without
    for seconds in (9.0, 0.5, 0.5, 0.5):  # the first says when the next began
        clock.now += seconds
        speculator.rest(num_rows_ahead=2)
    assert (rate.num_steps, rate.num_tokens / rate.seconds) == (3, 4.0)
    speculator.pause()
    clock.now += 100.0  # nobody was there
    speculator.rest(num_rows_ahead=2)
    speculator.rest()
    clock.now += 100.0
    speculator.rest(num_rows_ahead=2)
    assert rate.num_steps == 3
