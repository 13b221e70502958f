"""The cache's benchmark: both sides know and forget the same texts, and one tiny run of it all."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_both_sides_know_and_forget_the_same() -> None:
    sides = load("cache_sides")
    head, tails = list(range(100, 108)), [[200 + index] * 8 for index in range(4)]
    answers = []
    for make in (sides.RadixSide, sides.BlockTableSide):
        side, heard = make(16, 4), []
        for tail in tails:
            side.insert([*head, *tail])
        side.use([*head, *tails[0]])
        heard += [side.match([*head, *tail]) for tail in tails]
        heard.append(side.evict(4))
        heard += [side.match([*head, *tail]) for tail in tails]
        heard += [side.match([*head, 1]), side.match([1, *head])]
        answers.append(heard)
    assert answers[0] == answers[1] == [16] * 4 + [4, 16, 8, 8, 16, 8, 0]


def test_a_tiny_run(tmp_path: Path) -> None:
    bench = load("bench_cache")
    contests = bench.main(["--sizes", "5000", "20000", "--rounds", "2", "--json", str(tmp_path / "tiny.json")])
    assert [(each.side.name, each.num_tokens) for each in contests[::2]] == [
        ("radix tree", 5000),
        ("radix tree", 20000),
    ]
    contests[0].side.cache.check_integrity()
    figures = json.loads((tmp_path / "tiny.json").read_text())
    assert [each["hit_share"] for each in figures["sides"]] == [1.0] * 4
    for each in figures["sides"]:
        assert set(each["median_us"]) == set(bench.OPERATIONS)
        assert all(value > 0 for value in each["median_us"].values())


def test_a_bare_name_is_a_file_among_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result_file = load("result_file")
    monkeypatch.setattr(result_file, "RESULTS", tmp_path / "results")
    assert result_file.write_result("tiny", {"one": 1}) == tmp_path / "results" / "tiny.json"
    path = tmp_path / "some" / "where.json"
    assert result_file.write_result(str(path), {"two": 2}) == path
    assert json.loads(path.read_text()) == {"two": 2}
