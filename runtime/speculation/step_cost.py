"""StepCost: how long a pass takes, as a function of its tokens."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class StepCost:
    """Seconds of a pass over so many tokens, measured at some sizes and interpolated between them."""

    num_tokens: tuple[int, ...]
    """Ascending, from 1."""
    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        assert len(self.num_tokens) == len(self.seconds) >= 2, (self.num_tokens, self.seconds)
        assert list(self.num_tokens) == sorted(set(self.num_tokens)), self.num_tokens
        assert all(each > 0 for each in self.seconds), self.seconds

    def of(self, num_tokens: int) -> float:
        """Seconds; beyond the largest size that was measured, it grows as it did last."""
        if num_tokens < len(self._table):
            return self._table[num_tokens]
        return self._interpolated(num_tokens)

    @cached_property
    def _table(self) -> tuple[float, ...]:
        """Of the sizes that were measured and those between them: it is asked for many sizes in every step."""
        return tuple(map(self._interpolated, range(self.num_tokens[-1] + 1)))

    def _interpolated(self, num_tokens: int) -> float:
        index = min(max(bisect_left(self.num_tokens, num_tokens), 1), len(self.num_tokens) - 1)
        before, after = self.num_tokens[index - 1], self.num_tokens[index]
        share = (num_tokens - before) / (after - before)
        return self.seconds[index - 1] + share * (self.seconds[index] - self.seconds[index - 1])

    @classmethod
    def measured(
        cls, run: Callable[[int], float], sizes: Sequence[int], *, seconds: float, max_rounds: int = 12
    ) -> "StepCost":
        """Of the least of some rounds over all sizes. Whatever else a machine does makes passes longer, never shorter:
        one over fewer tokens takes no longer than one over more did.

        `run`: one pass over so many tokens; returns its seconds. `seconds`: no pass is begun after so many, once the
        smallest and the largest size are known; what a slow model has no time for is interpolated.
        """
        smallest, *middle, largest = sizes
        best: dict[int, float] = {}
        spent = 0.0
        for size in [smallest, largest, *middle] * max_rounds:
            if len(best) >= 2 and spent >= seconds:
                break
            took = run(size)
            spent += took
            best[size] = min(took, best.get(size, took))
        known = sorted(best)
        return cls(tuple(known), tuple(min(best[each] for each in known if each >= size) for size in known))
