"""Replaying a record: the same seeds give the same tokens, and what differs is found."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang.traces.record import Record, RecordedOperation
from palmette.lang.traces.replay import areplay, differences, replay


@pytest.fixture(scope="module")
def engine() -> Iterator[pm.Engine]:
    with pm.Engine(max_total_tokens=4096) as made:
        yield made
        made.check_integrity()


@pm.function
def program(s, num_branches, temperature, has_roles, mode):
    opening = "The capital of France"
    s += pm.user(opening) if has_roles else opening
    s += pm.gen("first", max_tokens=4, temperature=temperature)
    group = s.fork(num_branches)
    for branch in group:
        branch += f" {s['first']}" + pm.gen("number", regex="[0-9]{1,4}", max_tokens=4, temperature=temperature)
        with branch.fork(2) as inner:
            inner += pm.gen("inner", max_tokens=2, n=2, temperature=temperature)
    group.join(mode)
    s += pm.select("which", [" one", " two"], temperature=temperature) + pm.score("scored", " of them.")
    s += pm.gen("last", max_tokens=3, temperature=temperature)


@settings(max_examples=6, deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from([0.0, 1.0]),
    st.booleans(),
    st.sampled_from(["gather_variable", "concate_and_append"]),
    st.none() | st.integers(0, 9),
)
def test_the_same_seeds_give_the_same_tokens(
    engine: pm.Engine, num_branches: int, temperature: float, has_roles: bool, mode: str, seed: int | None
) -> None:
    state = program.run(num_branches, temperature, has_roles, mode, backend=engine, seed=seed)
    record = Record.from_jsonl(state.trace().to_jsonl())
    again = replay(record, engine)
    assert differences(record, again) == ()
    assert [len(branch.operations) for branch in again.branches] == [len(each.operations) for each in record.branches]
    for (_, before), (_, after) in zip(record.operations(), again.operations(), strict=True):
        assert (before.kind, before.text) == (after.kind, after.text)
        assert [each.token_ids for each in before.samples] == [each.token_ids for each in after.samples]


def changed(record: Record, branch: int, number: int, operation: RecordedOperation) -> Record:
    branches = list(record.branches)
    operations = list(branches[branch].operations)
    operations[number] = operation
    branches[branch] = msgspec.structs.replace(branches[branch], operations=tuple(operations))
    return msgspec.structs.replace(record, branches=tuple(branches))


@pytest.fixture(scope="module")
def run_twice(engine: pm.Engine) -> tuple[Record, Record]:
    record = program.run(2, 1.0, False, "gather_variable", backend=engine, seed=1).trace()
    return record, replay(record, engine)


@given(st.data())
def test_any_token_that_was_tampered_with_is_found(run_twice: tuple[Record, Record], data: st.DataObject) -> None:
    record, again = run_twice
    places = [
        (index, number, sample, position)
        for index, branch in enumerate(record.branches)
        for number, operation in enumerate(branch.operations)
        for sample, result in enumerate(operation.samples)
        for position in range(len(result.token_ids))
    ]
    branch, number, sample, position = data.draw(st.sampled_from(places))
    operation = record.branches[branch].operations[number]
    results = list(operation.samples)
    token_ids = list(results[sample].token_ids)
    token_ids[position] += 1
    results[sample] = msgspec.structs.replace(results[sample], token_ids=tuple(token_ids))
    tampered = changed(record, branch, number, msgspec.structs.replace(operation, samples=tuple(results)))
    (found,) = differences(tampered, again)
    assert (found.branch, found.number) == (record.branches[branch].label, number)
    assert f"token {position} of {len(token_ids)}: expected {token_ids[position]}" in str(found)
    assert f"got {token_ids[position] - 1}" in str(found)
    assert "test_replay.py:" in str(found)


@pm.function
def scripted(s):
    s += "Text." + pm.gen("x") + pm.select("y", ["a", "b"])
    with s.fork(2) as branches:
        branches += pm.gen("z")


def test_the_first_difference_of_each_branch_is_said(backend: ScriptedBackend) -> None:
    backend.answers = {"x": "abc", "y": "a", "z": "same"}
    record = scripted.run().trace()
    assert differences(record, replay(record, backend)) == ()
    backend.answers = {"x": "abd", "y": "b", "z": "same"}
    (found,) = differences(record, replay(record, backend))
    assert found.what == "token 2 of 3: expected 99, got 100"
    backend.answers = {"x": "ab", "y": "b", "z": "other"}
    found = differences(record, replay(record, backend))
    assert [each.what.split(":")[0] for each in found] == ["token 2 of 3"] + ["token 0 of 4"] * 2
    assert found[0].what.endswith("got the end")
    backend.answers = {"x": "abc", "y": "b", "z": "same"}
    (found,) = differences(record, replay(record, backend))
    assert found.what == "expected the choice 'a', got 'b'"


def test_another_number_of_samples_is_a_difference(backend: ScriptedBackend) -> None:
    record = scripted.run().trace()
    operation = record.branches[0].operations[1]
    tampered = changed(record, 0, 1, msgspec.structs.replace(operation, samples=operation.samples * 2))
    (found,) = differences(tampered, replay(tampered, backend))
    assert found.what == "expected 2 samples, got 1"


def test_what_fails_now_is_a_difference(backend: ScriptedBackend) -> None:
    record = scripted.run().trace()
    backend.failures = {"y": ScriptedFailure("not today")}
    again = replay(record, backend)
    first, *others = differences(record, again)
    assert (first.branch, first.number) == ("main", 2)
    assert first.what == "expected it to end well, but it failed: ScriptedFailure: not today"
    assert [each.what for each in others] == ["expected it to run, but an operation before it failed"] * 2


def test_it_runs_on_an_event_loop_too(backend: ScriptedBackend) -> None:
    record = scripted.run().trace()
    assert differences(record, asyncio.run(areplay(record, backend))) == ()


def test_text_before_a_failure_counts_as_run_where_what_follows_it_ran(engine: pm.Engine) -> None:
    @pm.function
    def fails(s):
        with s.fork(1, on_error="collect") as branches:
            branches += "Once upon" + pm.gen("good", max_tokens=3) + "y" * 60000 + pm.gen("bad", max_tokens=3)

    record = fails.run(backend=engine, seed=1).trace()
    assert [each.error is None for each in record.branches[1].operations] == [True, True, False, False]
    again = replay(record, engine)
    assert differences(record, again) == ()
    assert len(again.branches[1].operations) == 2
