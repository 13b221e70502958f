"""The speculation benchmark at its smallest: it runs, says what it should, and its figures are what they claim."""

import json
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_it_measures_and_prints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import bench_speculation

    path = tmp_path / "tiny.json"
    result = bench_speculation.main(["--size", "tiny", "--rounds", "1", "--only", "json", "retry", "--json", str(path)])
    printed = capsys.readouterr().out
    for expected in ("passes/token", "first run", "run again", "2 extractions", "index of 4,096 tokens"):
        assert expected in printed
    assert json.loads(path.read_text()) == json.loads(json.dumps(result))
    for each in result["workloads"]:
        for turn in ("first", "again"):
            on, off = each["with_guesses"][turn], each["without"][turn]
            assert off["passes_per_token"] == 1
            assert 0 < on["passes_per_token"] <= 1
            assert on["num_tokens"] == off["num_tokens"]
            assert each["num_same_texts"][turn] == each["num_texts"][turn] > 0
    by_name = {each["name"]: each for each in result["workloads"]}
    assert by_name["json"]["with_guesses"]["first"]["counts"]["num_accepted_tokens_forced"] > 0
    assert by_name["retry"]["with_guesses"]["again"]["passes_per_token"] < 0.6
    assert 0 < result["index_memory"]["bytes_per_token"] < 2000


def test_other_tokens_are_counted_and_ratios_are_of_tokens_a_second() -> None:
    from speculation_sides import Figures, Pair
    from speculation_workloads import TINY, make_workloads

    pair = Pair(make_workloads(TINY)[0])
    pair.compare("first", [(1, 2), (3,), (4,)], [(1, 2), (5,)])
    assert (pair.num_same["first"], pair.num_texts["first"]) == (1, 3)
    for figures, seconds in ((pair.off["first"], 3.0), (pair.on["first"], 2.0)):
        figures.timing.wall_s += [seconds, 9.0, 9.0 * seconds]
        figures.num_tokens += [10, 10, 10]
    assert pair.ratio("first") == pytest.approx(1.5)
    again = Figures(num_tokens=[10, 10], counts=Counter(num_verifications=3, num_verified_tokens=9, num_steps=16))
    assert again.passes_per_token == 0.7
    assert again.steps_per_token == 0.8
