"""Passes that are launched before the tokens that they compute are read: nothing but their time may change."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from engine_harness import VOCAB_SIZE, Harness, Listening, gen, oracle, tokens
from torch import Tensor

import palmette as pm
from palmette.grammar.spec import Regex
from palmette.lang.ir import Gen, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.assembly import assemble
from palmette.runtime.engine import EngineCore
from palmette.runtime.errors import InvalidOption, StepFailed
from palmette.runtime.joined_rows import join_rows
from palmette.runtime.local import embedded
from palmette.runtime.local.embedded import Engine
from palmette.runtime.models.batch import Batch
from palmette.runtime.sampler import SampledToken, Sampler, SampleRow, Sampling, SamplingError
from palmette.runtime.step_graphs.graph_recorder import CallAgain, GraphRecorder
from palmette.runtime.step_graphs.step_graphs import StepGraphs

PROMPT = [5, 17, 300, 42, 99]


class LoggedSampler(Sampler):
    """Writes down when it is given work and when that is read; what is to be read can be made to fail."""

    def __init__(self) -> None:
        super().__init__(VOCAB_SIZE)
        self.log: list[str] = []
        self.fails_at: int | None = None
        """The number of the reading that fails."""

    def launch(self, logits: Tensor, rows: Sequence[SampleRow]) -> Sampling:
        sampling = super().launch(logits, rows)
        self.log.append("sample")
        read = sampling.read

        def logged() -> list[SampledToken | SamplingError]:
            self.log.append("read")
            if self.log.count("read") == self.fails_at:
                raise RuntimeError("the device is on fire")
            return read()

        sampling.read = logged  # type: ignore[method-assign]
        return sampling


def submit(harness: Harness, number: int, operation: Gen, prompt: Sequence[int] = PROMPT) -> Listening:
    return harness.submit(harness.core.open_branch(number, ""), [tokens(*prompt), operation])


def close_all(harness: Harness) -> None:
    for branch in list(harness.core.branches.all()):
        harness.core.close_branch(branch.branch_id)
    harness.check_all_returned()


@pytest.mark.parametrize("overlaps", [True, False])
def test_the_next_pass_is_launched_before_tokens_are_read(overlaps: bool) -> None:
    sampler = LoggedSampler()
    harness = Harness(sampler=sampler, overlaps=overlaps)

    def hear(batch: Batch) -> None:
        sampler.log.append("pass")

    harness.model.on_pass = hear
    listening = submit(harness, 7, gen(4))
    harness.run()
    first, middle = ["pass", "sample"], ["pass", "read", "sample"] if overlaps else ["read", "pass", "sample"]
    assert sampler.log == [*first, *middle * 3, "read"], "after the last token nothing is computed"
    assert listening.token_ids() == oracle(PROMPT, gen(4).params)
    assert harness.core.stats()["num_passes_ahead"] == (3 if overlaps else 0)
    assert harness.core.stats()["num_computed_tokens"] == len(PROMPT) + 3
    close_all(harness)


def test_a_pass_in_vain_harms_nobody() -> None:
    """One row ends with a token that nobody could foresee; what was computed behind it is dropped."""
    params = gen(12, temperature=1.0).params
    whole = oracle(PROMPT, params)
    ending = SamplingParams(max_new_tokens=12, temperature=1.0, stop_token_ids=(whole[3],))
    harness = Harness(page_size=2, overlaps=True)
    ended = harness.submit(
        harness.core.open_branch(7, ""), [tokens(*PROMPT), Gen("x", ending), Text(" and"), gen(3, name="y")]
    )
    others = [submit(harness, seed, gen(12, temperature=1.0)) for seed in (8, 9)]
    harness.run()
    assert ended.token_ids() == whole[:4]
    assert harness.core.stats()["num_tokens_ahead_in_vain"] == 1
    alone = Harness(page_size=2)
    expected = alone.answer([tokens(*PROMPT), Gen("x", ending), Text(" and"), gen(3, name="y")])
    assert ended.token_ids("y") == expected.token_ids("y")
    for seed, other in zip((8, 9), others, strict=True):
        assert other.token_ids() == oracle(PROMPT, params, seed=seed)
    close_all(harness)


def test_who_arrives_meanwhile_comes_in_with_the_pass_after() -> None:
    harness = Harness(overlaps=True)
    first = submit(harness, 7, gen(10))
    harness.core.step()  # the prompt, and the next pass is ahead
    late = submit(harness, 8, gen(3, temperature=1.0), [9, 8, 7])
    harness.core.step()  # the pass that was ahead: nothing runs ahead of the next, which lets the late one in
    assert late.ended is None
    assert len(harness.core.scheduler.running) == 1
    harness.core.step()
    assert len(harness.core.scheduler.running) == 2
    harness.run()
    assert first.token_ids() == oracle(PROMPT, gen(10).params)
    assert late.token_ids() == oracle([9, 8, 7], gen(3, temperature=1.0).params, seed=8)
    close_all(harness)


def test_a_queue_before_a_full_engine_stops_nothing() -> None:
    harness = Harness(max_running_rows=2, overlaps=True)
    listening = [submit(harness, seed, gen(8, temperature=1.0)) for seed in range(5)]
    harness.run()
    for seed, each in enumerate(listening):
        assert each.token_ids() == oracle(PROMPT, gen(8, temperature=1.0).params, seed=seed)
    assert harness.core.stats()["num_passes_ahead"] > 15
    close_all(harness)


def test_what_is_computed_ahead_is_charged() -> None:
    charged = []
    for overlaps in (True, False):
        harness = Harness(overlaps=overlaps)
        submit(harness, 7, gen(9))
        for _ in range(5):
            harness.core.step()
        (row,) = harness.core.scheduler.running
        charged.append((row.charged_len, row.branch.num_computed))
        close_all(harness)
    assert charged[0] == charged[1] == (len(PROMPT) + 4, len(PROMPT) + 4)


def test_a_slot_that_is_sure_to_be_free_is_not_left_empty() -> None:
    num_steps = []
    for overlaps in (True, False):
        harness = Harness(max_running_rows=2, overlaps=overlaps)
        listening = [submit(harness, seed, gen(4 + seed)) for seed in range(5)]
        harness.run()
        assert all(len(each.token_ids()) == 4 + seed for seed, each in enumerate(listening))
        num_steps.append(harness.core.num_steps)
        close_all(harness)
    assert num_steps[0] == num_steps[1]


def test_a_row_that_its_sibling_took_along_is_not_foreseen() -> None:
    """It was to sample, then the other sample failed; beside it stands a row that is still reading its prompt."""
    harness = Harness(page_size=2, token_budget=16, overlaps=True)
    doomed = submit(harness, 7, gen(9, n=2, temperature=1.0))
    writing = submit(harness, 8, gen(12))
    while sum(row.num_written > 0 for row in harness.core.scheduler.running) < 3:
        harness.core.step()
    reading = submit(harness, 9, gen(2), [10 + place for place in range(70)])
    harness.core.step()  # what was ahead
    harness.core.step()  # lets the prompt in
    second = max((row for row in harness.core.scheduler.running if row.branch.seed == 7), key=lambda row: row.arrival)

    def fail(mask: object) -> None:
        raise RuntimeError("no")

    second.task.sample_row = fail  # type: ignore[method-assign, assignment]
    harness.run()
    assert isinstance(doomed.error, StepFailed)
    assert writing.token_ids() == oracle(PROMPT, gen(12).params)
    assert reading.token_ids() == oracle([10 + place for place in range(70)], gen(2).params)
    close_all(harness)


def test_nothing_is_kept_ahead_for_nobody() -> None:
    harness = Harness(overlaps=True)
    whole = oracle(PROMPT, gen(8).params)
    ended = submit(harness, 7, Gen("x", SamplingParams(max_new_tokens=8, temperature=0.0, stop_token_ids=(whole[4],))))
    harness.run()
    assert ended.token_ids() == whole[: whole.index(whole[4]) + 1]
    assert not harness.core._run_ahead.is_under_way
    submit(harness, 7, gen(8))
    harness.core.step()
    assert harness.core._run_ahead.is_under_way
    harness.core.shut_down()
    assert not harness.core._run_ahead.is_under_way


def test_rows_are_joined_without_a_copy_where_they_lie_in_order() -> None:
    logits = torch.arange(60.0).view(5, 12)
    rows = logits.unbind()
    for first, last in ((0, 5), (1, 4), (4, 5)):
        joined = join_rows(rows[first:last])
        assert torch.equal(joined, logits[first:last])
        assert joined.data_ptr() == logits[first].data_ptr()
    for index in ([0, 2], [1, 0], [3, 3]):
        joined = join_rows([rows[row] for row in index])
        assert torch.equal(joined, logits[index])
        joined.fill_(-1.0)
    assert torch.equal(logits, torch.arange(60.0).view(5, 12)), "a copy"
    odd = torch.arange(35.0).view(7, 5)
    for first in range(7):  # of five numbers, every fourth row begins at a multiple of 16 bytes
        joined = join_rows(odd.unbind()[first:])
        assert torch.equal(joined, odd[first:])
        assert joined.data_ptr() % 16 == 0
    other = [torch.ones(4), torch.zeros(4)]
    assert torch.equal(join_rows(other), torch.stack(other))


@pytest.mark.parametrize("steps", range(1, 6))
def test_cancelling_while_a_pass_is_ahead(steps: int) -> None:
    harness = Harness(page_size=2, overlaps=True)
    doomed, other = submit(harness, 7, gen(9)), submit(harness, 8, gen(9, temperature=1.0))
    for _ in range(steps):
        harness.core.step()
    harness.core.cancel(doomed.request)
    harness.core.check_integrity()
    harness.run()
    assert other.token_ids() == oracle(PROMPT, gen(9, temperature=1.0).params, seed=8)
    close_all(harness)


def test_constraints_penalties_and_bans_come_with_the_sample() -> None:
    operations = [
        Gen("x", gen(20, temperature=1.0, ignore_eos=False).params, Regex("(yes|no), (because|but) [a-z ]{4,9}")),
        gen(12, temperature=1.0, frequency_penalty=1.5, presence_penalty=0.5, repetition_penalty=1.3),
        gen(9, temperature=0.8, min_new_tokens=5, ignore_eos=False),
    ]
    heard = []
    for overlaps in (True, False):
        harness = Harness(overlaps=overlaps)
        listening = [submit(harness, 7, operation) for operation in operations]
        harness.run()
        heard.append([each.samples() for each in listening])
        if overlaps:
            assert harness.core.stats()["num_passes_ahead"] > 5
        close_all(harness)
    assert heard[0] == heard[1]


def test_a_pass_that_fails_ahead_is_made_again_in_its_turn() -> None:
    harness = Harness(overlaps=True)
    listening = submit(harness, 7, gen(6))
    harness.core.step()  # with a second pass ahead
    harness.model.failures.append(RuntimeError("not now"))
    harness.run()
    assert harness.core._run_ahead.num_failures == 1
    assert listening.token_ids() == oracle(PROMPT, gen(6).params)
    harness.model.failures += [RuntimeError("not now"), RuntimeError("nor then")]
    failed = submit(harness, 7, gen(6), [4, 4])
    harness.run()
    assert isinstance(failed.error, StepFailed)
    assert "not now" in str(failed.error), "a prompt is never ahead"
    harness.model.failures.clear()
    close_all(harness)


def test_tokens_that_cannot_be_read_end_those_whose_logits_are_gone() -> None:
    sampler = LoggedSampler()
    sampler.fails_at = 2
    harness = Harness(sampler=sampler, overlaps=True)
    listening = [submit(harness, seed, gen(6)) for seed in (7, 8)]
    harness.run()
    for each in listening:
        assert isinstance(each.error, StepFailed)
        assert "the device is on fire" in str(each.error)
    sampler.fails_at = None
    assert harness.answer([tokens(*PROMPT), gen(6)]).token_ids() == oracle(PROMPT, gen(6).params)


@pm.function
def describe(s: pm.ProgramState, country: str) -> None:
    s += f"Q: What is the capital of {country}?\nA:" + pm.gen("city", max_tokens=9, temperature=1.0)
    s += "\nIt is " + pm.select("size", choices=["large", "small", "unknown"])
    forks = s.fork(3)
    for index, fork in enumerate(forks):
        fork += f"\nFact {index}:" + pm.gen("fact", max_tokens=8 + index, temperature=1.0, stop=".")
    s += "".join(fork["fact"] for fork in forks)
    s += "\n" + pm.gen("year", regex="[12][0-9]{3}", max_tokens=8)


@pytest.mark.parametrize("recorder", [None, CallAgain()])
def test_programs_on_the_embedded_model(recorder: GraphRecorder | None, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = []
    for overlaps in (True, False):
        monkeypatch.setattr(embedded, "assemble", partial(assemble, recorder=recorder, overlaps=overlaps))
        with Engine(device="cpu", max_total_tokens=4096, random_seed=5, speculation="off") as engine:
            countries = [{"country": name} for name in ("France", "Peru", "Kenya", "Japan")]
            states = describe.run_batch(countries, backend=engine, seed=3)
            texts.append([state.text() for state in states])
            num_ahead = engine.stats()["num_passes_ahead"]
            assert num_ahead > 10 if overlaps else num_ahead == 0
            if recorder is not None:
                look: Callable[[EngineCore], StepGraphs] = lambda core: core._runner._model  # noqa: E731
                assert engine._thread.ask(look).result().num_replays > 10
            engine.check_integrity()
    assert texts[0] == texts[1]


def test_the_option() -> None:
    with pytest.raises(InvalidOption, match="overlap_schedule: expected True or False, got 1"):
        Engine(overlap_schedule=1)
    with Engine(device="cpu", overlap_schedule=True, max_total_tokens=256, speculation="off") as engine:
        engine.generate("a", {"max_new_tokens": 4, "ignore_eos": True})
        assert engine.stats()["num_passes_ahead"] == 0, "on a CPU nobody computes meanwhile"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("has_graphs", [True, False])
def test_on_a_device(has_graphs: bool) -> None:
    texts = []
    for overlaps in (True, False):
        options = {"device": "cuda", "dtype": "float32", "max_total_tokens": 8192, "deterministic": True}
        with Engine(**options, cuda_graphs=has_graphs, overlap_schedule=overlaps, speculation="off") as engine:
            countries = [{"country": name} for name in ("France", "Peru", "Kenya", "Japan")]
            texts.append([state.text() for state in describe.run_batch(countries, backend=engine, seed=3)])
            num_ahead = engine.stats()["num_passes_ahead"]
            assert num_ahead > 10 if overlaps else num_ahead == 0
            engine.check_integrity()
    assert texts[0] == texts[1]
