"""The store of segments: what followed a run before, by namespace, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.speculation.segment_store import CHAINED_LEN, MAX_PLACES, RUN_LENS, SegmentStore

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=30)


def test_the_longest_run_decides() -> None:
    store = SegmentStore(1000)
    store.add("", [], [1, 2, 3, 4, 50, 51])
    store.add("", [], [9, 9, 9, 9, 1, 2, 3, 4, 60, 61])
    assert store.after("", [1, 2, 3, 4], 8) == (4, [(60, 61), (50, 51)])
    assert store.after("", [9, 9, 9, 9, 1, 2, 3, 4], 1) == (8, [(60,)])
    assert store.after("", [1, 2, 3], 8) == (2, [(4, 60, 61)]), "of a short run only the latest place is known"
    assert store.after("", [2, 1, 3], 8) == (0, [])
    assert store.after("other", [1, 2, 3, 4], 8) == (0, [])


def test_a_run_may_begin_before_the_segment() -> None:
    store = SegmentStore(1000)
    store.add("", [7, 1, 2, 3], [4, 50])
    assert store.after("", [1, 2, 3, 4], 8) == (4, [(50,)])
    assert store.after("", [7, 1, 2, 3], 8) == (4, [(4, 50)])


@given(st.lists(st.tuples(st.sampled_from("ab"), TOKENS), max_size=12), TOKENS, st.integers(1, 5))
def test_it_finds_what_a_search_finds(texts: list[tuple[str, list[int]]], recent: list[int], max_len: int) -> None:
    store = SegmentStore(100_000)
    for namespace, text in texts:
        store.add(namespace, [], text)
    for namespace in "ab":
        expected: list[tuple[int, ...]] = []
        length = 0
        for run_len in RUN_LENS:
            run = recent[len(recent) - run_len :]
            if len(run) < run_len:
                continue
            expected = [
                tuple(text[end : end + max_len])
                for name, text in reversed(texts)
                if name == namespace
                for end in range(len(text) - 1, run_len - 1, -1)
                if text[end - run_len : end] == run
            ]
            if expected:
                length = run_len
                break
        found_len, found = store.after(namespace, recent, max_len)
        assert found_len == length
        if length < CHAINED_LEN:
            assert found[:1] == expected[:1]
            assert set(found) <= set(expected)
        else:
            assert found == (expected[:MAX_PLACES] if length == CHAINED_LEN else expected[: len(found)])
        assert bool(found) == bool(expected)


@given(st.lists(TOKENS, max_size=40), st.integers(2, 60))
def test_it_is_bounded_and_keeps_the_latest(texts: list[list[int]], max_tokens: int) -> None:
    store = SegmentStore(max_tokens)
    for text in texts:
        store.add("", [], text)
    assert store.num_tokens <= max_tokens + 2 * RUN_LENS[0] * 40
    if texts and CHAINED_LEN < len(texts[-1]) <= max_tokens // 2:
        run_len, ways = store.after("", texts[-1][:CHAINED_LEN], 1)
        assert run_len == CHAINED_LEN
        assert (texts[-1][CHAINED_LEN],) in ways or len(ways) == MAX_PLACES
