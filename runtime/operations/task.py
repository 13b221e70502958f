"""Task: an operation at work on its branch, seen by the scheduler and the engine."""

from abc import ABC, abstractmethod

from torch import Tensor

from ..branch import Branch
from ..filled_mask import FilledMask
from ..sampler import SampledToken, SampleRow
from ..speculation.drafter import DraftText
from ..token_tree import TokenTree


class Task(ABC):
    """What an operation wants of the next forward pass, and what it does with the result.

    The engine computes the branch's pending tokens, in chunks. With the last of them it asks, in this order, for
    scores, for the tree and for a sample; for the mask of that sample it asks before the pass. A task wants none of
    these unless it says so.
    """

    branch: Branch
    """Where the operation is at work."""

    @property
    @abstractmethod
    def compute_len(self) -> int:
        """How much of the tape must be computed before this operation can go on."""

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """The operation needs no further pass."""

    @property
    def match_limit(self) -> int | None:
        """At most this many tokens of the tape may come from the cache: the logits of the others are wanted."""
        return None

    @property
    def tree(self) -> TokenTree | None:
        """Nodes to compute after the tape, in the pass that completes it."""
        return None

    def draft_text(self) -> DraftText | None:
        """The text whose next tokens may be guessed, the same each time; None where nothing is sampled next."""
        return None

    def score_positions(self, start: int, end: int) -> range:
        """Those of the tape positions start..end-1 whose next-token distribution is wanted."""
        return range(start, min(start, end))

    def receive_scores(self, positions: range, logits: Tensor) -> None:
        """Take the raw logits after `positions`: [len(positions), vocab_size] float32."""
        raise AssertionError(f"{type(self).__name__} wants no scores, got {tuple(logits.shape)} for {positions}")

    def receive_tree(self, root: Tensor | None, nodes: Tensor) -> None:
        """Take the raw logits after the tape, [vocab_size], if a token of it was computed in the pass, and after
        each inner node of the tree, [num_inner_nodes, vocab_size].
        """
        raise AssertionError(f"{type(self).__name__} has no tree, got {tuple(nodes.shape)} after {root}")

    @property
    def wants_mask(self) -> bool:
        """Whether the next sample needs to know which tokens a constraint allows."""
        return False

    def fill_mask(self, row: Tensor) -> bool:
        """Write the tokens that may come after the tape into `row`, [mask_words] int32 on the CPU, if it `wants_mask`.

        Returns False where nothing is forbidden. It may run beside the pass, on another thread: until it has returned,
        nothing is asked of the task but what it wants of that pass.
        """
        raise AssertionError(f"{type(self).__name__} has no constraint, got {tuple(row.shape)} to fill")

    @property
    def may_go_on(self) -> bool:
        """Whether another token may be sampled after the one that is being sampled."""
        return False

    def sample_row(self, mask: FilledMask | None) -> SampleRow | None:
        """How to sample the token after the tape, or None if none is wanted. Asked once, after the pass.

        `mask`: what became of `fill_mask`, where one was wanted. Where nothing may follow, the tape may be shorter
        afterwards (see `GenTask`), or the operation has failed.
        """
        assert mask is None, f"{type(self).__name__} samples nothing, got a mask"
        return None

    def receive_token(self, token: SampledToken) -> None:
        """Take the sampled token; the tape grows by it unless it ends the text."""
        raise AssertionError(f"{type(self).__name__} samples nothing, got {token}")
