"""Texts written with guesses have the law that the model gives them, exactly."""

import dataclasses
import math

import pytest
from sampled_law import LETTERS, MAX_LEN, Fit, fit, law

from palmette.runtime.speculation.tree_walk import TreeWalk


def test_the_law_is_of_all_texts() -> None:
    chances = law(0.7)
    assert math.isclose(sum(chances.values()), 1.0)
    assert len(chances) == sum(len(LETTERS) ** length for length in range(MAX_LEN + 1))


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_sampled_texts_fit_their_law(temperature: float) -> None:
    found = fit(2_500, temperature)
    assert found.num_samples == 2_500
    assert found.num_accepted > 1_000
    assert found.p_value > 0.001


def test_a_law_that_guesses_bend_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the first right guess is drawn from the logits of another token."""
    follow = TreeWalk.follow

    def bent(walk: TreeWalk, token_id: int) -> int | None:
        if not walk.right:
            walk.logits = walk.logits.roll(1, dims=-1)
        return follow(walk, token_id)

    monkeypatch.setattr(TreeWalk, "follow", bent)
    assert fit(2_500, 1.0).p_value < 0.001


def test_the_p_value_is_that_of_chi_square() -> None:
    """Tables have 124.34 as the point that chi-square with 100 degrees of freedom exceeds once in 20 times."""
    assert math.isclose(Fit(1, 101, 124.342, 0).p_value, 0.05, rel_tol=0.01)
    assert dataclasses.replace(Fit(1, 101, 80.0, 0)).p_value > 0.9
