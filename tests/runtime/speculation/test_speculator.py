"""The speculator: whom it asks, and when."""

from collections.abc import Iterable
from dataclasses import dataclass

from palmette.runtime.speculation.draft import Draft, Source
from palmette.runtime.speculation.drafter import DraftText
from palmette.runtime.speculation.speculator import Speculator
from palmette.runtime.speculation.step_cost import StepCost


@dataclass
class Counting:
    """Has nothing to say, and counts how often it was asked."""

    num_asked: int = 0
    source: Source = "suffix"

    def begin(self, text: DraftText) -> "Counting":
        return self

    def drafts(self, max_len: int) -> Iterable[Draft]:
        self.num_asked += 1
        return ()


def asked_in(num_passes: int, text: DraftText) -> list[int]:
    """The passes in which a guesser that finds nothing is asked."""
    guesser = Counting()
    speculator = Speculator([guesser], StepCost((1, 100), (1.0, 1.0)), clock=lambda: 0.0)
    followed = speculator.begin(text)
    asked = []
    for number in range(num_passes):
        before = guesser.num_asked
        speculator.trees([followed], num_rows=1, num_tokens=1, max_nodes=8)
        speculator.end_pass(0.0)
        asked += [number] * (guesser.num_asked - before)
    return asked


def test_a_text_without_guesses_is_asked_for_less_and_less_and_never_no_more() -> None:
    assert asked_in(60, DraftText("", [1, 2], 1)) == [0, 3, 8, 17, 34, 51]


def test_where_a_prediction_was_given_every_place_may_be_one_of_it() -> None:
    assert asked_in(5, DraftText("", [1, 2], 1, prediction="x")) == [0, 1, 2, 3, 4]
