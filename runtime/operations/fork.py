"""ForkTask: computes what is pending before a branch is forked, so that its children share it."""

from dataclasses import dataclass

from ..branch import Branch
from .task import Task


@dataclass(eq=False)
class ForkTask(Task):
    """A fork that waits for its parent's tape.

    The last token stays pending: each child must compute it anyway if it generates at once, and need not if it
    appends text first.
    """

    branch: Branch

    @property
    def compute_len(self) -> int:
        """All but the last token."""
        return max(len(self.branch.token_ids) - 1, 0)

    @property
    def is_done(self) -> bool:
        """Whether the children can share all they should."""
        return self.branch.num_computed >= self.compute_len
