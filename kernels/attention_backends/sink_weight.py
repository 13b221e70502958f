"""with_sinks: attention sinks, for kernels that have none but say the logarithm of their sum of weights."""

from torch import Tensor


def with_sinks(out: Tensor, log_sum: Tensor, sinks: Tensor) -> Tensor:
    """Attention as it were had the softmax had one more logit, `sinks`, of a cell whose value is zero.

    out: [num_tokens, num_heads, head_dim]; log_sum: [num_tokens, num_heads] float32, the natural logarithm of the sum
    of exp(score) over the cells; sinks: [num_heads] float32. Of the whole weight exp(log_sum) + exp(sink) the cells
    have the share sigmoid(log_sum - sink). Returns a tensor like `out`.
    """
    share = (log_sum - sinks).sigmoid()
    return (out.float() * share.unsqueeze(-1)).to(out.dtype)
