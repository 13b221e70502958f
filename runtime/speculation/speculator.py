"""Speculator: asks everyone who guesses, and decides how much of it a pass is to check."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from ...lang.events import SpeculationReport
from .acceptance import Acceptance
from .draft import Draft
from .draft_head import DraftHead, HiddenStateGuesser
from .draft_size import choose_size
from .draft_tree import DraftTree, merge_drafts
from .drafter import Drafter, DraftText, Guesser, JointDrafter
from .legal_tree import legal_tree
from .speculation_counts import SpeculationCounts
from .step_cost import StepCost
from .worth import Worth

_LOGGER = logging.getLogger("palmette.speculation")

MAX_NODES: Final = 32
"""Of one text in one pass."""

MIN_CHANCE: Final = 0.05
"""Guesses that are less likely to be right are not looked at."""

NOTHING_GUESSED: Final = SpeculationReport()

_FIRST_PAUSE, _LAST_PAUSE = 2, 16
"""Passes in which a text is not guessed for, after one for which nothing was worth checking: doubled each time."""


@dataclass(eq=False)
class Guesses:
    """Those who guess for one text, and their record."""

    text: DraftText
    guessers: list[Guesser]
    record: Acceptance
    pause: int = 0
    num_passes_to_wait: int = 0
    last_tree: DraftTree | None = None
    report: SpeculationReport = NOTHING_GUESSED
    """What came of it so far."""


@dataclass
class _Pass:
    """One pass, as far as guesses go."""

    num_asked: int
    """Texts for which somebody guessed."""
    num_rows: int
    num_nodes: int = 0
    num_right: int = 0
    seconds: float = 0.0


class Speculator:
    """Guesses for the texts of an engine. What it does changes when tokens come, and never which."""

    def __init__(
        self,
        drafters: Sequence[Drafter],
        cost: StepCost,
        *,
        max_nodes: int = MAX_NODES,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`clock`: seconds, for what guessing takes itself."""
        self._drafters = tuple(drafters)
        self._joint_drafters = [each for each in self._drafters if isinstance(each, JointDrafter)]
        self.wants_hidden = any(isinstance(each, DraftHead) for each in self._drafters)
        """Whether somebody guesses from the target's hidden states."""
        self._cost = cost
        self._max_nodes = max_nodes
        self.clock = clock
        self._worth = Worth(cost)
        self._pass = _Pass(0, 0)
        self._record = Acceptance()
        self._last_size = 0
        self._num_passes = 0
        self.counts = SpeculationCounts()

    def begin(self, text: DraftText) -> Guesses:
        """Follow a text from now on."""
        guessers = [each for drafter in self._drafters if (each := drafter.begin(text)) is not None]
        return Guesses(text, guessers, Acceptance(self._record))

    def end(self, text: Guesses) -> None:
        """A text has ended, or was given up: nobody guesses for it any more."""
        for drafter in self._joint_drafters:
            drafter.end(text.guessers)
        text.guessers.clear()

    def trees(self, texts: Sequence[Guesses], *, num_rows: int, num_tokens: int, max_nodes: int) -> list[DraftTree]:
        """What to check of each text in this pass; an empty tree: nothing.

        num_rows: tokens that the pass makes anyway; num_tokens: those it computes anyway; max_nodes: room for more.
        """
        num_asked = self._worth.num_texts(len(texts), num_rows=num_rows, num_tokens=num_tokens)
        self._pass = _Pass(num_asked, num_rows)
        if not num_asked:
            return [DraftTree()] * len(texts)
        start = self.clock()
        first = self._num_passes % len(texts)  # where only some are asked for, each has its turn
        self._num_passes += 1
        asked = {(first + offset) % len(texts) for offset in range(num_asked)}
        is_asked = [index in asked and not _waits(text) for index, text in enumerate(texts)]
        self._prepare([text for text, is_due in zip(texts, is_asked, strict=True) if is_due])
        drafted = [self._drafts(text) if is_due else [] for text, is_due in zip(texts, is_asked, strict=True)]
        trees = [merge_drafts(each, max_nodes=self._max_nodes, min_chance=MIN_CHANCE) for each in drafted]
        chances = sorted((chance for tree in trees for chance in tree.chances), reverse=True)
        size = choose_size(
            chances[:max_nodes], self._cost, num_rows=num_rows, num_tokens=num_tokens, last_size=self._last_size
        )
        self._last_size = size
        least = chances[size - 1] if size else 2.0
        chosen = []
        num_left = size
        for text, drafts, tree, is_due in zip(texts, drafted, trees, is_asked, strict=True):
            num_nodes = min(num_left, sum(chance >= least for chance in tree.chances))
            num_left -= num_nodes
            is_whole = num_nodes == len(tree)
            kept = tree if is_whole else merge_drafts(drafts, max_nodes=num_nodes, min_chance=least)
            legal = self._legal(text, kept)
            if is_due:
                _pause(text, has_guesses=bool(len(legal)))
            chosen.append(legal)
        self._pass.seconds += self.clock() - start
        return chosen

    def end_pass(self, seconds: float) -> None:
        """The pass is over, and its guesses have been learnt from; `seconds`: what checking them took beside it."""
        done = self._pass
        if done.num_asked:
            self._worth.add(
                done.num_asked,
                num_rows=done.num_rows,
                num_nodes=done.num_nodes,
                num_right=done.num_right,
                seconds=done.seconds + seconds,
            )

    def learn(self, text: Guesses, tree: DraftTree, right: Sequence[int], num_checked: int) -> None:
        """What came of a tree: the nodes that were right, from the root down, after `num_checked` of them a token was
        sampled (the last right one's own successor, where the text went on).
        """
        counts = self.counts
        counts.num_verifications += 1
        counts.num_drafted_tokens += len(tree)
        counts.num_accepted_tokens += len(right)
        counts.num_verified_tokens += num_checked
        before = text.report
        text.report = SpeculationReport(
            before.num_verifications + 1,
            before.num_drafted_tokens + len(tree),
            before.num_accepted_tokens + len(right),
            before.num_verified_tokens + num_checked,
            before.num_accepted_prediction_tokens + sum("prediction" in tree.sources[node] for node in right),
        )
        self._pass.num_nodes += len(tree)
        self._pass.num_right += len(right)
        path = [None, *right]
        is_right = set(right)
        for node, parent in enumerate(tree.parents):
            for source in tree.sources[node]:
                counts.num_drafted[source] += 1
                counts.num_accepted[source] += node in is_right
            # Of children of a node that was not reached, nothing is known.
            if parent in path[:num_checked]:
                given = tree.chances[node] / (1.0 if parent is None else tree.chances[parent])
                for source in tree.sources[node]:
                    text.record.add(source, min(given, 1.0), node in is_right)

    def see_hidden(self, text: Guesses, hidden: Tensor) -> None:
        """The states from which the text's last tokens were sampled in this pass: [num_new, hidden_size]."""
        for guesser in list(text.guessers):
            if isinstance(guesser, HiddenStateGuesser):
                try:
                    guesser.see_hidden(hidden)
                except Exception:  # noqa: BLE001 - a text is written without guesses, too
                    self._dismiss(text, guesser)

    def _drafts(self, text: Guesses) -> list[Draft]:
        max_len = text.text.num_useful(self._max_nodes)
        drafts: list[Draft] = []
        for guesser in list(text.guessers) if max_len > 0 else []:
            try:
                drafts += [_useful(draft, text) for draft in guesser.drafts(max_len)]
            except Exception:  # noqa: BLE001 - a text is written without guesses, too
                self._dismiss(text, guesser)
        return drafts

    def _legal(self, text: Guesses, tree: DraftTree) -> DraftTree:
        """The guesses that the text's constraint allows."""
        if not len(tree) or text.text.matcher is None:
            return tree
        try:
            return legal_tree(tree, text.text.matcher)
        except Exception:  # noqa: BLE001 - a matcher that fails is told of where it counts
            self._count_failure()
            self.end(text)
            return DraftTree()

    def _prepare(self, texts: Sequence[Guesses]) -> None:
        """Have those who guess for many texts at once do so; a text that fails spoils it for no other."""
        for drafter in self._joint_drafters:
            try:
                drafter.prepare([guesser for text in texts for guesser in text.guessers], self._max_nodes)
            except Exception:  # noqa: BLE001 - found out below whose fault it is
                for text in texts:
                    self._prepare_alone(drafter, text)

    def _prepare_alone(self, drafter: JointDrafter, text: Guesses) -> None:
        for guesser in list(text.guessers):
            try:
                drafter.prepare([guesser], self._max_nodes)
            except Exception:  # noqa: BLE001 - a text is written without guesses, too
                drafter.end([guesser])
                self._dismiss(text, guesser)

    def _dismiss(self, text: Guesses, guesser: Guesser) -> None:
        self._count_failure()
        text.guessers.remove(guesser)

    def _count_failure(self) -> None:
        _LOGGER.warning("a guesser failed, and is asked no more for this text", exc_info=True)
        self.counts.num_failures += 1


def _useful(draft: Draft, text: Guesses) -> Draft:
    """The draft up to an end, its probabilities set right by what came of its source's guesses so far."""
    trust = text.record.trust(draft.source)
    length = text.text.useful_len(draft.token_ids)
    probabilities = tuple(min(1.0, trust * each) for each in draft.probabilities[:length])
    return Draft(draft.token_ids[:length], probabilities, draft.source)


def _waits(text: Guesses) -> bool:
    """Whether a text is to be left alone in this pass, too."""
    if not text.num_passes_to_wait:
        return False
    text.num_passes_to_wait -= 1
    return True


def _pause(text: Guesses, *, has_guesses: bool) -> None:
    """Wait longer and longer for a text for which nothing is worth checking."""
    if has_guesses:
        text.pause = text.num_passes_to_wait = 0
    elif text.text.matcher is None and text.text.prediction is None:  # what these know may begin at any token
        text.pause = min(max(2 * text.pause, _FIRST_PAUSE), _LAST_PAUSE)
        text.num_passes_to_wait = text.pause
