"""Draw: how one row's token is drawn."""

import math
from dataclasses import dataclass
from typing import Final

from .philox import GUMBEL_RANGE

_WEIGHT_RANGE: Final = 28.0
"""More than log(2**40) = 27.73: tokens this far behind the best, after temperature, weigh nothing."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How one row's token is drawn: the shape of its distribution, and the key and counter of its noise."""

    temperature: float  # > 0
    top_k: int | None
    top_p: float
    min_p: float
    seed: int  # 64 bits
    path: int  # 64 bits
    position: int  # 32 bits

    @property
    def is_filtered(self) -> bool:
        """Whether tokens are dropped by their rank or probability."""
        return self.top_k is not None or self.top_p < 1 or self.min_p > 0

    @property
    def reach(self) -> float:
        """How far behind the best, after temperature, a token can be and still matter."""
        if self.top_p < 1:
            return _WEIGHT_RANGE  # a token that min-p will drop still counts in the sum that top-p is a share of
        return min(GUMBEL_RANGE, -math.log(self.min_p)) if self.min_p > 0 else GUMBEL_RANGE
