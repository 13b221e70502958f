"""TreeSnapshot: what is shown of a radix tree, and what is left out."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.cache.node import Node
from palmette.runtime.cache.radix_cache import RadixCache

LAYOUT = KVLayout(1, 1, 1, torch.float32)


def make(texts: list[tuple[str, list[int]]]) -> tuple[KVPool, RadixCache]:
    pool = KVPool(LAYOUT, 256, 4)
    cache = RadixCache(pool)
    for namespace, text in texts:
        pages = pool.allocate(-(-len(text) // 4))
        cache.insert(namespace, text, pages)
        pool.release_all(pages)
    return pool, cache


def test_a_tree_is_shown_with_what_is_shared_and_who_holds_it() -> None:
    _, cache = make([("", [1, 2, 3, 4, 5, 6]), ("", [1, 2, 3, 9, 9]), ("secret", [7])])
    held = cache.lock_match(cache.match_prefix("", [1, 2, 3, 9]))
    tree = cache.snapshot([(12, held)], num_preview_tokens=2)
    shown = {(node.start, node.first_token_ids): node for node in tree.nodes}
    shared, tail = shown[0, (1, 2)], shown[3, (9,)]
    assert shared.num_tokens == 3
    assert tree.nodes[shared.parent_id or 0].num_tokens == 0
    assert tail.parent_id == shared.node_id
    assert (shared.lock_count, tail.lock_count, tail.holder_ids) == (1, 1, (12,))
    assert (shared.last_use, tail.last_use) == (None, None)
    free = [shown[3, (4, 5)], shown[4, (9,)], shown[0, (7,)]]
    assert sorted(node.last_use for node in free if node.last_use is not None) == [0, 1, 2]
    assert tree.num_cached_tokens == sum(node.num_tokens for node in tree.nodes) == 9
    assert "secret" not in repr(tree)
    cache.unlock(held)


@given(
    texts=st.lists(
        st.tuples(st.sampled_from(["", "a"]), st.lists(st.integers(0, 2), min_size=1, max_size=9)), max_size=9
    ),
    max_nodes=st.integers(1, 30),
)
def test_parents_come_first_and_what_is_left_out_is_counted(texts: list[tuple[str, list[int]]], max_nodes: int) -> None:
    _, cache = make(texts)
    tree, whole = cache.snapshot(max_nodes=max_nodes), cache.snapshot(max_nodes=10_000)
    assert len(tree.nodes) == min(max_nodes, len(whole.nodes))
    assert sum(node.num_tokens for node in whole.nodes) == cache.num_cached_tokens
    num_shown_children = [0] * len(tree.nodes)
    for place, node in enumerate(tree.nodes):
        assert node.node_id == place
        if node.parent_id is not None:
            assert node.parent_id < place
            assert node.start == tree.nodes[node.parent_id].start + tree.nodes[node.parent_id].num_tokens
            num_shown_children[node.parent_id] += 1
    hidden = sum(node.num_hidden_children for node in tree.nodes)
    if len(tree.nodes) == len(whole.nodes):
        assert hidden == 0
    elif sum(node.parent_id is None for node in tree.nodes) == sum(node.parent_id is None for node in whole.nodes):
        assert hidden > 0
    places = sorted(node.last_use for node in tree.nodes if node.last_use is not None)
    assert places == list(range(len(places)))
    cache.check_integrity()


def test_of_many_children_the_newest_are_shown() -> None:
    _, cache = make([("", [first, 50, 51, 52]) for first in range(20)])
    tree = cache.snapshot(max_nodes=6)
    assert [node.first_token_ids[0] for node in tree.nodes[1:]] == [19, 18, 17, 16, 15]
    assert tree.nodes[0].num_hidden_children == 15


def test_looking_is_no_use() -> None:
    _, cache = make([("", [1, 2]), ("", [3, 4])])

    def order() -> list[Node]:
        return list(cache._queue)

    before = order()
    cache.snapshot()
    assert order() == before
