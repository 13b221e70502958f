"""What a margin means, learnt from what came of guesses."""

import math
import random

from palmette.runtime.speculation.draft_odds import DraftOdds


def test_odds_are_learnt() -> None:
    chooser, odds = random.Random(1), DraftOdds()

    def truth(margin: float) -> float:
        return 1 / (1 + math.exp(3 - 2 * margin))

    for _ in range(4000):
        margin = chooser.uniform(0, 4)
        odds.learn(margin, chooser.random() < truth(margin))
    for margin in (0.0, 1.0, 2.0, 3.0):
        assert abs(odds.chance(margin) - truth(margin)) < 0.1


def test_what_has_no_rival_is_sure_and_teaches_nothing() -> None:
    odds = DraftOdds()
    before = odds.chance(1.0)
    assert odds.chance(math.inf) == 1.0
    odds.learn(math.inf, False)
    assert odds.chance(1.0) == before
