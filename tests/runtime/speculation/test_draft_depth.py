"""How far a draft model writes ahead: as long as a guess saves more than its pass takes."""

from palmette.runtime.speculation.draft_depth import DraftDepth
from palmette.runtime.speculation.step_cost import StepCost


def flat(seconds: float) -> StepCost:
    return StepCost((1, 100), (seconds, seconds))


def test_a_guess_must_be_likelier_than_its_pass_is_cheap() -> None:
    depth = DraftDepth(flat(0.1), flat(1.0))
    assert depth.is_worth(0.2, 1)
    assert not depth.is_worth(0.05, 1)


def test_one_more_token_of_the_target_counts_too() -> None:
    assert not DraftDepth(flat(0.1), StepCost((1, 3), (1.0, 3.0))).is_worth(0.9, 1), "a token costs as much as a pass"


def test_rows_share_a_pass_of_the_draft_model() -> None:
    target = StepCost((1, 2, 8), (1.0, 2.0, 8.0))  # so a guess saves the same with eight rows
    assert DraftDepth(flat(0.1), target).is_worth(0.9, 8) is False
    half = StepCost((1, 8, 9), (1.0, 8.0, 8.0))
    depth = DraftDepth(flat(1.6), half)
    assert not depth.is_worth(0.9, 1)
    assert depth.is_worth(0.9, 8)


def test_the_time_that_drafting_takes_beside_its_passes_counts() -> None:
    depth = DraftDepth(flat(0.1), flat(1.0))
    for _ in range(200):
        depth.add_time(0.5, 0.1)
    assert not depth.is_worth(0.4, 1)
    assert depth.is_worth(0.6, 1)


def test_where_first_guesses_are_wrong_it_is_tried_now_and_then() -> None:
    depth = DraftDepth(flat(0.3), flat(1.0))
    assert depth.is_worth_beginning(1)
    for _ in range(100):
        depth.add(False)
    assert [depth.is_worth_beginning(1) for _ in range(32)].count(True) == 2
    for _ in range(100):
        depth.add(True)
    assert depth.is_worth_beginning(1)
