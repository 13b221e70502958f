"""GenTask: one sample of a generation, from its first token to its finish reason."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...grammar.matcher import CompiledGrammar, Matcher
from ...grammar.open_seam import OpenSeam
from ...grammar.spec import Constraint
from ...kernels.token_bitmask import forbid_tokens, mask_words
from ...lang.events import FinishReason, GenResult, SpeculationReport, TokenLogprob
from ...lang.sampling_params import SamplingParams
from ..branch import Branch, TextPiece
from ..config import DEFAULT_ROLLBACK_BUDGET, RollbackBudget
from ..errors import ConstraintDeadEnd
from ..filled_mask import FilledMask
from ..output_check import OutputCheck
from ..prefix import shared_len
from ..sampler import SampledToken, SampleRow
from ..speculation.drafter import DraftText
from ..speculation.speculator import MAX_NODES
from ..text.detokenizer import Detokenizer
from ..text.stop_checker import StopChecker, StopMatch
from .choice_points import ChoicePoints
from .emitted import Emitted
from .scoring import TapeScores
from .task import Task


@dataclass(eq=False)
class GenTask(Task):
    """A `Gen` at work.

    Each sampled token either ends the text (end-of-text or a stop token: it does not join the tape) or joins the
    tape, the matcher and the text. A stop string cuts tape and text back to where it begins; if it begins inside
    a token, the head of that token becomes text that is tokenised again with what follows. Under a constraint
    nothing ends the text where the constraint is not complete, except the token limit.

    Where the constraint allows nothing more (what it cannot see ahead it may find out late), the generation goes back
    to the last token that had a rival, among those that the matcher says may be taken back, and goes another way: the
    token tried there is banned, and as the noise belongs to the place, the next best is taken. So the tokens are those
    of a depth-first search, and depend on nothing but text, seed and constraint. Text that may still be taken back is
    not shown.

    Where the seam before it is healed, the first tokens are sampled in place of those that were taken back (`seam`).
    The value begins where the text ended: with the token that spans that place, which is the value's first, or after
    the text's own tokens. What lies before is prompt again, in every count and report.
    """

    branch: Branch
    params: SamplingParams
    eos_token_ids: Collection[int]
    vocab_size: int
    context_len: int
    detokenizer: Detokenizer
    grammar: CompiledGrammar | None
    token_text: Callable[[int], str]
    emit: Callable[[Emitted], None]
    input_scores: TapeScores | None = None
    rollback_budget: RollbackBudget = DEFAULT_ROLLBACK_BUDGET
    output_check: OutputCheck | None = None
    seam: OpenSeam | None = None
    constraint: Constraint | None = None
    """What `grammar` was made from."""
    prediction: str | None = None
    """What the caller expects the text to be."""

    token_ids: list[int] = field(default_factory=list)
    """All that were sampled and stand, those before the value included."""
    finish_reason: FinishReason | None = None

    def __post_init__(self) -> None:
        self.start = len(self.branch.token_ids)
        self.seed = self.branch.seed if self.params.seed is None else self.params.seed
        self._seam_ids = list(self.seam.token_ids) if self.seam else []
        self._matcher = self.grammar.new_matcher() if self.grammar else None
        self._counts: Counter[int] = Counter()
        self._text = ""
        self._num_emitted = 0
        self._num_tokens_emitted = 0
        self._num_firm = 0  # tokens that are never taken back
        self._choice_points = ChoicePoints(self.rollback_budget)
        self._draft_text: DraftText | None = None
        self._mask: FilledMask | None = None  # of the token being sampled
        self._forced: list[int] = []
        self._log_masses: list[float] = []  # [num_tokens] under a constraint; 0 while a seam decides, too
        has_stops = bool(self.params.stop or self.params.stop_regex)
        self._stops = StopChecker(self.params.stop, self.params.stop_regex) if has_stops else None
        self._logprobs: list[TokenLogprob] = []
        self._is_penalised = self.params.repetition_penalty != 1.0
        self._seen = set(self.branch.token_ids) if self._is_penalised else set()
        eos = frozenset() if self.params.ignore_eos else frozenset(self.eos_token_ids)
        self._ends = eos | frozenset(self.params.stop_token_ids)
        if self._matcher is not None and self._matcher.is_terminated:
            self._finish("stop", None)

    # --- what it wants of a pass

    @property
    def compute_len(self) -> int:
        """The whole tape: the token after it is to be sampled."""
        return len(self.branch.token_ids)

    @property
    def is_done(self) -> bool:
        """Whether the text has ended, and the input is scored."""
        return self.finish_reason is not None and (self.input_scores is None or self.input_scores.is_complete)

    @property
    def match_limit(self) -> int | None:
        """Input that is still to be scored must be computed here."""
        if self.input_scores is None or self.input_scores.is_complete:
            return None
        return self.input_scores.first_position

    def score_positions(self, start: int, end: int) -> range:
        """The input's positions, where input log-probabilities were asked for."""
        return self.input_scores.positions(start, end) if self.input_scores else range(start, start)

    def receive_scores(self, positions: range, logits: Tensor) -> None:
        """See `Task`."""
        assert self.input_scores is not None, positions
        self.input_scores.receive(positions, logits)

    def draft_text(self) -> DraftText | None:
        """See `Task`: none while a seam decides, and none near the end of the context, where there is no room."""
        if (
            self.finish_reason is not None
            or self._is_at_seam
            or len(self.branch.token_ids) + MAX_NODES > self.context_len
        ):
            return None
        if self._draft_text is None:
            self._draft_text = DraftText(
                self.branch.namespace,
                self.branch.token_ids,
                self.start,
                self._matcher,
                self.constraint,
                self._ends,
                min(len(self.branch.token_ids) - self._num_value_tokens + self.params.max_new_tokens, self.context_len),
                self.prediction,
                self,
            )
        return self._draft_text

    def can_follow(self, ahead: Sequence[int], matcher: Matcher | None) -> bool:
        """See `RowsAhead`."""
        if ahead and ahead[-1] in self._ends and matcher is None:
            return False
        return (
            self._num_value_tokens + len(ahead) < self.params.max_new_tokens
            and len(self.branch.token_ids) + len(ahead) < self.context_len
            and (matcher is None or not matcher.is_terminated)
        )

    def row_after(self, ahead: Sequence[int], matcher: Matcher | None) -> SampleRow:
        """See `RowsAhead`. O(vocabulary) under a constraint, and O(tokens of the text) under penalties."""
        bitmask: Tensor | None = None
        banned: Collection[int] = ()
        num_value_tokens = self._num_value_tokens + len(ahead)
        if matcher is not None:
            row = torch.zeros(mask_words(self.vocab_size), dtype=torch.int32)
            is_restricted = matcher.fill_bitmask(row)
            tried = () if ahead else self._choice_points.banned_token_ids()
            forbid_tokens(row, tried)
            bitmask = row if is_restricted or tried else None
            banned = self._banned_under_constraint(num_value_tokens)
        elif num_value_tokens < self.params.min_new_tokens:
            banned = frozenset(self.eos_token_ids) | self._ends
        has_counts = self.params.frequency_penalty != 0 or self.params.presence_penalty != 0
        return SampleRow(
            params=self.params,
            seed=self.seed,
            path=self.branch.path,
            position=len(self.branch.token_ids) + len(ahead),
            bitmask=bitmask,
            banned_token_ids=banned,
            output_counts=self._counts + Counter(ahead) if has_counts and ahead else self._counts,
            seen_token_ids=self._seen.union(ahead) if self._is_penalised else (),
        )

    @property
    def wants_mask(self) -> bool:
        """Whether a constraint or a seam is at work."""
        return (self._matcher is not None or self._is_at_seam) and self.finish_reason is None

    def fill_mask(self, row: Tensor) -> bool:
        """What constraint and seam allow, less what led to dead ends from here. See `Task`."""
        if self._matcher is None:
            assert self.seam is not None, "a mask was wanted without a constraint"
            row.copy_(self.seam.rows[len(self.token_ids)])
            return True
        is_restricted = self._matcher.fill_bitmask(row)
        banned = self._choice_points.banned_token_ids()
        forbid_tokens(row, banned)
        return is_restricted or bool(banned)

    @property
    def may_go_on(self) -> bool:
        """Whether neither the token limit nor the context ends the text with the token that is being sampled."""
        is_limit = not self._is_at_seam and self._num_value_tokens + 1 >= self.params.max_new_tokens
        return not is_limit and len(self.branch.token_ids) + 1 < self.context_len

    def sample_row(self, mask: FilledMask | None) -> SampleRow | None:
        """How to sample the next token; None where none is wanted: the constraint was complete, or leads nowhere here.

        Raises: ConstraintDeadEnd where there is no other way; what the matcher raised.
        """
        if self.finish_reason is not None:
            return None
        self._mask = mask
        banned: Collection[int] = ()
        if mask is not None:
            if mask.error is not None:
                raise RuntimeError(f"the mask: {type(mask.error).__name__}: {mask.error}") from mask.error
            if mask.num_allowed == 0:
                self._go_back()
                return None
            banned = () if self._is_at_seam else self._banned_under_constraint(self._num_value_tokens)
            if banned and self._allows_only(mask, banned):
                self._finish("stop", None)
                return None
        elif self._num_value_tokens < self.params.min_new_tokens:
            banned = frozenset(self.eos_token_ids) | self._ends
        return SampleRow(
            params=self.params,
            seed=self.seed,
            path=self.branch.path,
            position=len(self.branch.token_ids),
            bitmask=mask.row if mask is not None and mask.is_restricted else None,
            banned_token_ids=banned,
            output_counts=self._counts,
            seen_token_ids=self._seen,
            wants_logprob=self.params.return_logprob,
            num_top_logprobs=self.params.top_logprobs_num if self.params.return_logprob else 0,
        )

    # --- what it makes of a token

    def receive_token(self, token: SampledToken) -> None:
        """Take the sampled token."""
        token_id = token.token_id
        was_at_seam = self._is_at_seam
        self.token_ids.append(token_id)
        if self.params.return_logprob:
            text = self.token_text(token_id) if self.params.return_text_in_logprobs else None
            self._logprobs.append(TokenLogprob(token_id, token.logprob, text, token.top))
        if self._mask is not None:
            if self._mask.num_allowed == 1:
                self._forced.append(len(self.token_ids) - 1)
            self._log_masses.append(0.0 if was_at_seam else token.masked_log_mass or 0.0)
            self._choice_points.add(had_choice=self._mask.num_allowed > 1)
            self._mask = None
        if not was_at_seam and self._ends_text(token_id):
            self._finish("stop", token_id)
            return
        if self._num_value_tokens:
            self._counts[token_id] += 1
        if self._is_penalised:
            self._seen.add(token_id)
        self.branch.append([token_id])
        if self._matcher is not None:
            is_accepted = self._matcher.accept(token_id)
            assert is_accepted, f"the mask allowed token {token_id}, but the matcher does not"
            self._num_firm = max(self._num_firm, len(self.token_ids) - self._matcher.num_revocable_tokens)
        self._grow(self.detokenizer.append(token_id))
        if self.finish_reason is not None:
            return
        if self._matcher is not None and self._matcher.is_terminated:
            self._finish("stop", None)
        elif self._num_value_tokens >= self.params.max_new_tokens or len(self.branch.token_ids) >= self.context_len:
            self._finish("length", None)

    def result(self, cached_tokens: int, speculation: SpeculationReport | None = None) -> GenResult:
        """The finished generation.

        `cached_tokens` of its prompt had not to be computed; `speculation`: what guessing brought.

        Raises: ConstraintViolated, where there is an `output_check`.
        """
        assert self.finish_reason is not None, self.token_ids
        if self.output_check is not None and self.finish_reason.type == "stop":
            self.output_check.check(self._text, self.branch.token_ids[self.start :])
        num_before = self._num_before
        return GenResult(
            text=self._text,
            token_ids=tuple(self.token_ids[num_before:]),
            finish_reason=self.finish_reason,
            prompt_tokens=self.start + num_before,
            cached_tokens=cached_tokens,
            seed=self.seed,
            output_logprobs=tuple(self._logprobs[num_before:]) if self.params.return_logprob else None,
            input_logprobs=self._input_logprobs(num_before),
            forced=tuple(index - num_before for index in self._forced if index >= num_before),
            masked_log_mass=sum(self._log_masses) if self.grammar is not None else None,
            num_rollbacks=self._choice_points.num_rollbacks,
            num_tokens_taken_back=self._choice_points.num_tokens_taken_back,
            speculation=speculation,
        )

    # --- the seam

    @property
    def _num_before(self) -> int:
        """How many of the tokens are the text's own again; the value begins with the next."""
        return shared_len(self.token_ids, self._seam_ids) if self._seam_ids else 0

    @property
    def _num_value_tokens(self) -> int:
        return len(self.token_ids) - self._num_before

    @property
    def _is_at_seam(self) -> bool:
        """Whether the next token stands, or begins, before the place where the text ended."""
        return bool(self._seam_ids) and len(self.token_ids) < len(self._seam_ids) and not self._num_value_tokens

    def _input_logprobs(self, num_before: int) -> tuple[TokenLogprob, ...] | None:
        """Of the prompt: of what was kept of it, and of what was written again."""
        if self.input_scores is None:
            return None
        first = max(0, (self.params.logprob_start_len or 0) - self.start)
        return (*self.input_scores.result(), *self._logprobs[first:num_before])

    def _cut_off(self, num_kept: int) -> list[int]:
        """What is missing of the text before the value where only the first `num_kept` tokens are kept."""
        return self._seam_ids[num_kept:] if num_kept <= self._num_before else []

    # --- going back

    def _go_back(self) -> None:
        """Nothing may follow: take tokens back to the last choice that can be made another way."""
        assert self._matcher is not None, "nothing may follow, but there is no constraint"
        points, num_tokens = self._choice_points, len(self.token_ids)
        # Before the first token that the matcher may revoke, and before what has been shown, all is settled.
        num_kept = points.last_choice(max(num_tokens - self._matcher.num_revocable_tokens, self._num_firm))
        if num_kept is None:
            raise self._dead_end("there is no earlier choice that may be made another way")
        if not points.is_affordable(num_tokens - num_kept):
            raise self._dead_end("as much as the limits allow has been taken back")
        points.go_back(num_kept, self.token_ids[num_kept])
        self._keep(num_kept)

    def _keep(self, num_kept: int) -> None:
        """Be as after the first `num_kept` tokens; the logits after the last of them are computed again."""
        assert self._matcher is not None, "only what a constraint revokes is taken back"
        self._matcher.rollback(len(self.token_ids) - num_kept)
        del self.token_ids[num_kept:], self._logprobs[num_kept:], self._log_masses[num_kept:]
        while self._forced and self._forced[-1] >= num_kept:
            self._forced.pop()
        self.branch.truncate(self.start + num_kept)
        self.branch.keep_one_pending()
        self._counts = Counter(self.token_ids[self._num_before :])
        if self._is_penalised:
            self._seen = set(self.branch.token_ids)
        text_len = self.detokenizer.take_back(num_kept)
        self._text = self._text[:text_len]
        if self._stops is not None:
            self._stops.take_back(text_len)

    def _dead_end(self, why: str) -> ConstraintDeadEnd:
        points = self._choice_points
        return ConstraintDeadEnd(why, self._text, points.num_rollbacks, points.num_tokens_taken_back)

    # --- ends and text

    def _banned_under_constraint(self, num_value_tokens: int) -> Collection[int]:
        # The grammar allows end-of-text only where the constraint is complete. What else would end the text there
        # is kept from doing so by `ignore_eos` and `min_new_tokens`, as long as the grammar can go on.
        if self.params.ignore_eos or num_value_tokens < self.params.min_new_tokens:
            return self.eos_token_ids
        return ()

    def _allows_only(self, mask: FilledMask, token_ids: Collection[int]) -> bool:
        assert self._matcher is not None, "a mask came without a constraint"
        if not self._matcher.is_completed:  # then no end-of-text is in it
            return False
        rest = mask.row.clone()
        forbid_tokens(rest, token_ids)
        return not bool(rest.any())

    def _ends_text(self, token_id: int) -> bool:
        if token_id not in self._ends:
            return False
        if self._matcher is None:
            return True
        return self._matcher.is_completed

    def _grow(self, text: str) -> None:
        """Lengthen the text, end it at a stop, and show as much as neither stop nor dead end can still take back."""
        self._text += text
        num_safe = len(self._text)
        if self._stops is not None:
            match = self._stops.append(text, is_armed=self._num_value_tokens >= self.params.min_new_tokens)
            if match is not None and self._stop_at(match):
                return
            num_safe = self._stops.num_safe()
        if self._matcher is None:
            self._emit(num_safe, len(self.token_ids))
        else:
            self._emit(min(num_safe, self.detokenizer.start_of(self._num_firm)), self._num_firm)

    def _stop_at(self, match: StopMatch) -> bool:
        """Cut text and tape where a stop begins; False where a constraint would be left incomplete."""
        text_len = match.start
        num_kept, rest = self.detokenizer.cut(text_len)
        cut_off = self._cut_off(num_kept)
        if self.grammar is not None and (rest or not self._is_complete(self.token_ids[:num_kept] + cut_off)):
            return False
        self._text = self._text[:text_len]
        self.branch.truncate(self.start + num_kept)
        self.branch.append(cut_off)
        if rest:
            self.branch.buffer.append(TextPiece(rest, None))
        self._emit(text_len, len(self.token_ids))
        self.finish_reason = FinishReason("stop", match.matched)
        return True

    def _is_complete(self, token_ids: list[int]) -> bool:
        assert self.grammar is not None
        matcher = self.grammar.new_matcher()
        return all(matcher.accept(token_id) for token_id in token_ids) and matcher.is_completed

    def _finish(self, kind: str, matched: int | None) -> None:
        rest = self.detokenizer.flush()
        self._text += rest
        self._emit(len(self._text), len(self.token_ids))
        self.finish_reason = FinishReason("length" if kind == "length" else "stop", matched)

    def _emit(self, text_len: int, num_tokens: int) -> None:
        """Show the text up to there, and tell of the first `num_tokens` tokens."""
        if text_len > self._num_emitted:
            first = max(self._num_tokens_emitted, self._num_before)
            forced = self._forced[bisect_left(self._forced, first) : bisect_left(self._forced, num_tokens)]
            self.emit(
                Emitted(
                    self._text[self._num_emitted : text_len],
                    tuple(self.token_ids[first:num_tokens]),
                    tuple(self._logprobs[first:num_tokens]),
                    tuple(index - first for index in forced),
                )
            )
            self._num_emitted, self._num_tokens_emitted = text_len, num_tokens
