"""DraftOdds: how likely a draft model's guess is right, by how far ahead of the next best it was."""

import math
from dataclasses import dataclass
from typing import Final

_RATE: Final = 0.05
_MAX_MARGIN: Final = 8.0
_MIN_SLOPE, _MAX_SLOPE = 0.05, 5.0


@dataclass
class DraftOdds:
    """Logistic regression with one input, learnt as guesses come out right or wrong (Platt 1999, "Probabilistic outputs
    for support vector machines"): a margin that means much of one draft model means little of another.
    """

    slope: float = 1.0
    bias: float = -1.0

    def chance(self, margin: float) -> float:
        """Of a guess to be right; `margin`: in logits, noise included, >= 0; infinity where nothing else is allowed."""
        if margin == math.inf:
            return 1.0
        return 1 / (1 + math.exp(-self.slope * min(margin, _MAX_MARGIN) - self.bias))

    def learn(self, margin: float, is_right: bool) -> None:
        """A guess of such a margin, after a text that was right, was looked at."""
        if margin == math.inf:
            return
        error = is_right - self.chance(margin)
        self.slope = min(max(self.slope + _RATE * error * min(margin, _MAX_MARGIN), _MIN_SLOPE), _MAX_SLOPE)
        self.bias += _RATE * error
