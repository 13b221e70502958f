"""Which graph serves which pass: the smallest that it fits, with little padding, and none where none fits."""

from typing import Final

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.models.batch import Batch
from palmette.runtime.step_graphs.buckets import MAX_QUERY_LEN, MAX_TOKENS, Bucket, Buckets

LIMITS: Final = st.tuples(st.integers(1, 400), st.integers(1, 200_000))


def batch_of(query_lens: list[int], num_before: int) -> Batch:
    """Only what a bucket is chosen by is meant."""
    num_tokens = sum(query_lens)
    zeros = torch.zeros(num_tokens, dtype=torch.int64)
    kv_lens = tuple(num_before + length for length in query_lens)
    table = torch.zeros((len(query_lens), 1), dtype=torch.int64)
    return Batch(zeros, zeros, zeros, tuple(query_lens), kv_lens, table, zeros, (None,) * len(query_lens))


def fits(batch: Batch, bucket: Bucket) -> bool:
    return (
        batch.num_tokens <= bucket.num_tokens
        and max(batch.query_lens) <= bucket.max_query_len
        and max(batch.kv_lens) <= bucket.max_kv_len
    )


@given(
    limits=LIMITS,
    query_lens=st.lists(st.one_of(st.just(1), st.integers(1, 80)), min_size=1, max_size=300),
    num_before=st.integers(0, 150_000),
)
def test_a_pass_fits_its_bucket_and_none_is_smaller(
    limits: tuple[int, int], query_lens: list[int], num_before: int
) -> None:
    buckets = Buckets(*limits)
    batch = batch_of(query_lens, num_before)
    chosen = buckets.choose(batch)
    if chosen is None:
        too_many = batch.num_tokens > min(limits[0], MAX_TOKENS)
        assert too_many or max(query_lens) > MAX_QUERY_LEN or max(batch.kv_lens) > limits[1]
        return
    assert fits(batch, chosen)
    # The next smaller pass of ordinary rows has the same bucket or a smaller one.
    ones = [buckets.choose(batch_of([1] * count, 0)) for count in range(1, batch.num_tokens + 1)]
    sizes = [each.num_tokens for each in ones if each is not None]
    assert sizes == sorted(sizes)
    assert sizes[-1] == chosen.num_tokens
    if batch.num_tokens > 1:
        assert sizes[-2] <= batch.num_tokens - 1 or sizes[-2] == chosen.num_tokens


@given(limits=LIMITS, num_tokens=st.integers(1, MAX_TOKENS))
def test_padding_is_a_small_share(limits: tuple[int, int], num_tokens: int) -> None:
    chosen = Buckets(*limits).choose(batch_of([1] * num_tokens, 0))
    if chosen is not None and num_tokens > 8:
        assert chosen.num_tokens - num_tokens < max(8, num_tokens / 4)


@given(limits=LIMITS, max_rows=st.integers(1, 400))
def test_what_is_recorded_at_once_serves_rows_that_write(limits: tuple[int, int], max_rows: int) -> None:
    buckets = Buckets(*limits)
    recorded = buckets.of_decoding(max_rows)
    assert recorded == sorted(recorded, key=lambda each: -each.num_tokens)
    for num_rows in range(1, min(max_rows, buckets.max_tokens) + 1):
        assert buckets.choose(batch_of([1] * num_rows, 0)) in recorded


@given(limits=LIMITS, query_lens=st.lists(st.integers(1, 8), min_size=1, max_size=30))
def test_what_is_recorded_at_once_serves_rows_that_guess(limits: tuple[int, int], query_lens: list[int]) -> None:
    buckets = Buckets(*limits)
    recorded = buckets.of_decoding(4, is_guessing=True)
    assert recorded == sorted(recorded, key=lambda each: -each.num_tokens)
    assert len(set(recorded)) == len(recorded)
    chosen = buckets.choose(batch_of(query_lens, 0))
    if max(query_lens) > 1 and chosen is not None and chosen.num_tokens <= 64 and max(query_lens) <= chosen.max_kv_len:
        assert chosen in recorded


@pytest.mark.parametrize(
    ("query_lens", "num_before", "expected"),
    [
        ([1], 10, Bucket(1, 1, 4096)),
        ([1] * 3, 4095, Bucket(4, 1, 4096)),
        ([1] * 3, 4096, Bucket(4, 1, 16384)),
        ([4, 1], 10, Bucket(8, 8, 4096)),
        ([2], 10, Bucket(2, 2, 4096)),
        ([30] * 8, 10, Bucket(256, 64, 4096)),
        ([65], 10, None),
        ([1] * 257, 10, None),
        ([1], 131_200, None),
    ],
)
def test_buckets_of_a_large_model(query_lens: list[int], num_before: int, expected: Bucket | None) -> None:
    assert Buckets(2048, 131_136).choose(batch_of(query_lens, num_before)) == expected
