"""The grammar's benchmark at its smallest: it runs, counts what is let through, and says what it should."""

import json
import os
import threading
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
NUM_TOKENS = 300
SCHEMAS = ["trivial/boolean", "records/song", "hard/not_empty_string"]


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_it_prints_its_table_and_counts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("outlines_core")
    import bench_grammar
    import grammar_vocabulary

    monkeypatch.setattr(grammar_vocabulary, "FOLDER", tmp_path)
    monkeypatch.setattr(grammar_vocabulary, "_texts", lambda _: iter(["a record of a song"] * 50))
    arguments = ["--vocab", str(NUM_TOKENS), "--engines", "palmette", "llguidance", "--schemas", *SCHEMAS]
    result = bench_grammar.main([*arguments, "--cached", "5", "--show", "--json", str(tmp_path / "tiny.json")])
    printed = capsys.readouterr().out
    for expected in ("CPU time of the thread", "palmette", "llguidance refuses hard/not_empty_string", "5 kept"):
        assert expected in printed
    assert json.loads((tmp_path / "tiny.json").read_text()) == json.loads(json.dumps(result))
    ours, theirs = result["figures"]
    assert (ours["num_compiled"], theirs["num_compiled"]) == (3, 2)
    assert ours["num_valid_accepted"] == ours["num_valid"] > 0
    assert ours["num_invalid_rejected"] == ours["num_invalid"] > 0
    assert 0 < ours["mask_s"]["p50"] <= ours["mask_s"]["p99"]
    (memory,) = result["memory"]
    assert memory["num_kept"] == 5
    assert 0 < memory["counted_bytes"] <= memory["max_bytes"]


def test_a_schema_that_takes_too_long_is_given_up_and_the_next_is_walked() -> None:
    from grammar_figures import Figures
    from grammar_worker import GrammarWorker

    def walk(name: str) -> Figures:
        if name == "hangs":
            threading.Event().wait()
        if name == "dies":
            os._exit(1)
        return Figures("engine", NUM_TOKENS, num_schemas=1, mask_s=[0.5], refused={name: "why"})

    worker = GrammarWorker(walk, limit_s=60.0)
    total = Figures("engine", NUM_TOKENS)
    try:
        for name in ("first", "second"):
            one = worker.run(name)
            assert one is not None
            total.add(one)
        with pytest.raises(RuntimeError, match="that walked dies died"):
            worker.run("dies")
        assert GrammarWorker(walk, limit_s=0.05).run("hangs") is None
        assert worker.run("third") is not None
    finally:
        worker.close()
    assert (total.num_schemas, total.mask_s, total.refused) == (2, [0.5, 0.5], {"first": "why", "second": "why"})
