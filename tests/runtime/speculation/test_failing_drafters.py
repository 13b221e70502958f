"""Who guesses may fail at any call: the text is written without, and nothing of it stays behind."""

from collections.abc import Sequence

import pytest
from engine_harness import TOKENIZER, Harness, gen, oracle, tokens

from palmette.lang.ir import Gen
from palmette.runtime.speculation.draft import Draft, Source
from palmette.runtime.speculation.drafter import DraftText, Guesser
from palmette.runtime.speculation.prediction_drafts import PredictionDrafts


class Failing:
    """Guesses for many at once, until the call that fails; counts those whom it was told to end."""

    source: Source = "model"

    def __init__(self, at: str) -> None:
        self.at = at
        self.num_open = 0

    def begin(self, text: DraftText) -> "Failing":
        self._reach("begin")
        self.num_open += 1
        return self

    def prepare(self, guessers: Sequence[Guesser], max_len: int) -> None:
        self._reach("prepare")

    def drafts(self, max_len: int) -> list[Draft]:
        self._reach("drafts")
        return []

    def end(self, guessers: Sequence[Guesser]) -> None:
        self.num_open -= sum(each is self for each in guessers)

    def _reach(self, call: str) -> None:
        if call == self.at:
            raise RuntimeError("the guesser cannot")


@pytest.mark.parametrize("at", ["begin", "prepare", "drafts"])
def test_a_text_is_written_without_guesses(at: str) -> None:
    drafter = Failing(at)
    harness = Harness(make_drafters=lambda _: [drafter])
    branch_id = harness.core.open_branch(3, "")
    heard = harness.submit(branch_id, [tokens(5, 6, 7), gen(20)])
    harness.core.step()
    harness.core.step()
    assert drafter.num_open == 0, "what it holds is given back at once"
    while harness.core.step():
        pass
    assert heard.token_ids() == oracle([5, 6, 7], gen(20).params, seed=3)
    assert harness.core.stats()["num_guesser_failures"] == 1
    assert drafter.num_open == 0
    harness.core.close_branch(branch_id)
    harness.check_all_returned()


def test_a_prediction_that_no_tokenizer_reads() -> None:
    harness = Harness(
        make_drafters=lambda _: [PredictionDrafts(lambda text: TOKENIZER.encode(text, has_special=False))]
    )
    operation = Gen("x", gen(20).params, None, "half a character: \ud800")
    heard = harness.answer([tokens(5, 6, 7), operation], seed=3)
    assert heard.token_ids() == oracle([5, 6, 7], gen(20).params, seed=3)
    assert harness.core.stats()["num_guesser_failures"] == 1
