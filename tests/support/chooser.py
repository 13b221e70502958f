"""Chooser: where random decisions come from: one integer seed, or Hypothesis."""

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Chooser(Protocol):
    """Makes decisions; whatever is drawn by one depends on nothing else."""

    def integer(self, low: int, high: int) -> int:
        """One of low..high, both included."""
        ...

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        ...

    def chance(self, percent: int) -> bool:
        """Whether something happens that happens so often."""
        ...


class SeededChooser:
    """All decisions from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        """See `Chooser`."""
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        """See `Chooser`."""
        return options[self._random.randrange(len(options))]

    def chance(self, percent: int) -> bool:
        """See `Chooser`."""
        return self._random.randrange(100) < percent


class DrawnChooser:
    """Decisions that Hypothesis makes, remembers and shrinks: towards the low end, the first option, and no."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        """See `Chooser`."""
        return self._draw(st.integers(low, high))

    def pick(self, options: Sequence[T]) -> T:
        """See `Chooser`."""
        return options[self._draw(st.integers(0, len(options) - 1))]

    def chance(self, percent: int) -> bool:
        """See `Chooser`."""
        return self._draw(st.integers(0, 99)) >= 100 - percent
