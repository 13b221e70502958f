"""The benchmark's harness: fair workloads, turns, comparisons, and one tiny run of it all."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.console import Console

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_workloads_have_the_lengths_they_state() -> None:
    workloads, model = load("workloads"), load("model")
    count_tokens = model.count_tokens_of(model.sprig_path())
    for size in workloads.SIZES.values():
        made = {each.name: each for each in workloads.make_workloads(size, count_tokens)}
        assert size.prefix_len <= count_tokens(made["shared_prefix"].prefix) < size.prefix_len + 30
        assert size.fork_prompt_len <= count_tokens(made["fork"].prefix) < size.fork_prompt_len + 30
        assert len(made["shared_prefix"].endings) == size.num_programs
        assert len(made["fork"].endings) == size.num_branches
        assert len(made["json_extraction"].endings) == size.num_extractions
        for workload in made.values():
            assert len(set(workload.prompts)) == len(workload.prompts), "no prompt twice: each must be computed"


def test_the_split_into_prefix_and_ending_moves_no_token() -> None:
    """Or palmette, which computes a fork's prefix before it sees the endings, would be given other tokens."""
    workloads, model = load("workloads"), load("model")
    count_tokens = model.count_tokens_of(model.sprig_path())
    for workload in workloads.make_workloads(workloads.SIZES["tiny"], count_tokens):
        for prompt, ending in zip(workload.prompts, workload.endings, strict=True):
            assert count_tokens(prompt) == count_tokens(workload.prefix) + count_tokens(ending)


def test_agreement_ends_at_the_first_difference() -> None:
    answer = load("answer")

    def answers(*token_ids: tuple[int, ...]) -> list[Any]:
        return [answer.Answer(len(each), each) for each in token_ids]

    assert answer.agreement(answers((1, 2), (3,)), answers((1, 2), (3,))) == 1
    assert answer.agreement(answers((1, 2, 3, 4)), answers((1, 9, 3, 4))) == 0.25
    assert answer.agreement(answers((1, 2)), answers((1, 2, 3, 4))) == 0.5


def test_contestants_take_turns() -> None:
    measure = load("measure")
    calls: list[str] = []
    timings = measure.interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 3
    assert len(timings["a"].wall_s) == len(timings["b"].cpu_s) == 3
    assert measure.Timing([3.0, 1.0, 2.0], [9.0, 5.0, 7.0]).median_cpu_s == 7.0


def test_ratios_are_against_the_best_way_and_above_one_where_palmette_is_faster() -> None:
    comparison, measure, report, workloads = map(load, ("comparison", "measure", "report", "workloads"))

    def figures(name: str, seconds: float, agreement: float = 1.0) -> Any:
        timing = measure.Timing([seconds], [seconds])
        return comparison.Figures(name, 100, timing, timing, agreement)

    (workload, *_) = workloads.make_workloads(workloads.SIZES["tiny"], len)
    compared = comparison.Comparison(
        workload,
        figures("palmette", 1.0),
        (figures("slow way", 8.0), figures("good way", 2.0, 0.5)),
        (figures("by hand", 0.5),),
    )
    assert compared.best_peer.name == "good way"
    (line,) = report.summary_lines([compared])
    assert "2.00x" in line
    assert "reached" in line
    assert "50.0% of the tokens" in line
    console = Console(width=160, record=True, quiet=True)
    console.print(report.table_of([compared]))
    (kept,) = report.to_json([compared], {}, {})["workloads"]
    assert kept["ratio"] == 2.0
    assert kept["peers_by_hand"][0]["tokens_per_s"] == 200


def test_a_tiny_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every way of a workload runs, with palmette's tokens, and the file is written."""
    bench = load("bench_programs")
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    num_threads = torch.get_num_threads()
    try:
        options = ["--size", "tiny", "--rounds", "1", "--no-memory", "--json", "tiny"]
        compared, chain = bench.main([*options, "--only", "fork", "chain"])
    finally:
        torch.set_num_threads(num_threads)
    assert [peer.name for peer in compared.peers] == ["one padded batch", "one by one"]
    assert [peer.name for peer in compared.peers_by_hand] == ["prefix cache by hand"]
    for contestant in (compared.palmette, *compared.peers, *compared.peers_by_hand):
        assert contestant.num_tokens == len(compared.workload.endings) * compared.workload.num_tokens
        assert contestant.agreement == 1, f"{contestant.name} wrote other tokens"
    assert [variant.agreement for variant in chain.variants] == [1, None, None]
    assert len({contestant.num_tokens for contestant in (chain.palmette, *chain.peers, *chain.variants)}) == 1
    written = json.loads((tmp_path / "tiny.json").read_text())
    assert written["workloads"][0]["name"] == "fork"
    assert written["environment"]["cpu"]
