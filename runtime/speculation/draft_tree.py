"""DraftTree: the guesses of all sources as one tree, which a forward pass computes behind a text."""

from collections.abc import Collection, Iterable
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

    def first(self, num_nodes: int) -> "DraftTree":
        """The tree of the first nodes. Their parents are among them."""
        token_ids, parents = self.token_ids[:num_nodes], self.parents[:num_nodes]
        children = {pair: node for node, pair in enumerate(zip(parents, token_ids, strict=True))}
        return DraftTree(
            token_ids, parents, self.depths[:num_nodes], children, self.chances[:num_nodes], self.sources[:num_nodes]
        )

    def child(self, parent: int | None, token_id: int) -> int | None:
        """The node of a token after `parent` (None: after the text); None if nobody guessed it."""
        return self._children.get((parent, token_id))

    def part(self, nodes: Collection[int | None]) -> "DraftTree":
        """The tree of some of the nodes; with a node, its parent is among them."""
        tree = DraftTree()
        places: dict[int | None, int] = {}
        for node, (token_id, parent) in enumerate(zip(self.token_ids, self.parents, strict=True)):
            if node in nodes:
                places[node] = tree.add(None if parent is None else places[parent], token_id)
                tree.chances.append(self.chances[node])
                tree.sources.append(self.sources[node])
        return tree


def merge_drafts(drafts: Iterable[Draft], *, max_nodes: int, min_chance: float = 0.0) -> DraftTree:
    """The tree of the likeliest nodes of all drafts, `max_nodes` at most, each with a chance of `min_chance` or more.

    Equal paths are one; a node is as likely as its best source says. As no node is likelier than its parent, the
    best nodes are a tree; they come in the order of their chances. O(n log n) in the tokens of the drafts.
    """
    whole = DraftTree()
    chances, sources = whole.chances, whole.sources
    for draft in drafts:
        chance = 1.0
        parent: int | None = None
        source = frozenset((draft.source,))
        for token_id, probability in zip(draft.token_ids[:max_nodes], draft.probabilities, strict=False):
            chance *= probability
            if chance < min_chance:
                break
            node = whole.child(parent, token_id)
            if node is None:
                node = whole.add(parent, token_id)
                chances.append(chance)
                sources.append(source)
            else:
                chances[node] = max(chances[node], chance)
                sources[node] |= source
            parent = node
    return _sorted(whole).first(max_nodes)


def _sorted(tree: DraftTree) -> DraftTree:
    """The nodes by their chances; of equal ones the parents come before their children."""
    order = sorted(range(len(tree)), key=lambda node: (-tree.chances[node], tree.depths[node]))
    if order == list(range(len(tree))):
        return tree
    places: dict[int | None, int] = {node: place for place, node in enumerate(order)}
    made = DraftTree()
    for node in order:
        parent = tree.parents[node]
        made.add(None if parent is None else places[parent], tree.token_ids[node])
        made.chances.append(tree.chances[node])
        made.sources.append(tree.sources[node])
    return made
