"""RunAhead: the next pass is launched before the host has heard which tokens it computes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from .model_runner import LaunchedPass, ModelRunner
from .row import Row
from .sampler import Sampling
from .scheduling.scheduler import Scheduler

_LOGGER = logging.getLogger("palmette.run_ahead")

_PAUSE = 32
"""Passes that are not tried ahead after one that failed so: what was wrong is likely to be wrong still."""


@dataclass(frozen=True)
class _PassAhead:
    launched: LaunchedPass
    starts: list[int]
    """By share: the cells of its row with the pass before it, all of the tape but the token that was being sampled."""


class RunAhead:
    """Has the device at work while the host makes something of the last tokens.

        device:  .. pass n ..... | sample n | .. pass n+1 ........................... | sample n+1 | ..
        host:    masks n | launch sample n, | wait  | take tokens n, publish, masks | launch sample n+1, ..
                           launch pass n+1    for n   n+1                               launch pass n+2

    A row that writes computes, in the next pass, the token that is being sampled now. Its place is known before it is,
    and the pass takes it from where the sampler leaves it, on the device. What depends on the token itself, masks and
    penalties, is asked for with the next sample only. So a pass that runs ahead is the pass that would have been made
    later, and gives the same logits; where a row turns out to have ended, or to go another way, what was computed for
    it is dropped: cells past the end of a text mean nothing to anybody. A row that ends so, and whatever comes behind
    it, wait for the pass after.

    Guesses are made from the last token: where they are asked for, no pass runs ahead.

    On a CPU there is nobody who computes meanwhile, and the pass is made at once: the answers are the same there, too.
    """

    def __init__(self, runner: ModelRunner, scheduler: Scheduler) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._ahead: _PassAhead | None = None
        self._num_to_sit_out = 0
        self.num_passes = 0
        """Launched ahead, and of use to a row at least."""
        self.num_tokens_in_vain = 0
        """Computed ahead for rows that had ended."""
        self.num_failures = 0
        """Passes that could not be launched ahead."""

    @property
    def is_under_way(self) -> bool:
        """Whether a pass was launched that nobody has taken yet; logits that were handed out before are gone then."""
        return self._ahead is not None

    def launch(self, rows: Sequence[Row], sampling: Sampling) -> None:
        """Launch the pass after the one whose tokens, those of `rows`, are being sampled; if it is known already.

        Raises: DeviceLost.
        """
        assert self._ahead is None, "a pass is ahead already"
        if self._num_to_sit_out:
            self._num_to_sit_out -= 1
            return
        shares = self._scheduler.foresee(rows)
        if not shares:
            return
        going_on = {share.row for share in shares}
        places = [place for place, row in enumerate(rows) if row in going_on]
        try:
            logits = self._runner.run_ahead(shares, sampling.token_ids, places)
        except Exception as error:
            self._runner.check_device(error)
            _LOGGER.warning("a pass failed that was launched ahead; it is made again", exc_info=True)
            self.num_failures += 1
            self._num_to_sit_out = _PAUSE
            return
        starts = [share.row.branch.num_computed for share in shares]
        self._ahead = _PassAhead(LaunchedPass(shares, logits), starts)

    def drop(self) -> None:
        """Let go of the pass that is ahead, as nobody is left for it."""
        if self._ahead is not None:
            self.num_tokens_in_vain += len(self._ahead.starts)
            self._ahead = None

    def take(self) -> LaunchedPass | None:
        """The pass that is ahead, for those of its rows that went on as foreseen; None where there are none."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return None
        launched = ahead.launched
        kept = [
            index
            for index, (share, start) in enumerate(zip(launched.shares, ahead.starts, strict=True))
            if _is_as_foreseen(share.row, start)
        ]
        self.num_tokens_in_vain += len(launched.shares) - len(kept)
        if not kept:
            return None
        self.num_passes += 1
        shares = [launched.shares[index] for index in kept]
        self._scheduler.adopt(shares)
        return LaunchedPass(shares, [launched.logits[index] for index in kept])


def _is_as_foreseen(row: Row, start: int) -> bool:
    """Whether the one token that was sampled is all that the row has to compute."""
    return row.is_running and row.branch.num_computed == start and row.num_pending == 1
