"""Rows of logits as one matrix."""

from collections.abc import Sequence

import torch
from torch import Tensor

_ALIGNMENT = 16  # bytes


def join_rows(rows: Sequence[Tensor]) -> Tensor:
    """Rows of one length and dtype, each contiguous, as [num_rows, length].

    Where they lie behind one another already, as those of a pass whose rows all write do, it is a view of them: at
    64 rows and a vocabulary of 150,000 a copy is 40 MB. What is returned begins at a multiple of 16 bytes, if the first
    row's storage does: for other addresses Triton would compile its kernels once more.
    """
    first = rows[0]
    size = len(first) * first.element_size()
    begin = first.data_ptr()
    end = first.untyped_storage().data_ptr() + first.untyped_storage().nbytes()
    is_aligned = begin % _ALIGNMENT == 0 and begin + len(rows) * size <= end
    if is_aligned and all(row.data_ptr() == begin + index * size for index, row in enumerate(rows)):
        return first.as_strided((len(rows), len(first)), (len(first), 1))
    return torch.stack(list(rows))
