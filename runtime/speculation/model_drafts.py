"""ModelDrafts: a smaller model writes ahead (speculative decoding, Leviathan et al. 2023, arXiv:2211.17192)."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor

from ...grammar.matcher import Matcher
from ..branch import Branch
from ..prefix import shared_len
from ..sampler import SampleRow
from .coupled_sampling import CoupledSampling, Pick
from .draft import Draft, Source
from .draft_depth import DraftDepth
from .draft_model import DraftModel, stack_logits
from .draft_odds import DraftOdds
from .drafter import DraftText, Guesser, RowsAhead
from .step_cost import StepCost

_MAX_CATCH_UP: Final = 2048
"""Tokens of prompts that the draft model computes in one pass of the target's; longer ones take several."""


_RUNNER_UP_SHARE: Final = 0.5
"""Of the cases in which the best guess is wrong, those in which the next best is right."""


class ModelDrafts:
    """Guesses of a draft model, drawn as the target will draw (`CoupledSampling`), for all texts of a pass together.

        prepare:  copies follow their texts -> one pass over all that is new -> pick -> pass -> pick -> ...

    After each pick the texts whose guesses are still likely enough to be worth another pass (`DraftDepth`) go on.
    """

    source: Source = "model"

    def __init__(
        self,
        model: DraftModel,
        vocab_size: int,
        *,
        draft_cost: StepCost,
        target_cost: StepCost,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`vocab_size`: of the target; `clock`: seconds, for what drafting takes."""
        self.model = model
        self.depth = DraftDepth(draft_cost, target_cost)
        self.odds = DraftOdds()
        self._sampling = CoupledSampling(vocab_size)
        self._clock = clock

    def begin(self, text: DraftText) -> "_CopiedText | None":
        """See `Drafter`."""
        return None if text.rows is None else _CopiedText(self.model, text, text.rows)

    def prepare(self, guessers: Sequence[Guesser], max_len: int) -> None:
        """See `JointDrafter`."""
        texts = [each for each in guessers if isinstance(each, _CopiedText)]
        for text in texts:
            text.learn(self.depth, self.odds)
        texts = [text for text in texts if text.can_be_guessed]
        if not texts or not self.depth.is_worth_beginning(len(texts)):
            return
        start, expected = self._clock(), 0.0
        for text in texts:
            text.follow()
        walks, logits, num_tokens = self._catch_up(texts)
        expected += self.depth.draft_cost.of(num_tokens) if num_tokens else 0.0
        while walks:
            picks = self._sampling.pick(stack_logits(logits), [walk.next_row() for walk in walks])
            walks = [
                walk for walk, pick in zip(walks, picks, strict=True) if pick is not None and walk.add(pick, self.odds)
            ]
            walks = self._going_on(walks, max_len)
            if walks:
                expected += self.depth.draft_cost.of(len(walks))
                found = self.model.run([(walk.text.branch, 1) for walk in walks])
                logits = [each for each in found if each is not None]
                assert len(logits) == len(walks), (len(logits), len(walks))
        self.depth.add_time(self._clock() - start, expected)

    def end(self, guessers: Sequence[Guesser]) -> None:
        """See `JointDrafter`."""
        for each in guessers:
            if isinstance(each, _CopiedText):
                each.close()

    def forget(self) -> None:
        """See `RememberingDrafter`."""
        self.model.memory.cache.flush()

    def _catch_up(self, texts: Sequence["_CopiedText"]) -> tuple[list["_Walk"], list[Tensor], int]:
        """Compute what is new of the texts; those of which it is all, their logits, and how many tokens it was."""
        shares: list[tuple[Branch, int]] = []
        shared: list[_CopiedText] = []
        num_left = _MAX_CATCH_UP
        followed = [text for text in texts if text.can_be_guessed]
        for text in sorted(followed, key=lambda each: self.model.num_pending(each.branch)):
            num_tokens = min(text.branch.num_pending, num_left)
            busy = [branch for branch, _ in shares] + [text.branch]
            if num_tokens and self.model.reserve(text.branch, num_tokens, busy):
                shares.append((text.branch, num_tokens))
                shared.append(text)
                num_left -= num_tokens
        if not shares:
            return [], [], 0
        found = [(text, last) for text, last in zip(shared, self.model.run(shares), strict=True) if last is not None]
        walks = [_Walk(text) for text, _ in found]
        return walks, [last for _, last in found], _MAX_CATCH_UP - num_left

    def _going_on(self, walks: Sequence["_Walk"], max_len: int) -> list["_Walk"]:
        """Those of which a further guess is worth its pass, and finds room; their last guesses are on the copies."""
        walks = [walk for walk in walks if len(walk.ahead) < max_len and walk.has_room]
        walks = sorted(walks, key=lambda walk: -walk.chance)
        while walks and not self.depth.is_worth(walks[-1].chance, len(walks)):
            walks = walks[:-1]
        going_on: list[_Walk] = []
        busy = [walk.text.branch for walk in walks]
        for walk in walks:
            walk.text.branch.append([walk.ahead[-1]])
            if self.model.reserve(walk.text.branch, 1, busy):
                going_on.append(walk)
        return going_on


@dataclass(eq=False)
class _CopiedText:
    """One text, and the draft model's copy of it, which runs ahead with guesses and is cut back to the text."""

    model: DraftModel
    text: DraftText
    rows: RowsAhead
    source: Source = "model"
    branch: Branch = field(init=False)
    ready: list[Draft] = field(default_factory=list)
    """Said at the next `drafts`."""
    can_be_guessed: bool = True
    _guessed_at: int = 0
    _guessed: Sequence[Pick] = ()
    """What was guessed from the place `_guessed_at` on."""

    def __post_init__(self) -> None:
        self.branch = self.model.open(self.text.namespace, self.text.token_ids)
        self.can_be_guessed = self._is_known(self.text.token_ids)

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """See `Guesser`."""
        yield from (draft for draft in self.ready if len(draft.token_ids) <= max_len)

    def learn(self, depth: DraftDepth, odds: DraftOdds) -> None:
        """Which of the last guesses were right."""
        self.ready = []
        tape = self.text.token_ids
        for index, (token_id, pick) in enumerate(zip(tape[self._guessed_at :], self._guessed, strict=False)):
            is_right = token_id == pick.token_id
            odds.learn(pick.margin, is_right)
            if index == 0:
                depth.add(is_right)
            if not is_right:
                break
        self._guessed = ()

    def follow(self) -> None:
        """Bring the copy to where the text is."""
        tape, start = self.text.token_ids, self.text.start
        num_kept = start + shared_len(tape[start:], self.branch.token_ids[start:])
        self.can_be_guessed &= self._is_known(tape[num_kept:])
        if self.can_be_guessed:
            self.model.rewrite(self.branch, num_kept, tape[num_kept:])

    def guess(self, picks: Sequence[Pick], drafts: list[Draft]) -> None:
        """What was found out for this pass."""
        self._guessed_at = len(self.text.token_ids)
        self._guessed = picks
        self.ready = drafts

    def close(self) -> None:
        """Give back the copy's memory; what the text has of it stays in the draft model's cache."""
        self.can_be_guessed = False
        tape = self.text.token_ids
        self.model.close(self.branch, shared_len(tape, self.branch.token_ids))

    def _is_known(self, token_ids: Sequence[int]) -> bool:
        """Whether the draft model has an embedding for all of them, and room for one more."""
        return len(self.text.token_ids) < self.model.context_len and max(token_ids, default=0) < self.model.vocab_size


class _Walk:
    """The guesses of one text in one pass, as they grow."""

    def __init__(self, text: _CopiedText) -> None:
        self.text = text
        self.ahead: list[int] = []
        self.chance = 1.0
        """That all guesses so far are right."""
        self._picks: list[Pick] = []
        self._chances: list[float] = []
        self._others: list[Draft] = []
        matcher = text.text.matcher
        self._matcher: Matcher | None = None if matcher is None else matcher.fork()

    @property
    def has_room(self) -> bool:
        """Whether the draft model was made for a text of this length."""
        return len(self.text.text.token_ids) + len(self.ahead) < self.text.model.context_len

    def next_row(self) -> SampleRow:
        """How the target will sample after the guesses so far."""
        return self.text.rows.row_after(self.ahead, self._matcher)

    def add(self, pick: Pick, odds: DraftOdds) -> bool:
        """Take a guess, and tell the text; False where it would be the last token, after which nothing is sampled."""
        chance = odds.chance(pick.margin)
        if pick.runner_up is not None:
            way = (*self.ahead, pick.runner_up)
            self._others.append(Draft(way, (*self._chances, _RUNNER_UP_SHARE * (1 - chance)), "model"))
        self._picks.append(pick)
        is_legal = self._matcher is None or self._matcher.accept(pick.token_id)
        can_follow = is_legal and self.text.rows.can_follow([*self.ahead, pick.token_id], self._matcher)
        if can_follow:
            self.ahead.append(pick.token_id)
            self._chances.append(chance)
            self.chance *= chance
        self.text.guess(self._picks, [Draft(tuple(self.ahead), tuple(self._chances), "model"), *self._others])
        return can_follow
