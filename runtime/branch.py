"""Branch: a live, forkable tape of token ids with the KV pages that hold its past."""

from dataclasses import dataclass, field

from ..kernels.philox import branch_path
from .cache.node import Node
from .text.chat_template import ChatWalk


@dataclass
class TextPiece:
    """Text that waits to be tokenised; `has_special` None fits either neighbour."""

    text: str
    has_special: bool | None


@dataclass
class Branch:
    """One text as the engine holds it.

    tape:      [ computed ........ | pending ... ]  + buffer (text not yet tokenised)
                 num_computed cells   known, no KV

    Cell c of the tape lies in page `page_table[c // page_size]`. A branch with work to do keeps at least one
    token pending, since logits come only from computing a token.
    """

    branch_id: int
    namespace: str
    seed: int
    parent_id: int | None = None
    path: int = 0
    """Names this branch to the noise: 0 for a root, mixed with the child's number at each fork."""

    # the text
    token_ids: list[int] = field(default_factory=list)
    buffer: list[TextPiece] = field(default_factory=list)
    seam_start: int = 0
    """Tokens from here on came from text, so a seam may re-tokenise them; before it a model or a caller wrote."""
    chat: ChatWalk | None = None
    turn_end: str = ""
    """What has been written of the text that closes the last turn."""

    # its memory
    num_computed: int = 0
    page_table: list[int] = field(default_factory=list)
    node: Node | None = None
    """The deepest node of the radix tree that this branch has locked."""
    priority: int = 0
    """Of its last request; what it computed keeps it in the cache, whose policy `priority` looks at it."""
    held_until: float | None = None
    """Until this time of the engine's clock its pages are to be kept while it has no work."""

    # its family
    num_children: int = 0
    fork_len: int = 0
    """Length of the tape when the branch was forked."""
    text_since_fork: list[TextPiece] = field(default_factory=list)
    """All text the branch gained since then, whatever it came from; of a branch that was not forked nobody asks."""

    @property
    def num_pending(self) -> int:
        """Tokens that are known but not computed."""
        return len(self.token_ids) - self.num_computed

    def is_held(self, now: float) -> bool:
        """Whether its pages are to be kept now."""
        return self.held_until is not None and now < self.held_until

    def gain(self, *pieces: TextPiece) -> None:
        """Note text that came to the branch, for whoever joins it."""
        if self.parent_id is not None:
            self.text_since_fork.extend(pieces)

    def append(self, token_ids: list[int]) -> None:
        """Lengthen the tape."""
        self.token_ids.extend(token_ids)

    def truncate(self, num_tokens: int) -> None:
        """Cut the tape; cells past the end are forgotten, their pages stay until the memory takes them back."""
        assert num_tokens <= len(self.token_ids), (num_tokens, len(self.token_ids))
        del self.token_ids[num_tokens:]
        self.num_computed = min(self.num_computed, num_tokens)
        self.seam_start = min(self.seam_start, num_tokens)

    def keep_one_pending(self) -> None:
        """See to it that the last token is computed (again): only that gives the logits after it."""
        self.num_computed = min(self.num_computed, len(self.token_ids) - 1)

    def next_child_path(self) -> int:
        """The path of the next child: every child of a branch, ever, has another."""
        path = branch_path(self.path, self.num_children)
        self.num_children += 1
        return path
