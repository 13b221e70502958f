"""The scheduler's benchmark at its smallest: it runs, says what it should, and its traces are what they claim."""

import json
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_it_prints_its_tables(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench_scheduler

    monkeypatch.setattr(bench_scheduler, "NUM_STEPS", 5)
    arguments = [
        "--queued",
        "20",
        "--requests",
        "60",
        "--seeds",
        "1",
        "--cache-tokens",
        "8000",
        "--json",
        str(tmp_path / "tiny.json"),
    ]
    result = bench_scheduler.main([*arguments, "--policies", "fair-lpm", "fcfs"])
    printed = capsys.readouterr().out
    for expected in ("Decisions", "Policies on the same traces", "most less least", "fair-lpm: at least"):
        assert expected in printed
    assert json.loads((tmp_path / "tiny.json").read_text()) == json.loads(json.dumps(result))
    assert {each["policy"] for each in result["policies"]} == {"lpm", "fair-lpm", "fcfs"}
    assert all(0 < each["hit_share"] < 1 for each in result["policies"])


def test_a_replay_answers_every_request_and_takes_prefixes_from_the_cache() -> None:
    from scheduler_replay import Replay
    from scheduler_trace import TraceShape, make_trace

    from palmette.runtime.config import SchedulerOptions

    trace = make_trace(TraceShape(num_requests=80))
    assert trace == make_trace(TraceShape(num_requests=80))
    assert Counter(each.tenant for each in trace).most_common(1)[0][0] == "tenant 0"
    machine = Replay(SchedulerOptions(256, 4), num_tokens=8000)
    for request in trace:
        machine.submit(request)
    while machine.has_work:
        machine.step()
    machine.memory.check_integrity([])
    figures = machine.figures
    assert len(figures.waits) == len(trace)
    assert figures.num_prompt_tokens == sum(len(each.token_ids) for each in trace)
    assert figures.num_cached_tokens > figures.num_prompt_tokens / 2
