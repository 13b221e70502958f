"""TokenTree: paths are shared where they agree, and a node sees its ancestors only."""

from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.token_tree import TokenTree

PATHS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=8)


@given(paths=PATHS, num_before=st.integers(0, 3))
def test_the_tree_holds_each_prefix_once_and_masks_by_ancestry(paths: list[list[int]], num_before: int) -> None:
    tree = TokenTree()
    for path in paths:
        num_new = tree.num_new_nodes(path)
        before = len(tree)
        nodes = tree.add_path(path)
        assert len(tree) == before + num_new
        assert [tree.token_ids[node] for node in nodes] == path
        assert [tree.depths[node] for node in nodes] == list(range(len(path)))
    assert len(tree) == len({tuple(path[:length]) for path in paths for length in range(1, len(path) + 1)})
    mask = tree.ancestor_mask(num_before)
    for node in range(len(tree)):
        ancestors, current = {node}, tree.parents[node]
        while current is not None:
            ancestors.add(current)
            current = tree.parents[current]
        assert mask[num_before + node].nonzero()[:, 0].tolist() == [
            *range(num_before),
            *(num_before + each for each in sorted(ancestors)),
        ]
    assert tree.inner_nodes() == sorted({parent for parent in tree.parents if parent is not None})
