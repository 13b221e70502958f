"""A head that guesses from hidden states: what it is shown is what tokens were sampled from, and no answer changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from free_guessing import guess_freely, model_config
from torch import Tensor

from palmette.lang.events import GenResult, ValueReady
from palmette.lang.ir import Gen, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.assembly import assemble
from palmette.runtime.errors import InvalidOption
from palmette.runtime.models.decoder import Decoder
from palmette.runtime.speculation.draft import Draft, Source
from palmette.runtime.speculation.drafter import DraftText


@dataclass(eq=False)
class TinyHead:
    """One linear layer from hidden states to tokens, which knows nothing unless it is given the model's own."""

    hidden_size: int
    vocab_size: int
    source: Source = "head"
    weight: Tensor = field(init=False)
    shown: list[tuple[DraftText, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(1)
        self.weight = torch.randn(self.vocab_size, self.hidden_size, generator=generator)

    def begin(self, text: DraftText) -> "TinyHeadText":
        return TinyHeadText(self, text)


@dataclass(eq=False)
class TinyHeadText:
    head: TinyHead
    text: DraftText
    last: Tensor | None = None

    def see_hidden(self, hidden: Tensor) -> None:
        self.head.shown.append((self.text, hidden))
        seen = self.text.token_ids[len(self.text.token_ids) - len(hidden) :]
        self.check(hidden, seen)
        self.last = hidden[-1]

    def check(self, hidden: Tensor, seen: object) -> None:
        """For those who know what it should be."""

    def drafts(self, max_len: int) -> Iterable[Draft]:
        """The three likeliest tokens: a tree of one level."""
        if self.last is not None:
            for token_id in (self.head.weight @ self.last).topk(3).indices.tolist():
                yield Draft((token_id,), (1.0,), "head")  # before all others in the tree


def run(head: TinyHead | None, temperature: float, predictions: Sequence[str | None] = (None,) * 3) -> list[GenResult]:
    parts = assemble(model_config(speculation="off" if head is None else "suffix,prediction"), draft_head=head)
    if head is not None:
        guess_freely(parts)
    results: list[GenResult] = []

    def listen(results: list[GenResult], item: object) -> None:
        if isinstance(item, ValueReady):
            assert isinstance(item.result, tuple)
            results.extend(item.result)

    params = SamplingParams(max_new_tokens=80, temperature=temperature, seed=5, ignore_eos=True)
    for text, prediction in zip(("The fox", "Once upon a time", "The fox"), predictions, strict=True):
        parts.core.submit_alone((Text(text), Gen("x", params, None, prediction)), partial(listen, results))
        while parts.core.step():
            parts.core.check_integrity()
    assert parts.core.stats().get("num_guesser_failures", 0) == 0, "a head that fails is asked no more"
    return results


def sprig() -> Decoder:
    model = assemble(model_config(speculation="off")).core._runner._model
    assert isinstance(model, Decoder)
    return model


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_untrained_head_changes_no_answer(temperature: float) -> None:
    model = sprig()
    head = TinyHead(model.config.hidden_size, model.vocab_size)
    expected, answered = run(None, temperature), run(head, temperature)
    assert [each.token_ids for each in answered] == [each.token_ids for each in expected]


def test_a_head_sees_what_each_token_was_sampled_from(monkeypatch: pytest.MonkeyPatch) -> None:
    model = sprig()
    head = TinyHead(model.config.hidden_size, model.vocab_size)

    def check(text: TinyHeadText, hidden: Tensor, seen: list[int]) -> None:
        assert hidden.shape == (len(seen), model.config.hidden_size)
        logits = model._lm_head.forward(hidden, torch.float32)
        assert logits.argmax(dim=-1).tolist() == seen

    monkeypatch.setattr(TinyHeadText, "check", check)
    results = run(head, 0.0, [each.text for each in run(None, 0.0)])
    num_shown = sum(len(hidden) for _, hidden in head.shown)
    # What ends a text is shown to nobody, nor is what comes in the same pass.
    assert num_shown >= 0.4 * sum(len(each.token_ids) for each in results)
    assert any(len(hidden) > 1 for _, hidden in head.shown), "several tokens of one pass"


def test_a_head_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidOption, match="draft_head: the model's states have"):
        run(TinyHead(3, 10), 0.0)
