"""What ran, as data: recorded, there and back, replayed, drawn."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang.traces.record import Record, RecordedOperation
from palmette.lang.traces.replay import differences, replay

NASTY = "</script><img src=x onerror=alert(1)>&\u2028"


@pm.function
def program(s, question, temperature=0.0):
    s += pm.user(question)
    s += pm.assistant(pm.gen("answer", max_tokens=8, temperature=temperature, return_logprob=True))
    with s.fork(2) as branches:
        for branch in branches:
            branch += pm.user(f"You said {s['answer']}. Sure?")
            branch += pm.assistant(pm.select("sure", ["yes", "no"], temperature))
    texts = s.fork(2)
    texts += " " + pm.gen("digits", regex="[0-9]{3}", temperature=temperature)
    texts.join("concate_and_append")
    s += pm.score("score", " The end.") + pm.gen("many", n=2, max_tokens=3, temperature=temperature)


@pytest.fixture(scope="module")
def engine() -> Iterator[pm.Engine]:
    with pm.Engine(max_total_tokens=4096) as made:
        yield made


@pytest.fixture(scope="module")
def record(engine: pm.Engine) -> Record:
    return program.run("What is the capital of France?", temperature=1.0, backend=engine, seed=5).trace()


def kinds(record: Record) -> list[list[str]]:
    return [[operation.kind for operation in branch.operations] for branch in record.branches]


def test_a_record_holds_all_that_ran(record: Record, engine: pm.Engine) -> None:
    assert (record.program, record.seed, record.model) == ("program", 5, "sprig")
    assert record.arguments == {"question": "What is the capital of France?", "temperature": 1.0}
    turn = ["role_begin", "text", "role_end", "role_begin"]
    assert kinds(record)[0] == [
        *turn, "gen", "role_end", "branching", "joining", "branching", "joining", "score", "gen",
    ]  # fmt: skip
    assert kinds(record)[1] == [*turn, "select", "role_end"]
    assert kinds(record)[3] == ["text", "gen"]
    assert [branch.parent for branch in record.branches] == [None, 0, 0, 0, 0]
    state = program.run("What is the capital of France?", temperature=1.0, backend=engine, seed=5)
    assert "".join(operation.text for operation in record.branches[0].operations) == state.text()
    gens = [operation for _, operation in record.operations() if operation.samples]
    for gen in gens:
        times = gen.timing
        assert times is not None
        assert times.queued <= times.started <= times.first_token <= times.ended
        assert gen.source is not None
        assert re.search(r"test_trace\.py:\d+$", gen.source)
    assert gens[0].samples[0].output_logprobs is not None
    assert len(record.branches[0].operations[-1].samples) == 2


def test_it_is_data_there_and_back(record: Record, tmp_path: Path) -> None:
    assert Record.from_json(record.to_json()) == record
    assert Record.from_jsonl(record.to_jsonl()) == record
    num_operations = sum(len(branch.operations) for branch in record.branches)
    lines = record.to_jsonl().splitlines()
    assert len(lines) == 1 + num_operations
    assert all(json.loads(line) for line in lines)
    for name in ("trace.json", "trace.jsonl"):
        record.save(tmp_path / name)
        assert Record.load(tmp_path / name) == record


def test_what_is_no_record_is_refused(record: Record) -> None:
    for text in ("", "{}", "[1]", "not json", record.to_jsonl().splitlines()[1]):
        with pytest.raises(pm.InvalidArgument):
            Record.from_jsonl(text)
        with pytest.raises(pm.InvalidArgument):
            Record.from_json(text)


def test_it_runs_again_with_the_same_tokens(record: Record, engine: pm.Engine) -> None:
    engine.flush_cache()
    again = replay(record, engine)
    assert differences(record, again) == ()
    assert kinds(again) == kinds(record)
    engine.check_integrity()


def test_another_seed_or_token_is_found(record: Record, engine: pm.Engine) -> None:
    other = msgspec.structs.replace(record, seed=6)
    found = differences(record, replay(other, engine))
    assert found
    assert found[0].branch == "main"
    assert "expected" in str(found[0])


def test_a_record_of_a_failure_says_so_and_runs_again_up_to_it(backend: ScriptedBackend) -> None:
    backend.failures = {"bad": ScriptedFailure("no")}

    @pm.function
    def fails(s):
        with s.fork(2, on_error="collect") as branches:
            branches += ["a" + pm.gen("x"), pm.gen("x") + pm.gen("bad") + pm.gen("never")]

    record = fails.run().trace()
    errors = [[operation.error for operation in branch.operations] for branch in record.branches[1:]]
    assert errors[0] == [None, None]
    assert errors[1][0] is None
    assert errors[1][1] == "ScriptedFailure: no"
    assert differences(record, replay(record, backend)) == ()


def page_of(record: Record) -> str:
    page = record.to_html()
    assert page.count("<script") == page.count("</script>")
    return page


def test_the_page_is_whole_and_takes_nothing_from_outside(record: Record) -> None:
    page = page_of(record)
    assert page.startswith("<!doctype html>")
    for outside in ("http://", "https://", "<link", "<script src", "@import", "url("):
        assert outside not in page.replace("http://www.w3.org/2000/svg", ""), outside
    assert "main.0[1]" in page
    assert "What is the capital of France?" in page


def test_nothing_that_was_written_becomes_part_of_the_page(backend: ScriptedBackend) -> None:
    backend.answers = {"x": NASTY}

    @pm.function
    def nasty(s, argument):
        s += NASTY + pm.gen("x")

    page = page_of(nasty.run(NASTY).trace())
    assert "<img" not in page
    notebook = nasty.run(NASTY)._repr_html_()
    assert notebook.startswith("<iframe")
    assert "<img" not in notebook


def test_pages_of_nothing_and_of_very_much(backend: ScriptedBackend) -> None:
    empty = pm.function(lambda s: None).run().trace()
    assert kinds(empty) == [[]]
    assert "<html" in page_of(empty)

    @pm.function
    def wide(s):
        with s.fork(200) as branches:
            branches += pm.gen("x")

    record = wide.run().trace()
    assert len(record.branches) == 201
    assert Record.from_jsonl(record.to_jsonl()) == record
    page_of(record)


def test_a_run_can_be_recorded_while_it_goes_on(backend: ScriptedBackend) -> None:
    seen: list[Record] = []

    @pm.function
    def watched(s):
        s += pm.gen("x")
        assert s["x"]
        s += pm.gen("y")
        seen.append(s.trace())

    watched.run()
    x, y = seen[0].branches[0].operations
    assert isinstance(x, RecordedOperation)
    assert x.samples
    assert not y.samples
    assert y.error is None
