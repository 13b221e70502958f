"""What a backend reports while it runs operations, in order per branch."""

from typing import Literal

import msgspec


class TokenLogprob(msgspec.Struct, frozen=True):
    """One token with its log-probability under the model (raw logits, natural log), and the best alternatives.

    `logprob` is None for the very first token of a text, which nothing precedes.
    """

    token_id: int
    logprob: float | None
    text: str | None = None
    top: tuple[tuple[int, float], ...] = ()


class FinishReason(msgspec.Struct, frozen=True):
    """Why a generation ended.

    `stop`: end-of-text, a stop token (`matched` is its id), a stop string or regex (`matched` is the text),
    or the constraint was complete (`matched` is None). `length`: `max_new_tokens` or the context was reached.
    """

    type: Literal["stop", "length"]
    matched: int | str | None = None


class Timing(msgspec.Struct, frozen=True):
    """When an operation went through the engine, in seconds of the engine's clock (monotonic, its zero arbitrary)."""

    queued: float
    """It was the branch's turn to run it: what it needs was there."""
    started: float
    """The first forward pass that computed something of it began; before that it waited for a place."""
    first_token: float
    """The first token was sampled: the end of the prefill. Of what samples nothing: the same as `ended`."""
    ended: float
    num_preemptions: int = 0


class SpeculationReport(msgspec.Struct, frozen=True):
    """What came of the guesses at one generation's tokens."""

    num_verifications: int = 0
    """Forward passes that checked guesses."""
    num_drafted_tokens: int = 0
    """Guesses that they computed."""
    num_accepted_tokens: int = 0
    """Of these: those that were right."""
    num_verified_tokens: int = 0
    """Tokens that came of these passes, one or more of each."""
    num_accepted_prediction_tokens: int = 0
    """Of the right guesses: those that the prediction had, where one was given."""

    @property
    def accept_length(self) -> float | None:
        """Tokens a pass that checked guesses, on average; None where there was no such pass."""
        return self.num_verified_tokens / self.num_verifications if self.num_verifications else None


class GenResult(msgspec.Struct, frozen=True):
    """One finished generation."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    seed: int
    output_logprobs: tuple[TokenLogprob, ...] | None = None
    input_logprobs: tuple[TokenLogprob, ...] | None = None
    forced: tuple[int, ...] = ()
    """Indices into `token_ids` of those that were the only ones the constraint allowed; the others were sampled."""
    masked_log_mass: float | None = None
    """How hard the constraint pushed: the sum over `token_ids` of log Z, where Z is the probability that the raw model
    (at temperature 1, before penalties and bias) gave, there, to all tokens the constraint allowed. 0 where it removed
    nothing, the more negative the more it did; None without a constraint."""
    num_rollbacks: int = 0
    """How often the constraint left nothing that could follow, so that the generation went back and another way."""
    num_tokens_taken_back: int = 0
    """Tokens that were given up so; they are not in `token_ids`."""
    num_tokens: int | None = None
    """How many tokens there were, where the backend does not tell which; None: those of `token_ids`."""
    speculation: SpeculationReport | None = None
    """What guessing brought; None where nobody guesses."""

    @property
    def completion_tokens(self) -> int:
        """Tokens the model wrote, those of a trimmed stop included."""
        return len(self.token_ids) if self.num_tokens is None else self.num_tokens


class SelectResult(msgspec.Struct, frozen=True, tag="select"):
    """One finished selection; the lists run parallel to `choices`."""

    choice: str
    choices: tuple[str, ...]
    scores: tuple[float, ...]
    """What the method ranked by: larger is better."""
    logprobs: tuple[float, ...]
    """Log-probability of each whole choice: the sum over its tokens."""
    probabilities: tuple[float, ...]
    """softmax of `logprobs` over the choices."""
    token_logprobs: tuple[tuple[TokenLogprob, ...], ...]
    prompt_tokens: int
    cached_tokens: int


class ScoreResult(msgspec.Struct, frozen=True, tag="score"):
    """The log-probabilities of a text that was appended."""

    token_logprobs: tuple[TokenLogprob, ...]
    logprob: float
    """The sum over the tokens."""


class TextDelta(msgspec.Struct, frozen=True, tag="text_delta"):
    """Text that the branch gained; the text of a branch is the sum of these. `name`: the variable it belongs to."""

    operation_index: int
    text: str
    name: str | None = None
    token_ids: tuple[int, ...] = ()
    """Of a generation: the sampled tokens since the last delta, those whose text is held back included."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of each of `token_ids`, where they were asked for and the backend tells of them before the end."""
    forced: tuple[int, ...] = ()
    """Indices into `token_ids` of those that were the only ones the constraint allowed."""


class ValueReady(msgspec.Struct, frozen=True, tag="value_ready"):
    """A `Gen` (one result per sample), `Select` or `Score` ended."""

    operation_index: int
    name: str
    result: tuple[GenResult, ...] | SelectResult | ScoreResult
    timing: Timing | None = None


class Forked(msgspec.Struct, frozen=True, tag="forked"):
    """A `Fork` ran; these branches now exist."""

    operation_index: int
    branch_ids: tuple[int, ...]


class Closing(msgspec.Struct, frozen=True, tag="closing"):
    """The text that would close the open end of the chat so far; the next `TextDelta` replaces it.

    A chat template can write the end of a turn only when it knows what follows (tool answers are grouped).
    """

    text: str


Event = TextDelta | ValueReady | Forked | Closing


class BranchEnded(msgspec.Struct, frozen=True):
    """All steps that a plan has for a branch ran, or `error` stopped it at the step `operation_index`.

    A branch that was to be forked after the failed step ends with the same error.
    """

    error: BaseException | None = None
    operation_index: int | None = None
