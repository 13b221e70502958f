"""Starter: begins each operation on its branch; what needs no model is done at once, the rest becomes tasks."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ...grammar.compiler import GrammarCompiler
from ...grammar.healed_grammar import HealedGrammar
from ...grammar.matcher import CompiledGrammar
from ...grammar.open_seam import OpenSeam
from ...lang.events import Event, TextDelta
from ...lang.ir import DeclareTools, Gen, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from ...lang.sampling_params import SamplingParams
from ..branch import Branch, TextPiece
from ..config import DEFAULT_ROLLBACK_BUDGET, RollbackBudget
from ..errors import ChatTemplateError, EmptyPrompt, InvalidRequest, RequestTooLong
from ..output_check import OutputCheck
from ..text.chat_template import ChatTemplate, ChatWalk
from ..text.stop_automaton import stop_automaton
from ..text.tokenizer import Tokenizer
from .emitted import Emitted
from .gen import GenTask
from .scoring import ScoreTask, TapeScores
from .seam import flush_buffer, heal, take_back
from .select import SelectTask


@dataclass(frozen=True)
class TextLimits:
    """How long a text may be."""

    context_len: int
    """Tokens the model was made for."""
    pool_len: int
    """Tokens the KV pool holds."""
    token_budget: int
    """Tokens one pass computes."""


class Starter:
    """Knows the tokenizer, the chat template, the grammar compiler and the limits; holds no state of its own."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        eos_token_ids: Collection[int],
        vocab_size: int,
        compiler: GrammarCompiler,
        chat_template: ChatTemplate | None,
        limits: TextLimits,
        rollback_budget: RollbackBudget = DEFAULT_ROLLBACK_BUDGET,
        *,
        is_output_validated: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._eos_token_ids = frozenset(eos_token_ids)
        self._vocab_size = vocab_size
        self.compiler = compiler
        self._chat_template = chat_template
        self._limits = limits
        self._rollback_budget = rollback_budget
        self._is_output_validated = is_output_validated

    # --- done at once

    def write(self, branch: Branch, operation: Text, index: int) -> list[Event]:
        """Append text; it is tokenised when the next operation that needs tokens comes."""
        return [
            *self._close_turn(branch, index),
            *self._append_text(branch, operation.text, operation.has_special, index),
        ]

    def write_tokens(self, branch: Branch, operation: Tokens, index: int) -> list[Event]:
        """Append token ids as they are."""
        for token_id in operation.token_ids:
            self._check_token_id("input_ids", token_id)
        events = self._close_turn(branch, index)
        self._flush(branch)
        branch.append(list(operation.token_ids))
        branch.seam_start = len(branch.token_ids)
        text = self._tokenizer.decode(list(operation.token_ids), skip_special_tokens=False)
        branch.gain(TextPiece(text, True))
        return [*events, TextDelta(index, text)]

    def declare_tools(self, branch: Branch, operation: DeclareTools) -> None:
        """Tell the chat template which tools there are."""
        self._walk(branch).declare_tools(operation.tools)

    def begin_role(self, branch: Branch, operation: RoleBegin, index: int) -> list[Event]:
        """Write what the template puts between the last turn's content and this one's."""
        text = self._walk(branch).begin(operation.role)
        if not text.startswith(branch.turn_end):
            raise ChatTemplateError(
                f"cannot open a {operation.role!r} turn: the turn before it has been closed with {branch.turn_end!r} "
                "and text was written after it, but the template would close it differently; write that text in a turn"
            )
        text = text[len(branch.turn_end) :]
        branch.turn_end = ""
        return self._append_text(branch, text, True, index)

    def end_role(self, branch: Branch, operation: RoleEnd) -> None:
        """Close the open turn. Its closing text depends on what follows, and is written with that."""
        self._walk(branch).end(operation.role)

    def closing_text(self, branch: Branch) -> str:
        """The text that would end the chat if nothing followed, as far as it is not written yet."""
        if branch.chat is None or branch.chat.is_open:
            return ""
        return branch.chat.closing()[len(branch.turn_end) :]

    def prepare(self, branch: Branch, index: int) -> list[Event]:
        """Close the turn if it has ended, and bring the tape up to date, for an operation that needs its tokens."""
        events = self._close_turn(branch, index)
        self._flush(branch)
        return events

    # --- tasks; the branch has been prepared

    def check_gen(self, branch: Branch, operation: Gen) -> None:
        """Refuse a generation that cannot be.

        Raises: EmptyPrompt, RequestTooLong, InvalidRequest, GrammarError.
        """
        self._check_len(branch, operation.params.max_new_tokens)
        for name in ("logit_bias", "stop_token_ids"):
            for token_id in getattr(operation.params, name):
                self._check_token_id(name, token_id)
        for pattern in operation.params.stop_regex:
            stop_automaton(pattern)
        if operation.constraint is not None:
            self.compiler.compile(operation.constraint)

    def check_fork(self, branch: Branch) -> None:
        """Refuse to fork a text that cannot be computed. Raises: RequestTooLong."""
        if branch.token_ids:
            self._check_len(branch, 0)

    def open_seam(self, branch: Branch, operation: Gen) -> OpenSeam | None:
        """Take back the last tokens of the text, where the generation heals its seam and there is anything to heal."""
        if not operation.params.token_healing:
            return None
        grammar = None if operation.constraint is None else self.compiler.compile(operation.constraint)
        return take_back(branch, self.compiler.vocabulary, grammar, operation.params.stop_token_ids)

    def gen(
        self,
        branch: Branch,
        operation: Gen,
        params: SamplingParams,
        emit: Callable[[Emitted], None],
        seam: OpenSeam | None = None,
    ) -> GenTask:
        """One sample of a generation. `seam`: what was taken back of the text before it."""
        scores = None
        if params.return_logprob and params.logprob_start_len is not None:
            start = min(params.logprob_start_len, len(branch.token_ids))
            scores = TapeScores(
                branch, start, len(branch.token_ids), params.top_logprobs_num, self._token_text_if(params)
            )
            _recompute_from(branch, scores)
        branch.keep_one_pending()
        grammar: CompiledGrammar | None = None
        output_check = None
        if operation.constraint is not None:
            grammar = self.compiler.compile(operation.constraint)
            if seam is not None:
                grammar = HealedGrammar(grammar, seam, self.compiler.vocabulary)
            output_check = OutputCheck(operation.constraint, grammar) if self._is_output_validated else None
        return GenTask(
            branch=branch,
            params=params,
            eos_token_ids=self._eos_token_ids,
            context_len=self._limits.context_len,
            detokenizer=self._tokenizer.detokenizer(
                skip_special_tokens=params.skip_special_tokens,
                num_hidden_bytes=len(seam.rests[0]) if seam is not None else 0,
            ),
            grammar=grammar,
            token_text=self._token_text,
            emit=emit,
            input_scores=scores,
            rollback_budget=self._rollback_budget,
            output_check=output_check,
            seam=seam,
            constraint=operation.constraint,
            prediction=operation.prediction,
            vocab_size=self._vocab_size,
        )

    def score(self, branch: Branch, operation: Score, index: int) -> tuple[ScoreTask, list[Event]]:
        """Append the text of a score and find its log-probabilities."""
        start = len(branch.token_ids)
        events = self._append_text(branch, operation.text, False, index)
        self._flush(branch)
        branch.seam_start = len(branch.token_ids)
        self._check_len(branch, 0)
        scores = TapeScores(branch, start, len(branch.token_ids), with_text=self._token_text)
        _recompute_from(branch, scores)
        return ScoreTask(branch, scores), events

    def select(self, branch: Branch, operation: Select) -> SelectTask:
        """Heal the seam and score the choices."""
        self._check_len(branch, 0)
        num_kept, choice_tokens = heal(branch, self._tokenizer, operation.choices)
        self._check_choices(operation.choices, num_kept, choice_tokens)
        branch.truncate(num_kept)
        branch.keep_one_pending()
        return SelectTask(branch, choice_tokens, self._max_nodes(branch))

    def select_unconditionally(self, branch: Branch, choice_tokens: Sequence[list[int]]) -> SelectTask:
        """Score the same tokens after nothing but the token that begins a text."""
        start_id = self._tokenizer.bos_token_id
        branch.append([min(self._eos_token_ids) if start_id is None else start_id])
        return SelectTask(branch, list(choice_tokens), self._max_nodes(branch))

    # --- inside

    def _max_nodes(self, branch: Branch) -> int:
        return max(1, min(self._limits.token_budget - 1, self._limits.pool_len - len(branch.token_ids)))

    def _append_text(self, branch: Branch, text: str, has_special: bool, index: int) -> list[Event]:
        if not text:
            return []
        branch.buffer.append(TextPiece(text, has_special))
        branch.gain(TextPiece(text, has_special))
        return [TextDelta(index, text)]

    def _close_turn(self, branch: Branch, index: int) -> list[Event]:
        text = self.closing_text(branch)
        branch.turn_end += text
        return self._append_text(branch, text, True, index)

    def _walk(self, branch: Branch) -> ChatWalk:
        if branch.chat is None:
            if self._chat_template is None:
                raise ChatTemplateError(
                    "the model has no chat template, so it has no roles; write its prompt format as plain text"
                )
            branch.chat = self._chat_template.walk()
        return branch.chat

    def _flush(self, branch: Branch) -> None:
        """Tokenise the text that waits, unless it is sure not to fit: all others would wait until it was read."""
        max_token_len = self._tokenizer.max_token_len
        num_chars = sum(len(piece.text) for piece in branch.buffer)
        if num_chars > self._limits.context_len * max_token_len:
            hint = "shorten the prompt, leaving room for at least one token"
            num_tokens = num_chars // max_token_len
            raise RequestTooLong(
                "the text, at the least,", num_tokens, "the model's context", self._limits.context_len, hint
            )
        flush_buffer(branch, self._tokenizer)

    def _check_len(self, branch: Branch, num_more: int) -> None:
        num_tokens = len(branch.token_ids)
        if num_tokens == 0:
            raise EmptyPrompt("expected text before a generation, a selection or a score, got none; append some first")
        limits = self._limits
        if num_tokens + (num_more > 0) > limits.context_len:
            hint = "shorten the prompt, leaving room for at least one token"
            raise RequestTooLong("the text", num_tokens, "the model's context", limits.context_len, hint)
        num_cells = min(num_tokens + num_more, limits.context_len)
        if num_cells > limits.pool_len:
            hint = "shorten it, lower max_tokens, or give the engine a larger max_total_tokens"
            raise RequestTooLong("the text with what it may gain", num_cells, "the KV pool", limits.pool_len, hint)

    def _check_choices(self, choices: Sequence[str], num_kept: int, choice_tokens: Sequence[list[int]]) -> None:
        for choice, tokens in zip(choices, choice_tokens, strict=True):
            num_tokens = num_kept + len(tokens)
            what = f"the text with the choice {choice[:40]!r}"
            if num_tokens > self._limits.context_len:
                hint = "shorten the prompt or the choice"
                raise RequestTooLong(what, num_tokens, "the model's context", self._limits.context_len, hint)
            if num_tokens > self._limits.pool_len:
                hint = "shorten it, or give the engine a larger max_total_tokens"
                raise RequestTooLong(what, num_tokens, "the KV pool", self._limits.pool_len, hint)

    def _check_token_id(self, name: str, token_id: int) -> None:
        if not 0 <= token_id < self._vocab_size:
            raise InvalidRequest(f"{name}: expected token ids in [0, {self._vocab_size}), got {token_id}")

    def _token_text(self, token_id: int) -> str:
        return self._tokenizer.decode([token_id], skip_special_tokens=False)

    def _token_text_if(self, params: SamplingParams) -> Callable[[int], str] | None:
        return self._token_text if params.return_text_in_logprobs else None


def _recompute_from(branch: Branch, scores: TapeScores) -> None:
    """See to it that the logits of what is to be scored come by, even where the cells are there already."""
    branch.num_computed = min(branch.num_computed, scores.first_position)
