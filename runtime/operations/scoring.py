"""Scoring: the log-probabilities of tokens that are already written."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...kernels.upload import upload
from ...lang.events import ScoreResult, TokenLogprob
from ..branch import Branch
from .task import Task


@dataclass
class TapeScores:
    """Collects the log-probabilities of the tape's tokens start..end-1 as their logits come by.

    The token at `start` is predicted by the one before it, so position start - 1 is the first that is wanted; the
    very first token of a text has no log-probability.
    """

    branch: Branch
    start: int
    end: int
    num_top: int = 0
    with_text: Callable[[int], str] | None = None
    found: dict[int, TokenLogprob] = field(default_factory=dict)

    def positions(self, start: int, end: int) -> range:
        """The positions in start..end-1 whose logits are wanted."""
        first = max(start, self.first_position)
        return range(first, max(first, min(end, self.end - 1)))

    @property
    def first_position(self) -> int:
        """The first position whose logits are wanted; the cache may hold what comes before."""
        return max(self.start - 1, 0)

    @property
    def is_complete(self) -> bool:
        """Whether every token that can have a log-probability has one."""
        return len(self.found) >= self.end - max(self.start, 1)

    def receive(self, positions: range, logits: Tensor) -> None:
        """Take the logits after `positions`: [len(positions), vocab_size]."""
        logprobs = torch.log_softmax(logits, dim=-1)
        token_ids = [self.branch.token_ids[position + 1] for position in positions]
        targets = upload(torch.tensor(token_ids), logits.device)
        chosen = logprobs.gather(1, targets[:, None])[:, 0].tolist()
        tops = top_logprobs(logprobs, self.num_top)
        for position, token_id, logprob, top in zip(positions, token_ids, chosen, tops, strict=True):
            self.found[position + 1] = self._entry(token_id, logprob, top)

    def result(self) -> tuple[TokenLogprob, ...]:
        """One entry for each token start..end-1."""
        return tuple(
            self.found[index] if index in self.found else self._entry(self.branch.token_ids[index], None, ())
            for index in range(self.start, self.end)
        )

    def _entry(self, token_id: int, logprob: float | None, top: tuple[tuple[int, float], ...]) -> TokenLogprob:
        return TokenLogprob(token_id, logprob, self.with_text(token_id) if self.with_text else None, top)


def top_logprobs(logprobs: Tensor, num_top: int) -> list[tuple[tuple[int, float], ...]]:
    """The `num_top` most likely (token id, log-probability) of each row of [num_rows, vocab_size]."""
    if num_top == 0:
        return [()] * logprobs.shape[0]
    values, token_ids = logprobs.topk(min(num_top, logprobs.shape[1]), dim=-1)
    return [tuple(zip(ids, row, strict=True)) for ids, row in zip(token_ids.tolist(), values.tolist(), strict=True)]


@dataclass(eq=False)
class ScoreTask(Task):
    """A `Score` at work: its text is on the tape already and waits for its log-probabilities."""

    branch: Branch
    scores: TapeScores

    @property
    def compute_len(self) -> int:
        """Up to the token before the last: the last is predicted, not predicting."""
        return max(self.scores.end - 1, 0)

    @property
    def is_done(self) -> bool:
        """Whether all log-probabilities are there."""
        return self.scores.is_complete

    @property
    def match_limit(self) -> int | None:
        """The cells of what is scored must be computed here."""
        return self.scores.first_position

    def score_positions(self, start: int, end: int) -> range:
        """See `Task`."""
        return self.scores.positions(start, end)

    def receive_scores(self, positions: range, logits: Tensor) -> None:
        """See `Task`."""
        self.scores.receive(positions, logits)

    def result(self) -> ScoreResult:
        """The scores, once done."""
        entries = self.scores.result()
        return ScoreResult(entries, sum(entry.logprob for entry in entries if entry.logprob is not None))
