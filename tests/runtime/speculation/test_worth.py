"""Whether guessing pays: where it costs more than it brings it is left, and tried again now and then."""

from palmette.runtime.speculation.step_cost import StepCost
from palmette.runtime.speculation.worth import Worth

COST = StepCost((1, 64, 256), (1.0, 1.2, 4.0))


def passes(worth: Worth, num_passes: int, *, num_rows: int, num_right: float, seconds: float) -> list[int]:
    """For how many texts it was guessed in each pass; every text has two guesses, of which some are right."""
    asked = []
    for _ in range(num_passes):
        num_texts = worth.num_texts(num_rows, num_rows=num_rows, num_tokens=num_rows)
        asked.append(num_texts)
        if num_texts:
            worth.add(
                num_texts,
                num_rows=num_rows,
                num_nodes=2 * num_texts,
                num_right=round(num_right * num_texts),
                seconds=seconds * num_texts,
            )
    return asked


def test_what_pays_goes_on() -> None:
    assert passes(Worth(COST), 100, num_rows=4, num_right=1.0, seconds=0.01) == [4] * 100


def test_what_does_not_pay_is_left_and_tried_with_one_text() -> None:
    asked = passes(Worth(COST), 100, num_rows=64, num_right=0.1, seconds=0.01)
    assert asked[:8] == [64] * 8
    assert set(asked[8:]) == {0, 1}
    assert asked[8:].count(1) == 92 // 16


def test_it_begins_again_when_the_texts_have_changed() -> None:
    worth = Worth(COST)
    passes(worth, 50, num_rows=64, num_right=0.0, seconds=0.001)
    assert 64 in passes(worth, 1000, num_rows=64, num_right=2.0, seconds=0.001)


def test_what_a_step_takes_beside_the_pass_is_saved_too() -> None:
    worth = Worth(COST)
    for seconds in (1.0, 1.0, 90.0, 1.0):  # one of them was held up
        worth.add_step(seconds, num_rows=4)
    assert worth.overhead(4) == 1.0
    assert worth.overhead(64) == 0.0
    assert passes(Worth(COST), 30, num_rows=4, num_right=0.5, seconds=0.2)[-1] in (0, 1)
    assert passes(worth, 30, num_rows=4, num_right=0.5, seconds=0.2) == [4] * 30


def test_constrained_texts_are_judged_by_themselves() -> None:
    worth = Worth(COST)
    passes(worth, 50, num_rows=1, num_right=0.0, seconds=0.5)
    assert worth.num_texts(1, num_rows=1, num_tokens=1) == 0
    assert worth.num_texts(1, num_rows=1, num_tokens=1, is_constrained=True) == 1


def test_what_holds_at_one_load_says_nothing_of_another() -> None:
    worth = Worth(COST)
    passes(worth, 50, num_rows=64, num_right=0.0, seconds=0.01)
    assert passes(worth, 1, num_rows=2, num_right=1.0, seconds=0.01) == [2]


def decode(worth: Worth, num_steps: int, seconds: float, *, num_asked: int, num_right: int = 0) -> None:
    for _ in range(num_steps):
        worth.add_decoding(
            seconds,
            num_rows=4,
            num_asked=num_asked,
            num_nodes=4 * bool(num_asked),
            num_right=num_right,
            is_constrained=False,
        )


def test_what_was_measured_counts_more_than_what_was_estimated() -> None:
    worth = Worth(COST)
    passes(worth, 20, num_rows=4, num_right=1.0, seconds=0.01)
    decode(worth, 12, 1.0, num_asked=0)
    decode(worth, 12, 1.9, num_asked=4, num_right=2)  # 6 tokens in 1.9 s, where 4 take 1 s
    assert worth.num_texts(4, num_rows=4, num_tokens=4) == 0
    decode(worth, 40, 1.1, num_asked=4, num_right=2)
    assert worth.num_texts(4, num_rows=4, num_tokens=4) == 4


def test_a_rate_of_long_ago_does_not_count() -> None:
    worth = Worth(COST)
    passes(worth, 20, num_rows=4, num_right=1.0, seconds=0.01)
    decode(worth, 12, 1.0, num_asked=0)
    decode(worth, 40, 1.9, num_asked=4)
    assert worth.num_texts(4, num_rows=4, num_tokens=4) == 0
    decode(worth, 10, 1.9, num_asked=4)  # the machine may have been faster when there were no guesses
    assert worth.num_texts(4, num_rows=4, num_tokens=4) == 4


def test_a_rate_that_is_old_is_found_out_anew() -> None:
    worth = Worth(COST)
    passes(worth, 20, num_rows=4, num_right=1.0, seconds=0.01)
    decode(worth, 12, 1.0, num_asked=0)
    decode(worth, 12, 1.9, num_asked=4)
    asked = [worth.num_texts(4, num_rows=4, num_tokens=4) for _ in range(257)]
    assert set(asked[:-1]) == {0, 1}
    assert asked[-1] == 4


def test_a_step_that_was_held_up_counts_as_twice_as_long_at_most() -> None:
    worth = Worth(COST)
    passes(worth, 20, num_rows=4, num_right=1.0, seconds=0.01)
    decode(worth, 100, 1.0, num_asked=0)
    decode(worth, 20, 0.9, num_asked=4)
    decode(worth, 1, 1000.0, num_asked=4)
    decode(worth, 20, 0.9, num_asked=4)
    assert worth.num_texts(4, num_rows=4, num_tokens=4) == 4
