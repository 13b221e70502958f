"""DraftDepth: whether a further guess of a draft model is worth the pass of it that it takes."""

from dataclasses import dataclass, field
from typing import Final

from .step_cost import StepCost

_MEMORY: Final = 0.98
"""Share of a record that is kept at each entry."""

_PROBE_EVERY: Final = 16
"""Where guessing does not pay, it is tried again in one of so many passes."""


@dataclass
class _Average:
    """Of late, with `total` and `weight` to begin with."""

    total: float
    weight: float

    def add(self, value: float, weight: float = 1.0) -> None:
        self.total = _MEMORY * self.total + value
        self.weight = _MEMORY * self.weight + weight

    @property
    def value(self) -> float:
        return self.total / self.weight


@dataclass
class DraftDepth:
    """Compares seconds: those of a draft model's pass with those that a right guess saves the target model.

    A token of the target's takes a row's part of a pass. A guess saves that, if it is right, and costs a row's part of
    a pass of the draft model, and what one more token adds to the target's pass.
    """

    draft_cost: StepCost
    target_cost: StepCost
    _first_right: _Average = field(default_factory=lambda: _Average(3.0, 4.0))
    _slowness: _Average = field(default_factory=lambda: _Average(1.0, 1.0))
    """What drafting takes in all, sampling and grammars too, against its passes alone."""
    _num_idle: int = 0

    def is_worth_beginning(self, num_texts: int) -> bool:
        """Whether to guess at all in this pass; now and then, to see whether it pays by now.

        What the draft model has not seen of the texts is not looked at: it is paid for by all guesses that follow.
        """
        if self._pays(self._first_right.value, num_texts):
            return True
        self._num_idle = (self._num_idle + 1) % _PROBE_EVERY
        return not self._num_idle

    def is_worth(self, chance: float, num_texts: int) -> bool:
        """Whether to guess one token more after guesses that are all right with this `chance`."""
        return self._pays(chance, num_texts)

    def add(self, is_right: bool) -> None:
        """The first guess of a pass was looked at."""
        self._first_right.add(float(is_right))

    def add_time(self, seconds: float, expected: float) -> None:
        """Guesses took so many seconds in all, of which the passes should have taken `expected`."""
        if expected > 0:
            self._slowness.add(max(seconds, expected) / expected)

    def _pays(self, chance: float, num_texts: int) -> bool:
        target, slowness = self.target_cost, self._slowness.value
        gain = chance * target.of(num_texts) / num_texts
        own = slowness * self.draft_cost.of(num_texts) / num_texts
        return gain > own + target.of(num_texts + 1) - target.of(num_texts)
