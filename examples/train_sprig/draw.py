"""The random source of the generators: it knows whether it draws for training or for the held-out cases.

Three things are kept apart between the two sides: phrasings (the last sixth of every pool of six or more), made-up
words and number pairs (one in ten, by a hash of the word or pair itself).
"""

import random
import zlib
from collections.abc import Sequence
from typing import TypeVar

from wording import vary

T = TypeVar("T")


def phrasings(pool: Sequence[T], heldout: bool) -> Sequence[T]:
    """The part of a pool of phrasings that one side may use; pools under six are shared."""
    if len(pool) < 6:
        return pool
    cut = len(pool) - len(pool) // 6
    return pool[cut:] if heldout else pool[:cut]


def is_heldout(key: str) -> bool:
    return zlib.crc32(key.encode()) % 10 == 3


class Draw:
    def __init__(self, seed: int | str, heldout: bool = False) -> None:
        self.rng = random.Random(f"{seed}/{heldout}")
        self.heldout = heldout

    def phrase(self, pool: Sequence[T]) -> T:
        """A phrasing of this side; in training sometimes in other words."""
        chosen = self.rng.choice(phrasings(pool, self.heldout))
        if isinstance(chosen, str) and not self.heldout and self.chance(0.3):
            return vary(self.rng, chosen)  # type: ignore[return-value] # a str for a str
        return chosen

    def pick(self, pool: Sequence[T]) -> T:
        """A value that both sides share (a country, a colour)."""
        return self.rng.choice(pool)

    def some(self, pool: Sequence[T], count: int) -> list[T]:
        return self.rng.sample(list(pool), count)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def number(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def pair(self, low: int, high: int, low_b: int | None = None, high_b: int | None = None) -> tuple[int, int]:
        """Two numbers whose pair belongs to this side."""
        while True:
            a = self.rng.randint(low, high)
            b = self.rng.randint(low if low_b is None else low_b, high if high_b is None else high_b)
            if is_heldout(f"{a},{b}") == self.heldout:
                return a, b

    def shuffled(self, pool: Sequence[T]) -> list[T]:
        items = list(pool)
        self.rng.shuffle(items)
        return items
