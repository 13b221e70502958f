"""The most likely tokens of a row, in order, without a sort: a tournament between chunks.

Each chunk stands with the first token, in the order of the report, that is not reported yet. The best of these is
reported, and its chunk is read once more for its next one: as many passes over one chunk as tokens are wanted.
"""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

from .sample_row import NO_ID

_NOBODY = tl.constexpr(-2147483648)  # below the rank of any logit


@triton.jit
def _flipped(bits):
    """float32 bits to integers of the same order, and back."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


@triton.jit
def _rank(values):
    """int32, ordered as the logits are: -inf has one of its own, and -0 is 0."""
    return _flipped(tl.where(values == 0.0, 0.0, values).to(tl.int32, bitcast=True))


@triton.jit
def report_top(
    logits,
    largest,
    out,
    num_top,
    log_sum,
    vocab_size,
    num_chunks,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    """Write the `num_top` <= vocab_size most likely tokens, the lowest id first among equals.

    logits: as they came; largest: [num_chunks] float32, of each chunk; log_sum: float64, logsumexp of all.
    out: [2 * num_top] int64, token and the bits of its log-probability (float64), in turn.
    """
    index = tl.arange(0, CHUNKS)
    heads = _rank(tl.load(largest + index, mask=index < num_chunks, other=-float("inf")))
    heads = tl.where(index < num_chunks, heads, _NOBODY)
    last_rank, last_id = tl.full((), NO_ID, tl.int32), tl.full((), -1, tl.int32)
    for place in range(num_top):
        rank = tl.max(heads, 0)
        chunk = tl.min(tl.where(heads == rank, index, CHUNKS), 0)
        ids = chunk * BLOCK + tl.arange(0, BLOCK)
        ranks = _rank(tl.load(logits + ids, mask=ids < vocab_size, other=-float("inf")))
        ranks = tl.where(ids < vocab_size, ranks, _NOBODY)
        is_left = (ranks < last_rank) | ((ranks == last_rank) & (ids > last_id))
        last_id = tl.min(tl.where(is_left & (ranks == rank), ids, NO_ID), 0)
        last_rank = rank
        is_left = (ranks < rank) | ((ranks == rank) & (ids > last_id))
        heads = tl.where(index == chunk, tl.max(tl.where(is_left, ranks, _NOBODY), 0), heads)
        logprob = _flipped(rank).to(tl.float32, bitcast=True).to(tl.float64) - log_sum
        tl.store(out + 2 * place, last_id.to(tl.int64))
        tl.store(out + 2 * place + 1, logprob.to(tl.int64, bitcast=True))
