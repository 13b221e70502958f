"""How much is guessed: as much as makes the most tokens a second, and nothing where the load is high."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.speculation.draft_size import choose_size
from palmette.runtime.speculation.step_cost import StepCost

DECODE = StepCost((1, 16, 64), (1.0, 1.3, 4.0))
"""Up to 16 tokens are nearly free; then each costs."""


def test_between_the_sizes_that_were_measured_it_is_a_line() -> None:
    assert [DECODE.of(size) for size in (1, 16, 40)] == pytest.approx([1.0, 1.3, 2.65])
    assert DECODE.of(112) == pytest.approx(6.7), "beyond the last it grows as it did"


def test_likely_guesses_are_worth_it_where_tokens_are_nearly_free() -> None:
    assert choose_size([0.9, 0.8, 0.7, 0.6], DECODE, num_rows=1, num_tokens=1) == 4
    assert choose_size([0.9, 0.001], DECODE, num_rows=1, num_tokens=1) == 1
    assert choose_size([0.02], DECODE, num_rows=1, num_tokens=1) == 0
    assert choose_size([], DECODE, num_rows=1, num_tokens=1) == 0


def test_at_high_load_it_fades() -> None:
    assert choose_size([0.5] * 20, DECODE, num_rows=64, num_tokens=64) == 0
    assert choose_size([0.95] * 2, DECODE, num_rows=64, num_tokens=64) == 0


def test_what_a_step_takes_beside_the_pass_makes_a_longer_pass_worth_it() -> None:
    steep = StepCost((1, 64), (1.0, 20.0))
    assert choose_size([0.25] * 4, steep, num_rows=1, num_tokens=1) == 0
    assert choose_size([0.25] * 4, steep, num_rows=1, num_tokens=1, overhead=1.0) == 4


def test_it_does_not_flap() -> None:
    chances = [0.9, 0.8, 0.7, 0.1]
    best = choose_size(chances, DECODE, num_rows=1, num_tokens=1)
    assert choose_size(chances, DECODE, num_rows=1, num_tokens=1, last_size=best - 1) == best - 1
    assert choose_size(chances, DECODE, num_rows=1, num_tokens=1, last_size=1) == best, "but a real gain is taken"


@given(
    st.lists(st.floats(0.0, 1.0), max_size=30),
    st.integers(1, 80),
    st.integers(0, 30),
)
def test_nothing_that_is_chosen_is_slower_than_no_guess(chances: list[float], num_rows: int, last_size: int) -> None:
    chances = sorted(chances, reverse=True)
    size = choose_size(chances, DECODE, num_rows=num_rows, num_tokens=num_rows, last_size=last_size)
    assert 0 <= size <= len(chances)

    def rate(size: int) -> float:
        return (num_rows + sum(chances[:size])) / DECODE.of(num_rows + size)

    assert size == 0 or rate(size) >= rate(0)
    assert size == 0 or 1.03 * rate(size) >= max(map(rate, range(len(chances) + 1))) * 0.999


def test_the_cost_never_falls_with_the_size() -> None:
    seconds = {1: iter([2.0, 1.5]), 2: iter([1.0, 1.2]), 4: iter([3.0, 2.9])}
    cost = StepCost.measured(lambda size: next(seconds[size]), (1, 2, 4), seconds=100.0, max_rounds=2)
    assert cost == StepCost((1, 2, 4), (1.0, 1.0, 2.9))


def test_a_slow_model_is_timed_at_two_sizes() -> None:
    sizes: list[int] = []

    def run(size: int) -> float:
        sizes.append(size)
        return 1.0 + size

    assert StepCost.measured(run, (1, 2, 4, 8), seconds=0.1) == StepCost((1, 8), (2.0, 9.0))
    assert sizes == [1, 8]
