"""`palmette serve` as a process: from its banner to its end."""

import signal
import socket
from pathlib import Path

import httpx
import pytest
from server_process import serving

from palmette.runtime.cli import main


def children_of(process_id: int) -> set[int]:
    return {int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent(path) == process_id}


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended meanwhile
        return None


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="children are found in /proc")
def test_what_is_at_work_ends_when_the_server_drains_and_its_children_with_it() -> None:
    with serving() as (process, url):
        assert process.stdout is not None
        children = children_of(process.pid)
        body = {"prompt": "Once upon a time", "max_tokens": 120, "temperature": 1.0, "constraint": "regex"}
        body["constraint_text"] = r"(?:\w{2,8} ){60}end"
        with httpx.stream("POST", f"{url}/dashboard/play", json=body, timeout=60) as response:
            frames = response.iter_lines()
            assert '"prompt"' in next(frames)
            process.send_signal(signal.SIGTERM)
            assert any('"end"' in line for line in frames)
        assert process.wait(60) == 0
        assert process.stdout.read().splitlines()[-1] == "palmette: stopped"
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_what_does_not_end_in_time_is_aborted() -> None:
    with serving("--in-process", "--drain-seconds", "0.2") as (process, url):
        body = {"prompt": "Once", "max_tokens": 4000, "constraint": "regex", "constraint_text": r"(?:\w{2,8} ){4000}"}
        with httpx.stream("POST", f"{url}/dashboard/play", json=body, timeout=60) as response:
            frames = response.iter_lines()
            assert '"prompt"' in next(frames)
            process.send_signal(signal.SIGINT)
            rest = list(frames)
        assert '"error"' in rest[-2] or '"error"' in rest[-1], rest[-2:]
        assert process.wait(60) == 0


def test_a_port_that_is_taken_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    captured = capsys.readouterr()
    assert f"cannot listen on 127.0.0.1 port {port}" in captured.err
    assert "loading" not in captured.out
