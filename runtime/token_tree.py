"""TokenTree: tokens that may follow a text, as a tree that one forward pass can compute."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class TokenTree:
    """Candidate continuations of a text, merged where they agree.

        text ─┬─ " bl" ─┬─ "ue"          node   token    parent  depth
              │         └─ "ack"          0     " bl"    None    0
              └─ " red"                   1     "ue"     0       1
                                          2     "ack"    0       1
                                          3     " red"   None    0

    Nodes are in the order they were added, so a parent always comes before its children. The parent None is
    the last token of the text.
    """

    token_ids: list[int] = field(default_factory=list)
    parents: list[int | None] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    _children: dict[tuple[int | None, int], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.token_ids)

    def add_path(self, token_ids: Sequence[int]) -> list[int]:
        """Add the tokens from the root down, sharing what is there already; returns the path's nodes."""
        path: list[int] = []
        parent: int | None = None
        for token_id in token_ids:
            node = self._children.get((parent, token_id))
            if node is None:
                node = self.add(parent, token_id)
            path.append(node)
            parent = node
        return path

    def add(self, parent: int | None, token_id: int) -> int:
        """Add a child that `parent` does not have yet; returns its node."""
        node = len(self.token_ids)
        self.token_ids.append(token_id)
        self.parents.append(parent)
        self.depths.append(0 if parent is None else self.depths[parent] + 1)
        self._children[(parent, token_id)] = node
        return node

    def num_new_nodes(self, token_ids: Sequence[int]) -> int:
        """How many nodes `add_path(token_ids)` would add."""
        parent: int | None = None
        for index, token_id in enumerate(token_ids):
            node = self._children.get((parent, token_id))
            if node is None:
                return len(token_ids) - index
            parent = node
        return 0

    def inner_nodes(self) -> list[int]:
        """Nodes that have children, ascending: those whose logits are of use."""
        return sorted({parent for parent in self.parents if parent is not None})

    @property
    def is_chain(self) -> bool:
        """Whether each node has one child, but for the last: then nodes see each other as ordinary tokens do."""
        return self.parents == [None, *range(len(self.parents) - 1)]

    def ancestor_mask(self, num_before: int) -> Tensor:
        """Who sees whom in a row of `num_before` ordinary tokens followed by the nodes.

        Returns: [num_before + num_nodes, num_before + num_nodes] bool; ordinary tokens are causal, a node sees all
        of them, its ancestors and itself.
        """
        size = num_before + len(self)
        mask = torch.ones(size, size, dtype=torch.bool).tril()
        mask[num_before:, num_before:] = False
        for node, parent in enumerate(self.parents):
            row = num_before + node
            if parent is not None:
                mask[row, num_before:] = mask[num_before + parent, num_before:]
            mask[row, row] = True
        return mask
