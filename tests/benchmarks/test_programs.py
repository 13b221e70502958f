"""The benchmark's programs: palmette and transformers write the same tokens in every way, and sizes are as stated."""

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

NAMES = (
    "chain",
    "tree_of_thought",
    "multi_chain_reasoning",
    "llm_judge",
    "few_shot_classification",
    "react_replay",
    "multi_turn_chat",
    "skeleton_of_thought",
    "json_decoding",
)


@pytest.fixture(scope="module", autouse=True)
def benchmarks_on_path() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        yield


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def catalogue(size: str) -> dict[str, Any]:
    return {each.name: each for each in load("catalogue").make_catalogue(size, len)}


@pytest.fixture(scope="module")
def sides(benchmarks_on_path: None) -> Iterator[SimpleNamespace]:
    model_path = load("model").sprig_path()
    ours, peer = load("palmette_side").PalmetteSide(model_path), load("transformers_peer").TransformersPeer(model_path)
    yield SimpleNamespace(ours=ours, peer=peer)
    ours.close()
    peer.close()


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_write_the_same_tokens(name: str, sides: SimpleNamespace) -> None:
    workload = catalogue("tiny")[name]
    num_tokens = 24 if name == "json_decoding" else 6  # two tokens are soon the same by chance
    agreement = load("answer").agreement
    written = sides.ours.run(workload, num_tokens, wants_ids=True)
    assert written
    bounds = getattr(workload, "bounds", ())
    for variant, run in sides.ours.variants(workload).items():
        other = run(workload, num_tokens, wants_ids=True)
        if variant in bounds:
            assert sum(each.num_tokens for each in other) == sum(each.num_tokens for each in written), variant
        else:
            assert agreement(written, other) == 1, variant
    ways = {**sides.peer.ways(workload), **sides.peer.ways_by_hand(workload)}
    if len(ways) > 1:
        del ways["one by one"]  # the code of the padded batches, a row at a time
    for way, run in ways.items():
        assert agreement(written, run(workload, num_tokens)) == 1, way


def test_both_sides_give_choices_the_same_scores(sides: SimpleNamespace) -> None:
    """Which choice wins says little: of three, a wrong score picks the right one often enough."""
    import torch

    import palmette

    texts = ("Review: the soup was cold.\nSentiment:", "Review: it is a good book, and I read it twice.\nSentiment:")
    choices = (" positive", " rather negative, it seems", " so")
    calls = load("transformers_calls")

    @palmette.function
    def pick(s: palmette.ProgramState, text: str) -> None:
        s += text
        s += palmette.select("pick", choices)

    expected = [pick.run(text).get_meta_info("pick")["scores"] for text in texts]
    for way in (calls.Way.BATCHED, calls.Way.CACHE_BY_HAND):
        made = calls.TransformersCalls(sides.peer._model, sides.peer._tokenizer, way)
        with torch.inference_mode():
            scores = made.score([made.open(text) for text in texts], choices)
        assert [pytest.approx(each, abs=1e-3) for each in expected] == scores, way


@pytest.mark.parametrize("name", NAMES)
def test_every_generation_has_the_stated_length(name: str, sides: SimpleNamespace) -> None:
    """Or the two sides would not do the same work; a selection counts as one token, JSON ends itself."""
    workload = catalogue("tiny")[name]
    lens = {answer.num_tokens for answer in sides.ours.run(workload, 3)}
    assert lens <= {3, 1}
    if name not in ("multi_chain_reasoning", "llm_judge", "few_shot_classification"):
        assert lens == {3}


def test_how_many_answers_a_program_gives(sides: SimpleNamespace) -> None:
    workloads, size = catalogue("tiny"), load("programs.size").PROGRAM_SIZES["tiny"]
    per_program = {
        "tree_of_thought": 2 + 4,
        "multi_chain_reasoning": 5 + 5 + 1,
        "llm_judge": 6 + 1 + 1,
        "react_replay": size.num_turns + 1,
        "multi_turn_chat": size.num_turns,
        "skeleton_of_thought": 4 + 4 + 1,
    }
    for name, num_answers in per_program.items():
        assert len(sides.ours.run(workloads[name], 1)) == size.num_programs * num_answers, name
    assert len(sides.ours.run(workloads["chain"], 1)) == size.num_links
    assert len(sides.ours.run(workloads["few_shot_classification"], 1)) == size.num_items


def test_the_full_size_is_the_stated_one() -> None:
    size = load("programs.size").PROGRAM_SIZES["full"]
    assert (size.num_links, size.num_levels, size.num_items) == (20, 4, 200)
    workloads = catalogue("full")
    assert tuple(workloads)[-len(NAMES) :] == NAMES
    assert load("programs.size").PROGRAM_SIZES.keys() == load("workloads").SIZES.keys()


def test_no_text_comes_twice() -> None:
    """A text that was computed before would come from the cache."""
    classification, size = load("programs.few_shot_classification"), load("programs.size").PROGRAM_SIZES["full"]
    reviews = [classification._review(index) for index in range(size.num_items)]
    assert len({text for text, _ in reviews}) == size.num_items
    assert all(text not in classification._EXAMPLES for text, _ in reviews)
    assert min(Counter(label for _, label in reviews).values()) >= size.num_items // 5
    for name, texts in (
        ("tree_of_thought", "_PROBLEMS"),
        ("multi_chain_reasoning", "_QUESTIONS"),
        ("llm_judge", "_ESSAYS"),
        ("multi_turn_chat", "_QUESTIONS"),
        ("skeleton_of_thought", "_QUESTIONS"),
    ):
        assert len(set(getattr(load(f"programs.{name}"), texts))) == size.num_programs, name
    assert all(len(chat) == size.num_turns for chat in load("programs.multi_turn_chat")._QUESTIONS)
    assert len(load("programs.react_replay")._episode(0, size.num_turns)[1]) == size.num_turns


def test_an_aim_is_a_ratio_of_times() -> None:
    comparison, measure, report = map(load, ("comparison", "measure", "report"))
    chain = catalogue("tiny")["chain"]
    seconds = {"palmette": 1.02, "eager": 1.5, chain.bounds[0]: 1.0}

    def figures(name: str) -> Any:
        timing = measure.Timing([seconds.get(name, 2.0)], [1.0])
        return comparison.Figures(name, 6, timing, timing, None if name in chain.bounds else 1.0)

    variants = tuple(figures(name) for name, _ in chain.variants)
    compared = comparison.Comparison(chain, figures("palmette"), (figures("one by one"),), (), variants)
    _, traced, eager = report.summary_lines([compared])
    assert "1.02x" in traced
    assert "1.05x: reached" in traced
    assert "1.50x" in eager
    assert "1.3x: missed" in eager
    (kept,) = report.to_json([compared], {}, {})["workloads"]
    assert [each["time_ratio"] for each in kept["aims"]] == [1.02, 1.5]
    assert len(kept["variants"]) == 3
    assert report.table_of([compared]).row_count == 1 + 1 + 3 + 1
