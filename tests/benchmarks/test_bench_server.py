"""The server's benchmark at its smallest: all its parts run, and count what they say they count."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what processes take is read from /proc")


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_it_prints_its_tables_and_keeps_its_figures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import bench_server

    sizes = ["--rounds", "1", "--streams", "2", "--tokens", "6", "--requests", "2", "--connections", "5"]
    sizes += ["--victims", "2", "--victim-tokens", "300"]
    kinds = ["JSON 100,000 levels deep", "200 connections that dribble"]
    result = bench_server.main([*sizes, "--kinds", *kinds, "--json", str(tmp_path / "tiny.json")])
    printed = capsys.readouterr().out
    for expected in ("2 streams of 6 tokens", "first token, p50", "5 connections", *kinds):
        assert expected in printed
    assert json.loads((tmp_path / "tiny.json").read_text()) == json.loads(json.dumps(result))
    overhead = result["overhead"]
    assert len(overhead["ratios"]) == len(overhead["client_cpu_us"]) == 1
    assert overhead["ratios"][0] == pytest.approx(overhead["server_tps"][0] / overhead["engine_tps"][0])
    assert len(result["first_token"]["server_ms"]) == len(result["first_token"]["engine_ms"]) == 2
    assert result["idle"]["num_kept"] == 5
    deep, _ = result["hostile"]
    assert set(deep["answers"]) <= {"400"}
    assert deep["raised_ms"] == pytest.approx(deep["p99_ms"][0] - deep["without_p99_ms"][0])


def test_a_stream_is_read_as_it_came() -> None:
    from stream_client import _read

    head = b"HTTP/1.1 200 OK\r\n\r\n"
    first, second = b'data: {"choices":[{"text":"a"}]}\n\n', b'data: {"choices":[{"text":"b"}]}\n\n'
    empty = b'data: {"choices":[{"text":""}]}\n\n'
    end = b'data: {"choices":[],"usage":{"completion_tokens":7}}\n\ndata: [DONE]\n\n0\r\n\r\n'
    pieces = [(1.0, head), (1.5, first + second[:9]), (2.0, second[9:] + empty), (3.0, end)]
    streamed = _read(pieces, 1.0)
    assert streamed.arrivals_s == [0.5, 1.0]
    assert streamed.num_tokens == 7
