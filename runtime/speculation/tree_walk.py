"""TreeWalk: from guess to guess, as long as what is sampled is what was guessed."""

from dataclasses import dataclass, field

from torch import Tensor

from .draft_tree import DraftTree


@dataclass(eq=False)
class TreeWalk:
    """Where the check of one text's guesses stands.

    At each place the token is sampled exactly as it would be without guesses, from the logits after that place, with
    the noise of its position. If that token is the token of a child, the walk goes there; else it is over. So every
    place that is reached gives its token, and nothing but the number of passes depends on the guesses.
    """

    tree: DraftTree
    logits: Tensor
    """[num_nodes, vocab_size] float32, after each node."""
    right: list[int] = field(default_factory=list)
    """The nodes that were right, from the root down."""
    num_checked: int = 0
    """Places where a token was sampled."""

    def follow(self, token_id: int) -> int | None:
        """Go to the child of the place that has the token, if there is one.

        Returns how many cells lie between the computed ones and that of the child, which is to close up with them:
        nodes are computed in the order of the tree, and those that are right are some of them.
        """
        self.num_checked += 1
        child = self.tree.child(self.right[-1] if self.right else None, token_id)
        if child is None:
            return None
        num_skipped = child - len(self.right)
        self.right.append(child)
        return num_skipped

    @property
    def next_logits(self) -> Tensor:
        """After the node that was right last: [vocab_size]."""
        return self.logits[self.right[-1]]
