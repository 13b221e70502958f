"""GenTask: one sample of a generation, from its first token to its finish reason."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...grammar.matcher import CompiledGrammar
from ...kernels.token_bitmask import mask_words
from ...lang.events import FinishReason, GenResult, TokenLogprob
from ...lang.sampling_params import SamplingParams
from ..branch import Branch, TextPiece
from ..detokenizer import Detokenizer
from ..sampler import SampledToken, SampleRow
from ..stop_checker import StopChecker, StopMatch
from .scoring import TapeScores
from .task import Task


@dataclass(eq=False)
class GenTask(Task):
    """A `Gen` at work.

    Each sampled token either ends the text (end-of-text or a stop token: it does not join the tape) or joins the
    tape, the matcher and the text. A stop string cuts tape and text back to where it begins; if it begins inside
    a token, the head of that token becomes text that is tokenised again with what follows. Under a constraint
    nothing ends the text where the constraint is not complete, except the token limit.
    """

    branch: Branch
    params: SamplingParams
    eos_token_ids: Collection[int]
    context_len: int
    vocab_size: int
    detokenizer: Detokenizer
    grammar: CompiledGrammar | None
    token_text: Callable[[int], str]
    emit_text: Callable[[str, tuple[int, ...]], None]
    """Is told more text, and the tokens sampled since the last."""
    input_scores: TapeScores | None = None

    token_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    def __post_init__(self) -> None:
        self.start = len(self.branch.token_ids)
        self.seed = self.branch.seed if self.params.seed is None else self.params.seed
        self._matcher = self.grammar.new_matcher() if self.grammar else None
        self._counts: Counter[int] = Counter()
        self._text = ""
        self._num_emitted = 0
        self._num_tokens_emitted = 0
        self._forced: list[int] = []
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

    def sample_row(self) -> SampleRow | None:
        """How to sample the next token; None where the constraint was complete before the first."""
        if self.finish_reason is not None:
            return None
        bitmask = None
        banned: Collection[int] = ()
        if self._matcher is not None:
            bitmask = torch.zeros(mask_words(self.vocab_size), dtype=torch.int32)
            if not self._matcher.fill_bitmask(bitmask):
                bitmask = None
            elif allows_one_token(bitmask):
                self._forced.append(len(self.token_ids))
            banned = self._banned_under_constraint()
        elif len(self.token_ids) < self.params.min_new_tokens:
            banned = frozenset(self.eos_token_ids) | self._ends
        return SampleRow(
            params=self.params,
            seed=self.seed,
            path=self.branch.path,
            position=len(self.branch.token_ids),
            bitmask=bitmask,
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
        self.token_ids.append(token_id)
        if self.params.return_logprob:
            text = self.token_text(token_id) if self.params.return_text_in_logprobs else None
            self._logprobs.append(TokenLogprob(token_id, token.logprob, text, token.top))
        if self._ends_text(token_id):
            self._finish("stop", token_id)
            return
        self._counts[token_id] += 1
        if self._is_penalised:
            self._seen.add(token_id)
        self.branch.append([token_id])
        if self._matcher is not None:
            is_accepted = self._matcher.accept_token(token_id)
            assert is_accepted, f"the mask allowed token {token_id}, but the matcher does not"
        self._grow(self.detokenizer.append(token_id))
        if self.finish_reason is not None:
            return
        if self._matcher is not None and self._matcher.is_terminated:
            self._finish("stop", None)
        elif len(self.token_ids) >= self.params.max_new_tokens or len(self.branch.token_ids) >= self.context_len:
            self._finish("length", None)

    def result(self, cached_tokens: int) -> GenResult:
        """The finished generation; `cached_tokens` of its prompt had not to be computed."""
        assert self.finish_reason is not None, self.token_ids
        return GenResult(
            text=self._text,
            token_ids=tuple(self.token_ids),
            finish_reason=self.finish_reason,
            prompt_tokens=self.start,
            cached_tokens=cached_tokens,
            seed=self.seed,
            output_logprobs=tuple(self._logprobs) if self.params.return_logprob else None,
            input_logprobs=self.input_scores.result() if self.input_scores else None,
            forced=tuple(self._forced),
        )

    def _banned_under_constraint(self) -> Collection[int]:
        # The grammar allows end-of-text only where the constraint is complete. What else would end the text there
        # is kept from doing so by `ignore_eos` and `min_new_tokens`, as long as the grammar can go on.
        assert self._matcher is not None
        if self.params.ignore_eos or len(self.token_ids) < self.params.min_new_tokens:
            return self.eos_token_ids
        return ()

    def _ends_text(self, token_id: int) -> bool:
        if token_id not in self._ends:
            return False
        if self._matcher is None:
            return True
        return self._matcher.is_completed

    def _grow(self, text: str) -> None:
        """Lengthen the text, end it at a stop, and show as much as no stop can still take back."""
        self._text += text
        if self._stops is None:
            self._emit(len(self._text))
            return
        match = self._stops.append(text, is_armed=len(self.token_ids) >= self.params.min_new_tokens)
        if match is None or not self._stop_at(match):
            self._emit(self._stops.num_safe())

    def _stop_at(self, match: StopMatch) -> bool:
        """Cut text and tape where a stop begins; False where a constraint would be left incomplete."""
        text_len = match.start
        num_kept, rest = self.detokenizer.cut(text_len)
        if self.grammar is not None and (rest or not self._is_complete(self.token_ids[:num_kept])):
            return False
        self._text = self._text[:text_len]
        self.branch.truncate(self.start + num_kept)
        if rest:
            self.branch.buffer.append(TextPiece(rest, None))
        self._emit(text_len)
        self.finish_reason = FinishReason("stop", match.matched)
        return True

    def _is_complete(self, token_ids: list[int]) -> bool:
        assert self.grammar is not None
        matcher = self.grammar.new_matcher()
        return all(matcher.accept_token(token_id) for token_id in token_ids) and matcher.is_completed

    def _finish(self, kind: str, matched: int | None) -> None:
        rest = self.detokenizer.flush()
        self._text += rest
        self._emit(len(self._text))
        self.finish_reason = FinishReason("length" if kind == "length" else "stop", matched)

    def _emit(self, text_len: int) -> None:
        if text_len > self._num_emitted:
            self.emit_text(self._text[self._num_emitted : text_len], tuple(self.token_ids[self._num_tokens_emitted :]))
            self._num_emitted, self._num_tokens_emitted = text_len, len(self.token_ids)


def allows_one_token(bitmask: Tensor) -> bool:
    """Whether a mask, [mask_words] int32 on the CPU, has exactly one bit set."""
    words = bitmask.numpy()
    (set_words,) = words.nonzero()
    if len(set_words) != 1:
        return False
    word = int(words[set_words[0]]) & 0xFFFFFFFF
    return word & (word - 1) == 0
