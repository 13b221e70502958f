"""Merging guesses: equal paths are one node, the likeliest stay, and parents come before their children."""

from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.speculation.draft import SOURCES, Draft
from palmette.runtime.speculation.draft_tree import merge_drafts

PROBABILITY = st.floats(0.05, 1.0)
DRAFT = st.builds(
    lambda steps, source: Draft(tuple(token for token, _ in steps), tuple(chance for _, chance in steps), source),
    st.lists(st.tuples(st.integers(0, 2), PROBABILITY), max_size=6),
    st.sampled_from(SOURCES),
)


def chances_of(drafts: list[Draft]) -> dict[tuple[int, ...], float]:
    """Every path that some draft has, as likely as its best source says."""
    best: dict[tuple[int, ...], float] = {}
    for draft in drafts:
        chance = 1.0
        for end, probability in enumerate(draft.probabilities, start=1):
            chance *= probability
            path = draft.token_ids[:end]
            best[path] = max(best.get(path, 0.0), chance)
    return best


@given(st.lists(DRAFT, max_size=6), st.integers(0, 12), st.floats(0.0, 0.9))
def test_the_likeliest_paths_make_the_tree(drafts: list[Draft], max_nodes: int, min_chance: float) -> None:
    tree = merge_drafts(drafts, max_nodes=max_nodes, min_chance=min_chance)
    paths: list[tuple[int, ...]] = []
    for node, parent in enumerate(tree.parents):
        assert parent is None or parent < node
        paths.append((() if parent is None else paths[parent]) + (tree.token_ids[node],))
        assert tree.child(parent, tree.token_ids[node]) == node
        assert tree.depths[node] == len(paths[node]) - 1
    assert len(set(paths)) == len(paths) <= max_nodes
    known = {path: chance for path, chance in chances_of(drafts).items() if len(path) <= max_nodes}
    worth = sorted((chance for chance in known.values() if chance >= min_chance), reverse=True)
    assert [tree.chances[node] for node in range(len(tree))] == [known[path] for path in paths]
    assert sorted(tree.chances, reverse=True) == worth[: len(paths)]
    assert len(paths) == min(max_nodes, len(worth))
    for path, sources in zip(paths, tree.sources, strict=True):
        assert sources <= {draft.source for draft in drafts if draft.token_ids[: len(path)] == path}
    assert tree.inner_nodes() == list(range(len(tree)))
