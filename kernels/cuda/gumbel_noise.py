"""Gumbel noise on the device: the numbers of `kernels.philox`, and a cheap estimate of them to search by."""

# The arguments of a kernel have their types from the launch.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

import triton
import triton.language as tl

NOISE_ERROR = tl.constexpr(1e-3)
"""The estimates of two tokens, noise and score together, are off by less than this; the true bound is near 1e-4."""


@triton.jit
def _uniform_bits(word):
    """The numerator of u = (2 * (word >> 9) + 1) / 2**24, exact in float32: int32."""
    return ((word >> 9).to(tl.int32) << 1) + 1


@triton.jit
def exact_noise(token_ids, seed, path, position):
    """-log(-log(u)) of single tokens, in float64, rounded once to float32 and widened again.

    token_ids: a block of int32; seed, path: scalars of 64 bits (int64); position: of 32 bits. The four words of a
    counter belong to four neighbours (Philox4x32-10, Salmon et al. 2011), so each word is computed four times here:
    for few tokens.
    """
    counter = (token_ids >> 2).to(tl.uint32)
    low, high = (path & 0xFFFFFFFF).to(tl.uint32), ((path >> 32) & 0xFFFFFFFF).to(tl.uint32)
    zeros = tl.zeros_like(counter)
    word_0, word_1, word_2, word_3 = tl.philox(
        seed, zeros + low, zeros + high, zeros + (position & 0xFFFFFFFF).to(tl.uint32), counter
    )
    lane = token_ids & 3
    word = tl.where(lane < 2, tl.where(lane == 0, word_0, word_1), tl.where(lane == 2, word_2, word_3))
    uniform = _uniform_bits(word).to(tl.float64) * 5.9604644775390625e-08  # 2**-24
    return (-tl.log(-tl.log(uniform))).to(tl.float32).to(tl.float64)


@triton.jit
def estimated_noise(first_id, seed, path, position, BLOCK: tl.constexpr):
    """The noise of the tokens from `first_id` (a multiple of 4) on, off by less than 1e-4: [BLOCK] float32.

    Near u = 1, where the noise is largest, log(u) is a series in 1 - u, since the device's quick logarithm has an
    absolute error, which the outer one would blow up.
    """
    counter = ((first_id >> 2) + tl.arange(0, BLOCK // 4)).to(tl.uint32)
    low, high = (path & 0xFFFFFFFF).to(tl.uint32), ((path >> 32) & 0xFFFFFFFF).to(tl.uint32)
    zeros = tl.zeros_like(counter)
    word_0, word_1, word_2, word_3 = tl.philox(
        seed, zeros + low, zeros + high, zeros + (position & 0xFFFFFFFF).to(tl.uint32), counter
    )
    words = tl.interleave(tl.interleave(word_0, word_2), tl.interleave(word_1, word_3))
    bits = _uniform_bits(words)
    uniform = bits.to(tl.float32) * 5.9604644775390625e-08
    rest = (16777216 - bits).to(tl.float32) * 5.9604644775390625e-08  # 1 - u, exact
    series = rest * (1.0 + rest * (0.5 + rest * (0.33333334 + rest * (0.25 + rest * 0.2))))
    return -tl.log(tl.where(rest < 0.02, series, -tl.log(uniform)))
