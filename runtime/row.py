"""Row: a branch with work to do, as the scheduler sees it, and the share of it that one pass computes."""

from dataclasses import dataclass, field

from .branch import Branch
from .operations.task import Task
from .speculation.draft_tree import DraftTree
from .speculation.speculator import Guesses
from .stopwatch import Stopwatch
from .ticket import Ticket
from .token_tree import TokenTree


@dataclass(eq=False)
class Row:
    """A task that needs the model. Pages of a running row are safe from all but older rows, those of a waiting one
    from nobody.
    """

    task: Task
    arrival: tuple[int, int]
    """Order of arrival at the engine, of the request and of the row: smaller came first; no two are equal."""
    ticket: Ticket
    """Of the request."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    """Of the whole operation, which may have several rows."""
    is_running: bool = False
    num_preemptions: int = 0
    num_followed: int = 0
    """How often it has waited for a prefix that another row was computing."""
    num_match: int = 0
    """What the policies take for the cached part of the tape, while it waits and its text is in no index."""
    charged_len: int = 0
    """How much of the tape its tenant has been charged with."""
    is_private: bool = False
    """Neither takes from the cache nor gives to it while it runs, so that it locks no pages but its own."""
    start_len: int = field(init=False)
    """Length of the tape when the row was made."""
    cached_tokens: int | None = None
    """Tokens of the tape that were there, computed, when the row was first let in."""
    guesses: Guesses | None = None
    """Those who guess what it will write, from its first token on."""

    def __post_init__(self) -> None:
        self.start_len = len(self.branch.token_ids)

    @property
    def branch(self) -> Branch:
        """The branch the task is at work on."""
        return self.task.branch

    @property
    def match_limit(self) -> int | None:
        """At most this many tokens may come from the cache; None: all that are there."""
        return self.task.match_limit

    @property
    def num_written(self) -> int:
        """Tokens the task has put on the tape."""
        return len(self.branch.token_ids) - self.start_len

    @property
    def num_pending(self) -> int:
        """Tape tokens that this task still wants computed."""
        return self.task.compute_len - self.branch.num_computed


@dataclass(frozen=True)
class RowShare:
    """What one pass computes of a row: `num_tokens` of its tape, and the tree and a sample if that completes it."""

    row: Row
    num_tokens: int
    is_complete: bool
    draft: DraftTree | None = None
    """Guesses at what comes next, to be checked."""

    @property
    def tree(self) -> TokenTree | None:
        """What is computed after the tape."""
        if self.draft is not None:
            return self.draft
        return self.row.task.tree if self.is_complete else None

    @property
    def num_tree_nodes(self) -> int:
        """Nodes computed after the tape."""
        tree = self.tree
        return 0 if tree is None else len(tree)

    @property
    def num_cells(self) -> int:
        """Tokens computed in all."""
        return self.num_tokens + self.num_tree_nodes
