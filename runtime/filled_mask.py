"""FilledMask: what a constraint allows a row next, or why that could not be found out."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class FilledMask:
    """The mask of one row of one pass. `row` is overwritten in the next pass."""

    row: Tensor
    """[mask_words] int32 on the CPU: the tokens that may come next."""
    is_restricted: bool
    """Whether anything is forbidden."""
    num_allowed: int
    """0, 1, or 2 for more."""
    error: BaseException | None = None
    """Raised by the matcher; the rest means nothing then."""
