"""The radix cache, case by case: matches, splits, locks, eviction order and what the audit sees."""

import pytest
import torch

from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.cache.radix_cache import InsertResult, RadixCache

LAYOUT = KVLayout(num_layers=1, num_kv_heads=1, head_dim=1, dtype=torch.int64)


class Fixture:
    """A pool and a tree, and texts written as strings, a token a letter."""

    def __init__(self, page_size: int = 4, num_pages: int = 32) -> None:
        self.pool = KVPool(LAYOUT, num_pages, page_size)
        self.cache = RadixCache(self.pool, page_size=page_size)

    def insert(self, text: str, namespace: str = "") -> InsertResult:
        """Insert a text with fresh pages, and let go of them."""
        pages = self.pool.allocate(-(-len(text) // self.pool.page_size))
        result = self.cache.insert(namespace, tokens(text), pages)
        self.pool.release_all(pages)
        self.cache.check_integrity({})
        return result

    def match_len(self, text: str, namespace: str = "") -> int:
        return self.cache.match_prefix(namespace, tokens(text)).num_tokens


def tokens(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_the_picture_in_the_docstring() -> None:
    tree = Fixture()
    first = tree.pool.allocate(3)
    tree.cache.insert("", tokens("abcdefghij"), first)
    second = [first[0], *tree.pool.allocate(2)]
    result = tree.cache.insert("", tokens("abcdefxyz"), second)
    assert result.num_present_tokens == 6
    assert result.pages == (first[0], second[1])
    upper = result.node.parent
    assert upper is not None
    assert (upper.start, upper.depth, upper.pages) == (0, 6, first[:2])
    assert {chr(token): (n.start, n.depth, n.pages) for token, n in upper.children.items()} == {
        "g": (6, 10, first[1:]),
        "x": (6, 9, second[1:]),
    }
    assert tree.cache.match_prefix("", tokens("abcdefxyzz")).pages == (first[0], second[1], second[2])
    assert tree.cache.match_prefix("", tokens("abcdefghij")).pages == tuple(first)
    assert tree.cache.match_prefix("", tokens("abcdeQ")).pages == tuple(first[:2])
    assert tree.cache.match_prefix("", tokens("abcd")).pages == tuple(first[:1])
    assert tree.cache.num_cached_tokens == 13
    tree.cache.check_integrity(dict.fromkeys([*first, *second[1:]], 1))


@pytest.mark.parametrize("difference", [0, 1, 2, 63, 64, 65, 191, 192, 193, 500, 999, 1000])
@pytest.mark.parametrize("kind", [list, tuple])
def test_long_segments_are_compared_to_the_exact_token(
    difference: int, kind: type[list[int]] | type[tuple[int]]
) -> None:
    tree = Fixture(page_size=16, num_pages=64)
    text = list(range(1000))
    tree.cache.insert("", text, tree.pool.allocate(63))
    other = kind([*text[:difference], 5000, *text[difference + 1 :]][:1000])
    match = tree.cache.match_prefix("", other)
    assert match.num_tokens == difference
    assert len(match.pages) == -(-difference // 16)
    assert tree.cache.match_prefix("", kind(text[:difference])).num_tokens == difference


def test_matching_changes_nothing() -> None:
    tree = Fixture()
    tree.insert("abcdefgh")
    node = tree.cache.match_prefix("", tokens("abcdefgh")).node
    before = (node.depth, list(node.pages), node.num_uses, node.lock_count, list(tree.cache._queue))
    assert tree.match_len("abcXX") == 3
    assert tree.match_len("abc", "elsewhere") == 0
    assert (node.depth, node.pages, node.num_uses, node.lock_count, list(tree.cache._queue)) == before
    tree.cache.check_integrity({})


def test_namespaces_share_nothing() -> None:
    tree = Fixture()
    tree.insert("abcdef", "red")
    assert tree.match_len("abcdef", "blue") == 0
    assert tree.match_len("abcdef") == 0
    tree.insert("abcxyz", "blue")
    assert tree.match_len("abcdef", "blue") == 3
    assert tree.match_len("abcdef", "red") == 6
    tree.cache.flush()
    tree.cache.check_integrity({})
    assert tree.cache._roots == {}, "roots of namespaces that hold nothing go"


def test_insert_of_what_is_there_keeps_the_trees_pages() -> None:
    tree = Fixture()
    own = tree.pool.allocate(3)
    tree.cache.insert("", tokens("abcdefghij"), own)
    duplicates = tree.pool.allocate(3)
    result = tree.cache.insert("", tokens("abcdefghij"), duplicates)
    assert result.num_present_tokens == 10
    assert result.pages == tuple(own[:2])
    assert all(tree.pool.reference_count(page_id) == 1 for page_id in duplicates)
    assert tree.cache.insert("", tokens("abcdefghijkl"), duplicates).pages == (own[0], own[1], duplicates[2])


def test_insert_ends_in_a_node_that_ends_with_the_text() -> None:
    tree = Fixture()
    tree.insert("abcdefgh")
    result = tree.insert("abc")
    assert (result.node.start, result.node.depth, result.num_present_tokens) == (0, 3, 3)
    assert tree.insert("").node.is_root
    assert tree.match_len("abcdefgh") == 8


def test_a_text_inserted_page_by_page_stays_one_node() -> None:
    tree = Fixture()
    pages = tree.pool.allocate(3)
    text = tokens("abcdefghij")
    node = tree.cache.insert("", text[:4], pages).node
    tree.cache.lock(node)
    for num_tokens in (8, 10):
        longer = tree.cache.insert("", text[:num_tokens], pages).node
        assert longer is node
        tree.cache.lock(longer)
        tree.cache.unlock(node)
        tree.cache.check_integrity(dict.fromkeys(pages, 1))
    assert node.depth == 10
    assert tree.cache.insert("", tokens("abcdefghijk"), pages).node.parent is node, "page 2 is not full: no growing"


def test_a_node_that_others_lock_or_that_has_children_does_not_grow() -> None:
    tree = Fixture()
    node = tree.insert("abcd").node
    tree.cache.lock(node)
    tree.cache.lock(node)
    assert tree.insert("abcdefgh").node.parent is node
    assert tree.insert("abcdxy").node.parent is node


def test_eviction_is_least_recently_used_first() -> None:
    tree = Fixture()
    for text in ("aaaa", "bbbb", "cccc"):
        tree.insert(text)
    node = tree.cache.match_prefix("", tokens("aaaa")).node
    tree.cache.lock(node)
    tree.cache.unlock(node)
    assert tree.cache.evict(1) == 1
    assert [tree.match_len(text) for text in ("aaaa", "bbbb", "cccc")] == [4, 0, 4]
    tree.insert("cccc")
    assert tree.cache.evict(1) == 1
    assert [tree.match_len(text) for text in ("aaaa", "bbbb", "cccc")] == [0, 0, 4]
    tree.cache.check_integrity({})


def test_eviction_takes_the_end_of_a_long_leaf_first() -> None:
    tree = Fixture()
    tree.insert("abcdefghijklmnopqr")
    assert tree.cache.evict(2) == 2
    assert tree.match_len("abcdefghijklmnopqr") == 12
    tree.cache.check_integrity({})
    assert tree.cache.evict(2) == 2
    assert tree.match_len("abcdefghijklmnopqr") == 4
    assert tree.cache.evict(9) == 1
    assert tree.cache.num_cached_tokens == 0
    tree.cache.check_integrity({})


def test_a_parent_becomes_a_leaf_in_its_turn() -> None:
    tree = Fixture()
    tree.insert("abcdefgh")
    tree.insert("abcdxyzw")
    tree.insert("abcdefgh")
    assert tree.cache.num_evictable_pages == 3
    assert tree.cache.evict(3) == 3
    assert tree.pool.num_free_pages == tree.pool.num_pages
    assert tree.cache.evict(1) == 0
    tree.cache.check_integrity({})


def test_locked_text_is_never_evicted_and_its_ancestors_are_not() -> None:
    tree = Fixture()
    tree.insert("abcdefgh")
    node = tree.insert("abcdxyzw").node
    tree.cache.lock(node)
    assert tree.cache.num_evictable_pages == 1
    assert tree.cache.flush() == 1
    assert tree.match_len("abcdxyzw") == 8
    assert tree.match_len("abcdefgh") == 4
    tree.cache.unlock(node)
    assert tree.cache.flush() == 2
    with pytest.raises(AssertionError, match="evicted node"):
        tree.cache.lock(node)


def test_a_split_keeps_the_locks_of_both_halves() -> None:
    tree = Fixture()
    node = tree.insert("abcdefgh").node
    tree.cache.lock(node)
    tree.insert("abcxyz")
    assert tree.cache.flush() == 2, "the other branch's two pages"
    assert tree.match_len("abcdefgh") == 8
    tree.cache.unlock(node)
    tree.cache.check_integrity({})
    assert tree.cache.flush() == 2
    assert tree.cache.num_cached_tokens == 0


def test_lock_match_locks_what_was_matched_and_no_more() -> None:
    tree = Fixture()
    tree.insert("abcdefghijkl")
    match = tree.cache.match_prefix("", tokens("abcdefXX"))
    tree.insert("abXX")
    node = tree.cache.lock_match(match)
    assert (node.depth, node.lock_count) == (6, 1)
    tree.cache.check_integrity({})
    tree.cache.flush()
    assert tree.match_len("abcdefghijkl") == 6
    tree.cache.unlock(node)
    nothing = tree.cache.match_prefix("", tokens("zzz"))
    root = tree.cache.lock_match(nothing)
    assert root.is_root
    tree.cache.unlock(root)
    tree.cache.check_integrity({})


def test_a_match_that_ends_where_another_text_split_its_node_since() -> None:
    tree = Fixture()
    tree.insert("abcdefgh")
    match = tree.cache.match_prefix("", tokens("abcXX"))
    tree.insert("abcYY")
    node = tree.cache.lock_match(match)
    assert (node.start, node.depth) == (0, 3)


def test_a_match_that_outlived_an_eviction_is_not_locked() -> None:
    tree = Fixture()
    tree.insert("abcdefgh")
    match = tree.cache.match_prefix("", tokens("abcdefgh"))
    tree.cache.evict(1)
    with pytest.raises(AssertionError, match="match of 8 tokens: 4 are left"):
        tree.cache.lock_match(match)


def test_pages_a_branch_holds_are_not_evictable() -> None:
    tree = Fixture()
    pages = tree.pool.allocate(2)
    tree.cache.insert("", tokens("abcdefgh"), pages)
    assert tree.cache.num_evictable_pages == 0
    tree.pool.release(pages[1])
    assert tree.cache.num_evictable_pages == 1
    assert tree.cache.flush() == 1
    tree.cache.check_integrity({pages[0]: 1})
    assert tree.cache.num_cached_tokens == 0


def test_unlocking_twice_is_our_bug() -> None:
    tree = Fixture()
    node = tree.insert("abcd").node
    tree.cache.lock(node)
    tree.cache.unlock(node)
    with pytest.raises(AssertionError, match="expected a lock count >= 1"):
        tree.cache.unlock(node)


def test_insert_with_too_few_pages_is_our_bug() -> None:
    tree = Fixture()
    with pytest.raises(AssertionError, match="expected 2 pages, got 1"):
        tree.cache.insert("", tokens("abcde"), tree.pool.allocate(1))


def test_the_queue_of_eviction_does_not_grow_with_use() -> None:
    tree = Fixture()
    nodes = [tree.insert(text).node for text in ("aaaa", "bbbb", "cccc")]
    for _ in range(100):
        for node in nodes:
            tree.cache.lock(node)
            tree.cache.unlock(node)
    assert len(tree.cache._queue) == 3


def _broken(tree: Fixture, held: dict[int, int] | None, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        tree.cache.check_integrity(held)


def test_the_audit_sees_what_is_wrong() -> None:
    def fresh() -> tuple[Fixture, InsertResult]:
        tree = Fixture()
        tree.insert("abcdefgh")
        return tree, tree.insert("abcdxyz")

    tree, result = fresh()
    tree.pool.retain(result.node.pages[0])
    _broken(tree, {}, "expected 1 references of the tree \\+ 0 held, the pool counts 2")
    tree, result = fresh()
    result.node.lock_count += 1
    _broken(tree, {}, "lock count 0, expected at least the 1")
    tree, result = fresh()
    result.node.pages.append(9)
    _broken(tree, None, "expected 1 pages, got 2")
    tree, result = fresh()
    result.node.segment[0] = 3
    _broken(tree, None, "begins with 3")
    tree, result = fresh()
    tree.cache._num_cached_tokens += 1
    _broken(tree, None, "expected num_cached_tokens of 11, got 12")
    tree, result = fresh()
    tree.cache._queue.discard(result.node)
    _broken(tree, None, "lock count 0, but unknown to eviction")
    tree, result = fresh()
    result.node.queue_rank = None
    _broken(tree, None, "unknown to eviction")
    tree, result = fresh()
    assert result.node.parent is not None
    tree.cache._queue.put(result.node)
    _broken(tree, None, "comes before a child of its")
    tree, result = fresh()
    result.node.priority = 1
    _broken(tree, None, "priority 0, its child's is 1")
    tree, result = fresh()
    result.node.num_uses = 1
    _broken(tree, None, "0 uses, its child has 1")
