"""legal_tree: guesses without those that the text's constraint forbids."""

from ...grammar.matcher import Matcher
from .draft_tree import DraftTree


def legal_tree(tree: DraftTree, matcher: Matcher) -> DraftTree:
    """The nodes that may be written, `matcher` being at the text's end; it is left as it is.

    What comes behind a forbidden node goes with it, and so does what comes behind the constraint's end. A matcher is
    forked at each node, so that no token is read twice. O(nodes); the tree itself where all of it is legal.
    """
    matchers: dict[int | None, Matcher] = {None: matcher}
    for node, (token_id, parent) in enumerate(zip(tree.token_ids, tree.parents, strict=True)):
        before = matchers.get(parent)
        if before is None or before.is_terminated:
            continue
        after = before.fork()
        if after.accept(token_id):
            matchers[node] = after
    return tree if len(matchers) > len(tree) else tree.part(set(matchers))
