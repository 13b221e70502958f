"""The scripts: what replays a run shows it, and what soaks reports every failure."""

import re

import pytest
import replay
import soak
from run import RunCounts


class TwoReports:
    """A connection that is closed after two reports."""

    def __init__(self) -> None:
        self.reports: list[soak.Report] = []

    def send(self, report: soak.Report) -> None:
        if len(self.reports) == 2:
            raise OSError("nobody listens")
        self.reports.append(report)


def test_a_replay_shows_the_run_and_ends_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["replay.py", "12"])
    assert replay.main() == 0
    shown = capsys.readouterr().out
    assert re.search(r"step\s+│.*tokens computed", shown)
    assert "seed 12 is good" in shown


def test_a_replay_of_a_run_that_fails_shows_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(seed: int, note: object, *, is_healing: bool) -> None:
        assert not is_healing
        raise AssertionError(f"seed {seed} is bad")

    monkeypatch.setattr("sys.argv", ["replay.py", "12"])
    monkeypatch.setattr(replay, "run_seed", fail)
    assert replay.main() == 1
    assert "seed 12 is bad" in capsys.readouterr().out


def test_a_process_that_soaks_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(seed: int) -> RunCounts:
        if seed == 5:
            raise AssertionError("found something")
        return RunCounts(1, 1, 0)

    monkeypatch.setattr(soak, "play", run)
    connection = TwoReports()
    soak.work(connection, 5, 3)  # type: ignore[arg-type] # all that it uses
    (first, failure), (second, counts) = connection.reports
    assert (first, second) == (5, 8)
    assert "found something" in str(failure)
    assert counts == RunCounts(1, 1, 0)


def test_a_soak_gathers_what_its_processes_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def listen(self: soak.Soak, seconds: float) -> None:
        self.failures[41] = "AssertionError: found something"

    monkeypatch.setattr(soak.Soak, "listen", listen)
    monkeypatch.setattr("sys.argv", ["soak.py", "--minutes", "1", "--first", "41", "--stop-at-first"])
    assert soak.main() == 1
    assert ".venv/bin/python tests/simulation/replay.py 41" in capsys.readouterr().out
