"""The oracle: what a branch must write, every prefix computed from scratch: no cache, no batch, no chunk, no time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from hash_model import naive_logits
from naive_generation import Sample, generate, seam_len
from tiny_language import TOKENIZER, VOCAB_SIZE

from palmette.kernels.philox import branch_path
from palmette.lang.ir import Fork, Gen, Join, Operation, Score, Select, Text, Tokens
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.branch import Branch, TextPiece
from palmette.runtime.errors import EmptyPrompt, RequestTooLong
from palmette.runtime.operations.join import append_child
from palmette.runtime.operations.seam import flush_buffer, heal
from palmette.runtime.operations.select import SelectTask, decide


@dataclass(frozen=True)
class Choice:
    """What a selection must be."""

    choice: str
    logprobs: tuple[float, ...]


Scores = tuple[float | None, ...]
Value = tuple[Sample, ...] | Choice | Scores


@dataclass
class Outcome:
    """What an operation must do to its branch: the text it adds and its value, or the kind of error it ends with."""

    text: str = ""
    value: Value | None = None
    error: type[Exception] | None = None
    children: "tuple[NaiveBranch, ...]" = ()


@dataclass(frozen=True)
class Limits:
    """How long a text may be: for the model, and for the pool."""

    context_len: int
    pool_len: int


class NaiveBranch:
    """A text and the operations that lengthen it, one after another, each at once."""

    def __init__(self, branch: Branch, limits: Limits) -> None:
        self.branch = branch
        self._limits = limits
        self._num_children = 0

    @property
    def last_path(self) -> int:
        """Of its last child or further sample; of the first to come, if there is none yet."""
        return branch_path(self.branch.path, max(self._num_children - 1, 0))

    def run(self, operation: Operation, children: "Sequence[NaiveBranch]" = ()) -> Outcome:
        """Do one operation. `children`: those that a `Join` names."""
        branch = self.branch
        if not isinstance(operation, Text):
            flush_buffer(branch, TOKENIZER)
        match operation:
            case Text(text=text, has_special=has_special):
                branch.buffer.append(TextPiece(text, has_special))
                return self._gain(text, has_special=has_special)
            case Tokens(token_ids=token_ids):
                branch.append(list(token_ids))
                branch.seam_start = len(branch.token_ids)
                return self._gain(TOKENIZER.decode(token_ids, skip_special_tokens=False), has_special=True)
            case Gen(params=params):
                error = self._misfit(params.max_new_tokens)
                return Outcome(error=error) if error else self._gen(operation)
            case Select():
                error = self._misfit(0)
                return Outcome(error=error) if error else self._select(operation)
            case Score(text=text):
                return self._score(text)
            case Fork(num_children=num_children):
                error = self._misfit(0) if branch.token_ids else None
                return Outcome(error=error) if error else Outcome(children=self._children(num_children))
            case Join():
                return self._join(children)
            case _:
                raise AssertionError(f"expected an operation that the oracle knows, got {operation}")

    # --- operations

    def _gen(self, operation: Gen) -> Outcome:
        branch, context_len = self.branch, self._limits.context_len
        seam: list[int] = []
        if operation.params.token_healing:
            num_kept = len(branch.token_ids) - seam_len(branch.token_ids, branch.seam_start, operation)
            seam = branch.token_ids[num_kept:]
            branch.truncate(num_kept)
        paths = [branch.path, *(self._next_path() for _ in range(operation.params.n - 1))]
        drawn = [generate(branch.token_ids, operation, branch.seed, path, context_len, seam) for path in paths]
        drawn = [self._with_scores(sample, operation.params) for sample in drawn]
        first = drawn[0]
        branch.append([*first.healed, *first.cut_off, *first.token_ids[: first.num_kept]])
        branch.seam_start = len(branch.token_ids)
        if first.rest:
            branch.buffer.append(TextPiece(first.rest, None))
        return self._gain(first.text, tuple(drawn))

    def _with_scores(self, sample: Sample, params: SamplingParams) -> Sample:
        tape, start = [*self.branch.token_ids, *sample.healed], params.logprob_start_len
        if not params.return_logprob:
            return replace(sample, prompt_tokens=len(tape))
        return replace(
            sample,
            prompt_tokens=len(tape),
            scores=None if start is None else logprobs(tape, min(start, len(tape))),
            output_scores=logprobs([*tape, *sample.token_ids], len(tape)),
        )

    def _select(self, operation: Select) -> Outcome:
        branch = self.branch
        num_kept, choices = heal(branch, TOKENIZER, operation.choices)
        if num_kept + max(map(len, choices)) > min(self._limits.context_len, self._limits.pool_len):
            return Outcome(error=RequestTooLong)
        branch.truncate(num_kept)
        scored, baseline = _scored(branch, choices), None
        if operation.method == "unconditional_likelihood_normalized":
            baseline = _scored(Branch(0, "", branch.seed, token_ids=[min(TOKENIZER.eos_token_ids)]), choices)
        winner, result = decide(operation, scored, baseline, 0)
        branch.append(choices[winner])
        branch.seam_start = len(branch.token_ids)
        return self._gain(result.choice, Choice(result.choice, result.logprobs))

    def _score(self, text: str) -> Outcome:
        branch, start = self.branch, len(self.branch.token_ids)
        branch.append(TOKENIZER.encode(text, has_special=False, is_start=start == 0))
        branch.seam_start = len(branch.token_ids)
        error = self._misfit(0)
        return Outcome(error=error) if error else self._gain(text, logprobs(branch.token_ids, start))

    def _children(self, num_children: int) -> "tuple[NaiveBranch, ...]":
        parent = self.branch
        children = [
            Branch(
                branch_id=0,
                namespace=parent.namespace,
                seed=parent.seed,
                path=self._next_path(),
                token_ids=list(parent.token_ids),
                seam_start=parent.seam_start,
                fork_len=len(parent.token_ids),
            )
            for _ in range(num_children)
        ]
        return tuple(NaiveBranch(child, self._limits) for child in children)

    def _join(self, children: "Sequence[NaiveBranch]") -> Outcome:
        text = ""
        for child in children:
            flush_buffer(child.branch, TOKENIZER)
            flush_buffer(self.branch, TOKENIZER)
            append_child(self.branch, child.branch, 0)
            text += "".join(piece.text for piece in child.branch.text_since_fork)
        return Outcome(text)

    # --- parts

    def _next_path(self) -> int:
        self._num_children += 1
        return branch_path(self.branch.path, self._num_children - 1)

    def _gain(self, text: str, value: Value | None = None, *, has_special: bool = False) -> Outcome:
        self.branch.text_since_fork.append(TextPiece(text, has_special))
        return Outcome(text, value)

    def _misfit(self, num_more: int) -> type[Exception] | None:
        """Why the text, with what it may gain, cannot be."""
        num_tokens, limits = len(self.branch.token_ids), self._limits
        if num_tokens == 0:
            return EmptyPrompt
        is_long = num_tokens + (num_more > 0) > limits.context_len
        is_large = min(num_tokens + num_more, limits.context_len) > limits.pool_len
        return RequestTooLong if is_long or is_large else None


def logprobs(token_ids: Sequence[int], start: int) -> Scores:
    """Of each of the tokens from `start` on; None for one that nothing comes before."""
    found: list[float | None] = []
    for index in range(start, len(token_ids)):
        logits = torch.from_numpy(naive_logits(token_ids[:index], VOCAB_SIZE))
        found.append(float(torch.log_softmax(logits, dim=-1)[token_ids[index]]) if index else None)
    return tuple(found)


def _scored(branch: Branch, choices: list[list[int]]) -> SelectTask:
    """A selection whose choices are scored one by one."""
    task, tape = SelectTask(branch, choices, 1), branch.token_ids
    for index, choice in enumerate(choices):
        task.token_logprobs[index] = [each or 0.0 for each in logprobs([*tape, *choice], len(tape))]
    return task
