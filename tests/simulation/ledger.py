"""Ledger: what the operations of one branch must do, against what is heard of them."""

from dataclasses import dataclass, field

from naive_generation import Sample
from oracle import Choice, Outcome, Scores, Value

from palmette.lang.events import (
    Event,
    Forked,
    GenResult,
    ScoreResult,
    SelectResult,
    TextDelta,
    TokenLogprob,
    ValueReady,
)

_TOLERANCE = 1e-3
"""Of log-probabilities: softmax may sum in another order."""


@dataclass
class Ledger:
    """Outcomes by the index of the operation; an error ends the list of them."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    token_ids: dict[int, tuple[int, ...]] = field(default_factory=dict)
    values: set[int] = field(default_factory=set)
    last_index: int = 0

    @property
    def refusal(self) -> tuple[int, type[Exception]] | None:
        """The operation that must be refused, and how."""
        return next(((index, each.error) for index, each in self.outcomes.items() if each.error is not None), None)

    def hear(self, event: Event) -> None:
        """Raise AssertionError unless this may be heard now."""
        index = getattr(event, "operation_index", self.last_index)
        assert index >= self.last_index, f"expected operation {self.last_index} or a later one, got {event}"
        self.last_index = index
        assert index in self.outcomes, f"expected events of {sorted(self.outcomes)}, got {event}"
        outcome = self.outcomes[index]
        match event:
            case TextDelta(text=text, token_ids=token_ids):
                self.texts[index] = self.texts.get(index, "") + text
                self.token_ids[index] = self.token_ids.get(index, ()) + token_ids
                assert outcome.text.startswith(self.texts[index]), (
                    f"operation {index}: expected {outcome.text!r}, got {self.texts[index]!r}"
                )
                written = outcome.value[0].token_ids if _has_samples(outcome.value) else ()
                got = self.token_ids[index]
                assert written[: len(got)] == got, f"operation {index}: expected tokens {written}, got {got}"
            case ValueReady(result=result, timing=timing):
                assert timing is not None
                assert timing.queued <= timing.started <= timing.first_token <= timing.ended, timing
                assert index not in self.values, f"operation {index}: a second value, {result}"
                self.values.add(index)
                check_value(index, outcome.value, result)
            case Forked(branch_ids=branch_ids):
                expected = len(outcome.children)
                assert len(branch_ids) == expected, f"operation {index}: expected {expected} children, got {event}"
            case _:
                raise AssertionError(f"expected no such event, got {event}")

    def check_complete(self) -> None:
        """Raise AssertionError unless everything has been heard."""
        for index, outcome in self.outcomes.items():
            assert outcome.error is None, f"operation {index}: expected {outcome.error}, got no error"
            text = self.texts.get(index, "")
            assert text == outcome.text, f"operation {index}: expected the text {outcome.text!r}, got {text!r}"
            assert outcome.value is None or index in self.values, f"operation {index}: no value came"


def check_value(index: int, expected: Value | None, got: tuple[GenResult, ...] | SelectResult | ScoreResult) -> None:
    """Raise AssertionError unless a value is what it must be."""
    found: object
    match got:
        case SelectResult():
            found = Choice(got.choice, got.logprobs)
        case ScoreResult():
            found = tuple(each.logprob for each in got.token_logprobs)
        case samples:
            found = tuple(_facts(sample) for sample in samples)
            expected = tuple(_facts(sample) for sample in expected) if _has_samples(expected) else expected
    assert agree(expected, found), f"operation {index}: expected\n    {expected}, got\n    {found}"


def _has_samples(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Sample)


def _facts(sample: Sample | GenResult) -> tuple[object, ...]:
    """What of a sample must not depend on anything but its text."""
    if isinstance(sample, Sample):
        scores, output_scores = sample.scores, sample.output_scores
        return (
            sample.token_ids,
            sample.text,
            sample.reason,
            sample.matched,
            sample.prompt_tokens,
            scores,
            output_scores,
        )
    reason = sample.finish_reason
    scores, output_scores = _scores(sample.input_logprobs), _scores(sample.output_logprobs)
    assert 0 <= sample.cached_tokens < sample.prompt_tokens, (
        f"{sample.cached_tokens} of {sample.prompt_tokens} tokens cached"
    )
    return sample.token_ids, sample.text, reason.type, reason.matched, sample.prompt_tokens, scores, output_scores


def _scores(entries: tuple[TokenLogprob, ...] | None) -> Scores | None:
    return None if entries is None else tuple(entry.logprob for entry in entries)


def agree(left: object, right: object) -> bool:
    """Whether two values are the same, log-probabilities nearly so."""
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= _TOLERANCE
    if isinstance(left, Choice) and isinstance(right, Choice):
        return left.choice == right.choice and agree(left.logprobs, right.logprobs)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(agree(*pair) for pair in zip(left, right, strict=True))
    return left == right
