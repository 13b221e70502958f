"""Linear products of several rows in float32 on a CPU, through oneDNN instead of the BLAS that torch was built with."""

import platform

import torch
from torch import Tensor

_MIN_ROWS = 4
"""With fewer rows reading the weights is all of the work, and torch's own product reads them fastest."""

_OPERATOR = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
# The operator is what torch.compile itself calls; where a build has none, or the processor is no x86 (there oneDNN
# hands on to other libraries, which take no transposed weight), torch.mm stays.
_IS_USABLE = _OPERATOR is not None and platform.machine() in ("x86_64", "AMD64")


def has_many_rows(x: Tensor) -> bool:
    """Whether `onednn_linear` is the faster way for x: [num_tokens, in_size], and there at all."""
    return _IS_USABLE and x.shape[0] >= _MIN_ROWS and x.dtype == torch.float32 and x.device.type == "cpu"


def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x @ weight + bias`: x [num_tokens, in_size], weight [in_size, out_size], bias [out_size]."""
    assert _OPERATOR is not None, "onednn_linear: expected a torch built with oneDNN"
    out: Tensor = _OPERATOR.default(x, weight.t(), bias, "none", [], "")
    return out


def onednn_linear_add(residual: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`residual + x @ weight + bias`: residual [num_tokens, out_size], the others as in `onednn_linear`."""
    assert _OPERATOR is not None, "onednn_linear_add: expected a torch built with oneDNN"
    out: Tensor = _OPERATOR.binary(x, residual, weight.t(), bias, "add")
    return out
