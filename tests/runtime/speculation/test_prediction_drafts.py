"""Guesses from a prediction: followed, left, found again; and counted for the caller."""

from collections.abc import Sequence

import pytest
from engine_harness import Harness, gen, oracle, tokens

from palmette.lang.ir import Gen
from palmette.runtime.speculation.drafter import DraftText
from palmette.runtime.speculation.prediction_drafts import PredictionDrafts


class Follower:
    """A text with a prediction, where a letter is a token."""

    def __init__(self, prediction: str) -> None:
        self.tape: list[int] = list(b">")
        guesser = PredictionDrafts(str.encode).begin(DraftText("", self.tape, 1, prediction=prediction))
        assert guesser is not None
        self.guesser = guesser

    def after(self, text: str, max_len: int = 4) -> str | None:
        """The guess at what follows the text, after which more may be written."""
        self.tape += text.encode()
        ways = [bytes(draft.token_ids).decode() for draft in self.guesser.drafts(max_len)]
        assert len(ways) <= 1
        return ways[0] if ways else None


def test_the_prediction_is_followed_from_its_beginning_to_its_end() -> None:
    follower = Follower("hello world")
    assert follower.after("") == "hell"
    assert follower.after("hel") == "lo w"
    assert follower.after("lo worl") == "d"
    assert follower.after("d") is None


def test_a_text_that_leaves_is_found_again_by_its_last_tokens() -> None:
    follower = Follower("one two three, one two four")
    assert follower.after("one two ") == "thre"
    assert follower.after("x") == "hree", "the token may stand for that of the prediction"
    assert follower.after("i") is None
    assert follower.after("ve, ") == "one ", "', ' is in the prediction, further on"
    assert follower.after("one two") == " fou"


def test_of_several_places_the_next_is_taken() -> None:
    follower = Follower("a-b=1; a-b=2; a-b=3")
    assert follower.after("a-b=1; a-b=") == "2; a"
    assert follower.after("7") == "; a-"
    assert follower.after("; a-b=") == "3"


def test_tokens_that_were_taken_back_are_no_part_of_it() -> None:
    follower = Follower("abcdefgh")
    assert follower.after("abcd") == "efgh"
    del follower.tape[-2:]
    assert follower.after("") == "cdef"
    assert follower.after("cdef") == "gh"


def test_without_a_prediction_nobody_guesses() -> None:
    drafts = PredictionDrafts(str.encode)
    assert drafts.begin(DraftText("", [1], 1)) is None
    assert drafts.begin(DraftText("", [1], 1, prediction="")) is None


def run(answer: Sequence[int], prediction: Sequence[int], prompt: list[int], temperature: float) -> tuple[int, int]:
    """Passes that a text of that length takes with the prediction, and how many tokens came through it."""
    texts = {"predicted": tuple(prediction)}
    harness = Harness(make_drafters=lambda _: [PredictionDrafts(texts.__getitem__)])
    operation = Gen("x", gen(len(answer), temperature=temperature).params, None, "predicted")
    (sample,) = harness.answer([tokens(*prompt), operation], seed=3).samples()
    assert sample.token_ids == tuple(answer)
    harness.check_all_returned()
    assert sample.speculation is not None
    return harness.core.num_steps, sample.speculation.num_accepted_prediction_tokens


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_prediction_that_is_the_answer_is_accepted(temperature: float) -> None:
    prompt = [5, 6, 7]
    answer = oracle(prompt, gen(99, temperature=temperature).params, seed=3)
    num_passes, num_accepted = run(answer, answer, prompt, temperature)
    assert num_passes <= 5
    assert num_accepted >= 95, "all but one a pass, which is sampled behind the last guess"


def test_a_prediction_of_which_a_little_is_another_still_helps() -> None:
    prompt = [5, 6, 7]
    answer = list(oracle(prompt, gen(99).params, seed=3))
    prediction = [*answer[:20], 1, *answer[21:50], *answer[53:80], 1, 2, 3, *answer[80:]]
    num_passes, num_accepted = run(answer, prediction, prompt, 0.0)
    assert num_passes < 20
    assert 75 <= num_accepted <= 99


def test_a_wrong_prediction_changes_nothing() -> None:
    prompt = [5, 6, 7]
    answer = oracle(prompt, gen(30, temperature=1.0).params, seed=3)
    _, num_accepted = run(answer, [1, 2, 3] * 20, prompt, 1.0)
    assert num_accepted == 0


def test_the_samples_of_a_request_share_what_is_found_out_about_it() -> None:
    read: list[str] = []

    def tokenize(text: str) -> bytes:
        read.append(text)
        return text.encode()

    drafts = PredictionDrafts(tokenize)
    for prediction in ("hello world", "hello world", "hello word"):
        guesser = drafts.begin(DraftText("", [62], 1, prediction=prediction))
        assert guesser is not None
        (draft,) = guesser.drafts(11)
        assert bytes(draft.token_ids).decode() == prediction
    assert read == ["hello world", "hello word"]


def test_of_a_book_as_prediction_no_more_is_read_than_the_text_may_have() -> None:
    read: list[int] = []

    def tokenize(text: str) -> bytes:
        read.append(len(text))
        return text.encode()

    drafts = PredictionDrafts(tokenize)
    assert drafts.begin(DraftText("", [62], 1, max_len=101, prediction="book " * 200_000)) is not None
    assert read[0] < 20_000


def test_a_text_gets_no_longer_than_its_context() -> None:
    seen: list[int | None] = []

    class Looking(PredictionDrafts):
        def begin(self, text: DraftText) -> None:
            seen.append(text.max_len)

    harness = Harness(make_drafters=lambda _: [Looking(str.encode)], context_len=64)
    harness.answer([tokens(5, 6, 7), gen(1000, ignore_eos=True)], seed=3)
    assert seen == [64]
