"""What a generation reports of the guesses at it, and what the engine counts of all of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine_harness import Harness, gen, oracle, tokens

import palmette as pm
from palmette.lang.events import GenResult, SpeculationReport
from palmette.lang.meta_info import meta_info_of
from palmette.runtime.local.embedded import Engine
from palmette.runtime.speculation.draft import SOURCES, Draft, Source
from palmette.runtime.speculation.drafter import DraftText

PROMPT = [5, 6, 7]
LEN = 12
ANSWER = oracle(PROMPT, gen(LEN).params, seed=3)


@dataclass
class Oracle:
    """Guesses the next tokens, the first `num_right` of which are right."""

    source: Source
    num_right: int
    num_wrong: int

    def begin(self, text: DraftText) -> "_Guess":
        return _Guess(self, text)


@dataclass
class _Guess:
    drafter: Oracle
    text: DraftText

    def drafts(self, max_len: int) -> Iterable[Draft]:
        done = len(self.text.token_ids) - self.text.start
        right = ANSWER[done : done + self.drafter.num_right]
        way = (*right, *[999] * self.drafter.num_wrong)[:max_len]
        yield Draft(tuple(way), (0.9,) * len(way), self.drafter.source)


def sample(*drafters: Oracle) -> tuple[GenResult, Harness]:
    harness = Harness(make_drafters=(lambda _: drafters) if drafters else None)
    (result,) = harness.answer([tokens(*PROMPT), gen(LEN)], seed=3).samples()
    assert result.token_ids == tuple(ANSWER)
    return result, harness


def test_each_check_of_guesses_is_counted_with_the_tokens_that_came_of_it() -> None:
    # Twelve tokens, three by each pass; two guesses were right and one was wrong each time, but for the last pass: the
    # last token of a text is not guessed.
    result, harness = sample(Oracle("suffix", 2, 1))
    assert result.speculation == SpeculationReport(4, 11, 8, 12)
    assert result.speculation.accept_length == 3
    assert harness.core.num_steps == 4


def test_all_but_the_last_token_may_be_guessed() -> None:
    result, _ = sample(Oracle("suffix", 20, 0))
    assert result.speculation is not None
    assert result.speculation.num_verified_tokens == result.speculation.num_accepted_tokens + 1 == LEN


def test_without_guesses_nothing_is_reported_and_with_vain_ones_zeros() -> None:
    assert sample()[0].speculation is None
    vain, harness = sample(Oracle("radix", 0, 0))
    assert vain.speculation == SpeculationReport(0, 0, 0, 0)
    assert meta_info_of((vain,), "x")["spec_accept_length"] is None
    assert "spec_verify_ct" not in meta_info_of(sample()[0:1], "x")
    assert harness.core.stats()["num_verifications"] == 0


def test_sources_are_counted_each_by_itself() -> None:
    _, harness = sample(Oracle("suffix", 2, 1), Oracle("radix", 1, 0))
    stats = harness.core.stats()
    assert stats["num_drafted_tokens"] == 11
    assert (stats["num_drafted_tokens_suffix"], stats["num_accepted_tokens_suffix"]) == (11, 8)
    assert (stats["num_drafted_tokens_radix"], stats["num_accepted_tokens_radix"]) == (4, 4)
    assert stats["num_verified_tokens"] == LEN


def test_the_counters_are_there_without_guesses() -> None:
    stats = sample()[1].core.stats()
    names = ["num_verifications", "num_verified_tokens", "num_drafted_tokens", "num_accepted_tokens"]
    names += [f"num_{what}_tokens_{source}" for what in ("drafted", "accepted") for source in SOURCES]
    assert {name: stats[name] for name in names} == dict.fromkeys(names, 0)


@pm.function
def tell(s: pm.ProgramState) -> None:
    s += "Once upon a time there was a small fox who"
    s += pm.gen("story", max_tokens=24, temperature=0.7)


def test_programs_and_generate_report_the_same_figures() -> None:
    with Engine(max_total_tokens=4096, random_seed=7, speculation="auto") as engine:
        first = tell.run(backend=engine, seed=1).get_meta_info("story")
        second = tell.run(backend=engine, seed=1).get_meta_info("story")
        stats = engine.stats()
        prompt = "The capital of France is"
        output = engine.generate(prompt, {"max_new_tokens": 2, "n": 2})
    names = ("spec_verify_ct", "spec_num_drafted_tokens", "spec_num_accepted_tokens")
    counted = [stats[name] for name in ("num_verifications", "num_drafted_tokens", "num_accepted_tokens")]
    assert [first[name] + second[name] for name in names] == counted
    assert 0 < second["spec_verify_ct"] < 24
    assert second["spec_accept_length"] > 2
    assert all(set(names) <= set(each["meta_info"]) for each in output)
