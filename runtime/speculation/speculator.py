"""Speculator: asks everyone who guesses, and decides how much of it a pass is to check."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from ...lang.events import SpeculationReport
from .acceptance import Acceptance
from .draft import Draft, Source
from .draft_head import DraftHead, HiddenStateGuesser
from .draft_size import choose_size
from .draft_tree import DraftTree, merge_drafts
from .drafter import Drafter, DraftText, Guesser, JointDrafter, RememberingDrafter
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

_NO_TREE: Final = DraftTree()
"""Not to be changed."""

_FIRST_PAUSE, _LAST_PAUSE = 2, 16
"""Passes in which a text is not guessed for, after one for which nothing was worth checking: doubled each time."""

_NUM_RESTING: Final = 7
"""Passes in which nobody is asked, after one in which that would not pay: even to find out takes its time."""

_ON_TRACK: Final = 3
"""Right guesses in one pass."""

_FROM_MODELS: Final[frozenset[Source]] = frozenset({"model", "head"})


@dataclass(eq=False)
class Guesses:
    """Those who guess for one text, and their record."""

    text: DraftText
    guessers: list[Guesser]
    record: Acceptance
    pause: int = 0
    num_passes_to_wait: int = 0
    was_asked: bool = False
    is_on_track: bool = False
    """The last check found several right, as of a text that was written before."""
    report: SpeculationReport = NOTHING_GUESSED
    """What came of it so far."""

    @property
    def is_promising(self) -> bool:
        """Whether it is asked for even where guessing does not pay for others: new, written again, or foretold."""
        return not self.was_asked or self.is_on_track or self.text.prediction is not None


@dataclass
class _Pass:
    """One pass, as far as guesses go."""

    num_asked: int
    """Texts for which somebody guessed."""
    num_rows: int
    num_tokens: int = 0
    """That it computes without guesses."""
    is_constrained: bool = False
    start: float = 0.0
    num_nodes: int = 0
    num_right: int = 0
    seconds: float = 0.0
    """For guessing and checking."""


class Speculator:
    """Guesses for the texts of an engine. What it does changes when tokens come, and never which."""

    def __init__(
        self,
        drafters: Sequence[Drafter],
        cost: StepCost,
        *,
        max_nodes: int = MAX_NODES,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """`clock`: seconds, for what guessing and steps take; of this thread's own time, as others may hold it up."""
        self._drafters = tuple(drafters)
        self._joint_drafters = [each for each in self._drafters if isinstance(each, JointDrafter)]
        self.wants_hidden = any(isinstance(each, DraftHead) for each in self._drafters)
        """Whether somebody guesses from the target's hidden states."""
        self._cost = cost
        self._max_nodes = max_nodes
        self.clock = clock
        self._worth = Worth(cost)
        self._pass: _Pass | None = None
        self._last_pass: _Pass | None = None
        self._last_ahead: float | None = None
        """When the pass began that is being made, if it was launched ahead."""
        self._record = Acceptance()
        self._last_size = 0
        self._num_passes = 0
        self._num_to_rest = self._num_rested = 0
        self.counts = SpeculationCounts()

    def begin(self, text: DraftText) -> Guesses:
        """Follow a text from now on."""
        guessers = [each for drafter in self._drafters if (each := self._begin(drafter, text)) is not None]
        return Guesses(text, guessers, Acceptance(self._record))

    def _begin(self, drafter: Drafter, text: DraftText) -> Guesser | None:
        try:
            return drafter.begin(text)
        except Exception:  # noqa: BLE001 - a text is written without guesses, too
            self._count_failure()
            return None

    def forget(self) -> None:
        """Drop what is kept of texts that are over. How often guesses were right, and what they cost, stays known."""
        for drafter in self._drafters:
            if isinstance(drafter, RememberingDrafter):
                drafter.forget()

    def end(self, text: Guesses) -> None:
        """A text has ended, or was given up: nobody guesses for it any more."""
        for drafter in self._joint_drafters:
            drafter.end(text.guessers)
        text.guessers.clear()

    @property
    def is_resting(self) -> bool:
        """Whether nobody is to be asked for the texts that are known, as it did not pay a moment ago."""
        return self._num_to_rest > 0

    def rest(self, *, num_rows_ahead: int | None = None) -> None:
        """A pass goes by without guesses; `num_rows_ahead`: of one that was launched ahead, the rows that write.

        Such a step is shorter than one whose guesses were waited for, and it is what guesses have to compete with.
        """
        self._num_to_rest -= 1
        self._num_rested += 1
        self._last_pass = None
        now = None if num_rows_ahead is None else self.clock()
        if now is not None and num_rows_ahead is not None and self._last_ahead is not None:
            self._worth.add_overlapped(now - self._last_ahead, num_rows=num_rows_ahead)
        self._last_ahead = now

    def trees(self, texts: Sequence[Guesses], *, num_rows: int, num_tokens: int, max_nodes: int) -> list[DraftTree]:
        """What to check of each text in this pass; an empty tree: nothing.

        num_rows: tokens that the pass makes anyway; num_tokens: those it computes anyway; max_nodes: room for more.
        """
        start = self.clock()
        self._last_ahead = None
        self._end_step(start)
        asked = self._asked(texts, num_rows, num_tokens)
        self._pass = _Pass(len(asked), num_rows, num_tokens, is_constrained=_is_constrained(texts), start=start)
        self._prepare([texts[index] for index in asked])
        drafted = {index: drafts for index in asked if (drafts := self._drafts(texts[index]))}
        trees = {
            index: merge_drafts(drafts, max_nodes=self._max_nodes, min_chance=MIN_CHANCE)
            for index, drafts in drafted.items()
        }
        chosen = {}
        for index, tree in self._chosen(trees, max_nodes).items() if trees else ():
            legal = self._legal(texts[index], tree)
            if len(legal):
                chosen[index] = legal
        for index in asked:
            if index not in chosen:
                _pause(texts[index], was_worth_it=False)
        if asked:
            self._pass.seconds = self.clock() - start
        return [chosen.get(index, _NO_TREE) for index in range(len(texts))]

    def _asked(self, texts: Sequence[Guesses], num_rows: int, num_tokens: int) -> list[int]:
        """Whose guessers are to be asked: those of texts that do not wait, where it pays; of new texts at any rate."""
        due = []
        for index, text in enumerate(texts):
            if text.num_passes_to_wait:
                text.num_passes_to_wait -= 1
            else:
                due.append(index)
        if not due:
            return []
        is_constrained = _is_constrained(texts)
        num_asked = self._worth.num_texts(
            len(due),
            num_rows=num_rows,
            num_tokens=num_tokens,
            is_constrained=is_constrained,
            num_passes=1 + self._num_rested,
        )
        self._num_rested = 0
        # What a grammar forces may begin at any token.
        self._num_to_rest = 0 if num_asked or is_constrained else _NUM_RESTING
        if num_asked < len(due):
            first = self._num_passes % len(due)  # where only some are asked for, each has its turn
            self._num_passes += 1
            due = [
                index
                for place, index in enumerate(due)
                if (place - first) % len(due) < num_asked or texts[index].is_promising
            ]
        for index in due:
            texts[index].was_asked = True
        return due

    def _chosen(self, trees: Mapping[int, DraftTree], max_nodes: int) -> dict[int, DraftTree]:
        """As much of each tree as makes more tokens a second; those of which nothing is left are not there."""
        assert self._pass is not None, "a pass is being made"
        num_rows, num_tokens = self._pass.num_rows, self._pass.num_tokens
        chances = sorted((chance for tree in trees.values() for chance in tree.chances), reverse=True)
        size = choose_size(
            chances[:max_nodes],
            self._cost,
            num_rows=num_rows,
            num_tokens=num_tokens,
            overhead=self._worth.overhead(num_rows, is_constrained=self._pass.is_constrained),
            last_size=self._last_size,
        )
        self._last_size = size
        if not size:
            return {}
        least = chances[size - 1]
        chosen = {}
        num_left = size
        for index, tree in trees.items():
            num_nodes = min(num_left, sum(chance >= least for chance in tree.chances))
            num_left -= num_nodes
            if num_nodes:
                chosen[index] = tree if num_nodes == len(tree) else tree.first(num_nodes)
        return chosen

    def end_pass(self, seconds: float) -> None:
        """The pass is over, and its guesses have been learnt from; `seconds`: what checking them took beside it."""
        done = self._last_pass = self._pass
        self._pass = None
        if done is None:  # nobody was asked for guesses in this step
            return
        done.seconds += seconds
        if done.num_asked:
            self._worth.add(
                done.num_asked,
                num_rows=done.num_rows,
                is_constrained=done.is_constrained,
                num_nodes=done.num_nodes,
                num_right=done.num_right,
                seconds=done.seconds,
            )

    def pause(self) -> None:
        """The next pass does not follow at once: what lies between is no part of the last pass's step."""
        self._last_pass = None
        self._last_ahead = None

    def _end_step(self, now: float) -> None:
        """Another step begins: what did the one before take, in all, and beside the pass and the guesses?

        Only a step that checked nothing says the latter; in others it could not be told from what the checks took.
        """
        last = self._last_pass
        if last is not None and last.num_tokens == last.num_rows:
            self._worth.add_decoding(
                now - last.start,
                num_rows=last.num_rows,
                num_asked=last.num_asked,
                num_nodes=last.num_nodes,
                num_right=last.num_right,
                is_constrained=last.is_constrained,
            )
        if last is not None and not last.num_nodes:
            known = self._cost.of(last.num_tokens) + last.seconds
            self._worth.add_step(now - last.start - known, num_rows=last.num_rows, is_constrained=last.is_constrained)
        self._last_pass = None

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
        # A model is wrong now and then, and has its guess at the next place all the same; what is looked up has not.
        text.is_on_track = len(right) >= _ON_TRACK
        if right or not any(_FROM_MODELS & sources for sources in tree.sources):
            _pause(text, was_worth_it=bool(right))
        if self._pass is not None:
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
                self._dismiss(text, guesser)

    def _dismiss(self, text: Guesses, guesser: Guesser) -> None:
        self._count_failure()
        text.guessers.remove(guesser)
        for drafter in self._joint_drafters:
            drafter.end([guesser])

    def _count_failure(self) -> None:
        _LOGGER.warning("a guesser failed, and is asked no more for this text", exc_info=True)
        self.counts.num_failures += 1


def _is_constrained(texts: Iterable[Guesses]) -> bool:
    """Whether a constraint is at work on any of them."""
    return any(text.text.matcher is not None for text in texts)


def _useful(draft: Draft, text: Guesses) -> Draft:
    """The draft up to an end, its probabilities set right by what came of its source's guesses so far."""
    trust = text.record.trust(draft.source)
    length = text.text.useful_len(draft.token_ids)
    probabilities = tuple(min(1.0, trust * each) for each in draft.probabilities[:length])
    return Draft(draft.token_ids[:length], probabilities, draft.source)


def _pause(text: Guesses, *, was_worth_it: bool) -> None:
    """Wait longer and longer for a text for which nothing is worth checking, or nothing turns out right."""
    if was_worth_it:
        text.pause = text.num_passes_to_wait = 0
    elif text.text.matcher is None and text.text.prediction is None:  # what these know may begin at any token
        text.pause = min(max(2 * text.pause, _FIRST_PAUSE), _LAST_PAUSE)
        text.num_passes_to_wait = text.pause
