"""choose_size: how many guesses a pass is worth."""

from collections.abc import Sequence
from typing import Final

from .step_cost import StepCost

_MARGIN: Final = 0.03
"""What another size must gain before it is taken: so it does not flap."""


def choose_size(
    chances: Sequence[float],
    cost: StepCost,
    *,
    num_rows: int,
    num_tokens: int,
    overhead: float = 0.0,
    last_size: int = 0,
) -> int:
    """How many of the guesses, the likeliest first, make the most tokens a second; 0: none.

    chances: of each guess to be right, descending. A pass over `num_tokens` tokens makes one token for each of
    `num_rows` rows; with the first k guesses it makes as many more as their chances add up to. Where many rows share
    the pass a further token costs more of its time, and a guess must be likelier: so it fades with the load.
    overhead: seconds of a step beside the pass; the more there are, the more a longer pass is worth.
    """
    if not chances or not num_rows:
        return 0
    num_made = float(num_rows)
    rates = [num_made / (cost.of(num_tokens) + overhead)]
    for size, chance in enumerate(chances, start=1):
        num_made += chance
        rates.append(num_made / (cost.of(num_tokens + size) + overhead))
    best = max(range(len(rates)), key=rates.__getitem__)
    if rates[best] < rates[0] * (1 + _MARGIN):
        return 0
    last_size = min(last_size, len(chances))
    return last_size if last_size and rates[best] < rates[last_size] * (1 + _MARGIN) else best
