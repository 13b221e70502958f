"""DraftTree: the guesses of all sources as one tree, which a forward pass computes behind a text."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ..token_tree import TokenTree
from .draft import Draft, Source


@dataclass
class DraftTree(TokenTree):
    """Guessed tokens, merged where they agree; the logits after every node are of use.

    After the text's last token the token is sampled as ever. If it is the token of a child, the logits after that
    child are those of the next place, and so on (SpecInfer, Miao et al. 2024, arXiv:2305.09781, has trees of guesses;
    to sample as ever and then look for a match is ours, so that no answer depends on a guess).
    """

    chances: list[float] = field(default_factory=list)
    """How likely each node is to be reached and right."""
    sources: list[frozenset[Source]] = field(default_factory=list)
    """Who guessed each node."""

    def inner_nodes(self) -> list[int]:
        """All nodes: after the last right one, too, a token is sampled."""
        return list(range(len(self)))

    def child(self, parent: int | None, token_id: int) -> int | None:
        """The node of a token after `parent` (None: after the text); None if nobody guessed it."""
        return self._children.get((parent, token_id))

    def part(self, nodes: Collection[int | None]) -> "DraftTree":
        """The tree of some of the nodes; with a node, its parent is among them."""
        tree = DraftTree()
        paths: dict[int | None, tuple[int, ...]] = {None: ()}
        for node, (token_id, parent) in enumerate(zip(self.token_ids, self.parents, strict=True)):
            if node in nodes:
                paths[node] = (*paths[parent], token_id)
                tree.add_path(paths[node])
                tree.chances.append(self.chances[node])
                tree.sources.append(self.sources[node])
        return tree


@dataclass(slots=True)
class _Candidate:
    """A node that the tree may get."""

    chance: float
    depth: int
    token_ids: tuple[int, ...]
    sources: set[Source]


def merge_drafts(drafts: Iterable[Draft], *, max_nodes: int, min_chance: float = 0.0) -> DraftTree:
    """The tree of the likeliest nodes of all drafts, `max_nodes` at most, each with a chance of `min_chance` or more.

    Equal paths are one; a node is as likely as its best source says. As no node is likelier than its parent, the
    best nodes are a tree. O(tokens of the drafts, squared in the length of one).
    """
    candidates: dict[tuple[int, ...], _Candidate] = {}
    for draft in drafts:
        chance = 1.0
        for depth, probability in enumerate(draft.probabilities, start=1):
            chance *= probability
            if chance < min_chance or depth > max_nodes:
                break
            path = draft.token_ids[:depth]
            known = candidates.get(path)
            if known is None:
                candidates[path] = _Candidate(chance, depth, path, {draft.source})
            else:
                known.chance = max(known.chance, chance)
                known.sources.add(draft.source)
    best = sorted(candidates.values(), key=lambda each: (-each.chance, each.depth, each.token_ids))[:max_nodes]
    return _tree_of(best)


def _tree_of(candidates: Sequence[_Candidate]) -> DraftTree:
    """Candidates sorted so that parents come before their children."""
    tree = DraftTree()
    for each in candidates:
        tree.add_path(each.token_ids)
        tree.chances.append(each.chance)
        tree.sources.append(frozenset(each.sources))
    assert len(tree) == len(tree.chances), "a node came before its parent"
    return tree
