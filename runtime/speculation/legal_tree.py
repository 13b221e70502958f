"""legal_tree: guesses without those that the text's constraint forbids."""

from collections import Counter

from ...grammar.matcher import Matcher
from .draft_tree import DraftTree


def legal_tree(tree: DraftTree, matcher: Matcher) -> DraftTree:
    """The nodes that may be written, `matcher` being at the text's end; it is left as it is.

    What comes behind a forbidden node goes with it, and so does what comes behind the constraint's end. No token is
    read twice: a matcher goes on with the last child of its node, and is forked for the others. O(nodes); the tree
    itself where all of it is legal.
    """
    num_children = Counter(tree.parents)
    num_children[None] += 1  # the text's own matcher goes with none of them
    matchers: dict[int | None, Matcher] = {None: matcher}
    legal: set[int | None] = set()
    for node, (token_id, parent) in enumerate(zip(tree.token_ids, tree.parents, strict=True)):
        num_children[parent] -= 1
        before = matchers.get(parent)
        if before is None or before.is_terminated:
            continue
        after = before.fork() if num_children[parent] else before
        if after.accept(token_id):
            matchers[node] = after
            legal.add(node)
    return tree if len(legal) == len(tree) else tree.part(legal)
