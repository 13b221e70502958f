"""Records are data: whatever they hold comes back from JSON and from lines; what is no record is refused."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.spec import Choice, JsonSchema, Regex
from palmette.lang.errors import InvalidArgument
from palmette.lang.events import FinishReason, GenResult, ScoreResult, SelectResult, Timing, TokenLogprob
from palmette.lang.ir import Gen, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from palmette.lang.plan import Branching, Joining
from palmette.lang.sampling_params import SamplingParams
from palmette.lang.traces.record import Record, RecordedBranch, RecordedOperation
from palmette.lang.traces.recording import plain, token_ids_of

texts = st.text(max_size=8)
ids = st.integers(0, 2**31)
logprobs = st.floats(-1e9, 0) | st.just(-math.inf)
token_logprobs = st.builds(
    TokenLogprob,
    ids,
    st.none() | logprobs,
    st.none() | texts,
    st.lists(st.tuples(ids, logprobs), max_size=2).map(tuple),
)
lists_of_logprobs = st.lists(token_logprobs, max_size=3).map(tuple)
timings = st.none() | st.builds(Timing, *[st.floats(0, 1e6)] * 4, st.integers(0, 3))
params = st.builds(
    SamplingParams,
    max_new_tokens=st.integers(1, 99),
    temperature=st.floats(0, 2),
    seed=st.none() | st.integers(0, 2**64 - 1),
    stop=st.lists(st.text(min_size=1, max_size=4), max_size=2).map(tuple),
    logit_bias=st.dictionaries(ids, st.floats(-100, 100), max_size=2),
)
constraints = st.none() | st.sampled_from([Regex("[0-9]+"), JsonSchema('{"type": "object"}'), Choice(("a", "b"))])
samples = st.builds(
    GenResult,
    texts,
    st.lists(ids, max_size=4).map(tuple),
    st.builds(FinishReason, st.sampled_from(["stop", "length"]), st.none() | ids | texts),
    st.integers(0, 999),
    st.integers(0, 999),
    st.integers(0, 2**64 - 1),
    st.none() | lists_of_logprobs,
    st.none() | lists_of_logprobs,
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
)
selections = st.builds(
    SelectResult,
    texts,
    *[
        st.lists(each, max_size=2).map(tuple)
        for each in (texts, logprobs, logprobs, st.floats(0, 1), lists_of_logprobs)
    ],
    st.integers(0, 999),
    st.integers(0, 999),
)
common: dict[str, Any] = {
    "index": st.none() | st.integers(0, 99),
    "variable": st.none() | texts,
    "source": st.none() | texts,
    "text": texts,
    "timing": timings,
    "error": st.none() | texts,
}
operations = (
    st.builds(
        RecordedOperation,
        step=st.builds(Text, texts, st.booleans())
        | st.builds(Tokens, st.lists(ids, max_size=3).map(tuple))
        | st.sampled_from([RoleBegin("user"), RoleEnd("user")]),
        **common,
    )
    | st.builds(
        RecordedOperation,
        step=st.builds(Gen, texts, params, constraints),
        samples=st.lists(samples, max_size=2).map(tuple),
        **common,
    )
    | st.builds(
        RecordedOperation,
        step=st.builds(Select, texts, st.just(("a", "b"))),
        selection=st.none() | selections,
        **common,
    )
    | st.builds(
        RecordedOperation,
        step=st.builds(Score, texts, texts),
        scored=st.none() | st.builds(ScoreResult, lists_of_logprobs, logprobs),
        **common,
    )
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Some branches, forked by earlier ones and perhaps joined, with operations between."""
    num_branches = draw(st.integers(1, 5))
    parents = [None, *(draw(st.integers(0, index - 1)) for index in range(1, num_branches))]
    branches = []
    for index, parent in enumerate(parents):
        steps = draw(st.lists(operations, max_size=3))
        children = tuple(child for child, each in enumerate(parents) if each == index)
        if children:
            steps.append(RecordedOperation(step=Branching(children)))
            steps += draw(st.lists(operations, max_size=1))
            mode = draw(st.sampled_from([None, "gather_variable", "concate_and_append"]))
            steps += [] if mode is None else [RecordedOperation(step=Joining(children, mode), text=draw(texts))]
        branches.append(RecordedBranch(draw(texts), parent, tuple(steps)))
    return Record(
        program=draw(texts),
        branches=tuple(branches),
        arguments=draw(st.dictionaries(texts, values, max_size=2)),
        seed=draw(st.none() | st.integers(0, 2**64 - 1)),
        cache_salt=draw(texts),
        model=draw(st.none() | texts),
        started_at=draw(st.none() | st.floats(0, 1e10)),
        vocabulary=draw(st.dictionaries(ids, texts, max_size=3)),
    )


def finite(value: Any) -> Any:
    """JSON has no infinities; the largest float stands for one."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return max(value, -1.7976931348623157e308) if isinstance(value, float) else value


@settings(max_examples=40, deadline=None)
@given(records())
def test_there_and_back(record: Record) -> None:
    for read in (Record.from_json(record.to_json()), Record.from_jsonl(record.to_jsonl())):
        assert finite(msgspec.to_builtins(read, str_keys=True)) == finite(msgspec.to_builtins(record, str_keys=True))
    assert len(record.to_jsonl().splitlines()) >= 1 + sum(1 for _ in record.operations())
    json.loads(record.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@settings(max_examples=40, deadline=None)
@given(records())
def test_a_page_can_be_drawn_of_any(record: Record) -> None:
    page = record.to_html()
    assert page.count("<script") == page.count("</script>") == 2
    data = page.split('type="application/json">')[1].split("</script>")[0]
    assert not set(data) & set("<>&")
    drawn = json.loads(data)["record"]
    assert [branch["label"] for branch in drawn["branches"]] == [branch.label for branch in record.branches]
    for branch, kept in zip(drawn["branches"], record.branches, strict=True):
        assert [each.get("text", "") for each in branch["operations"]] == [each.text for each in kept.operations]


@settings(max_examples=40, deadline=None)
@given(records())
def test_all_token_ids_are_found(record: Record) -> None:
    found = set(token_ids_of(record))
    for _, operation in record.operations():
        assert all(found.issuperset(sample.token_ids) for sample in operation.samples)


def forked(*steps: Branching | Joining, parents: tuple[int | None, ...] = (None, 0, 0)) -> Record:
    root = tuple(RecordedOperation(step=step) for step in steps)
    branches = (RecordedBranch("main", parents[0], root), *(RecordedBranch("x", each) for each in parents[1:]))
    return Record(program="p", branches=branches)


FORK, JOIN = Branching((1, 2)), Joining((1, 2), "gather_variable")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (forked(FORK, FORK), "each branch forked once"),
        (forked(Branching((1, 1))), "each branch forked once"),
        (forked(JOIN, FORK), "each branch joined once, after its fork"),
        (forked(FORK, JOIN, JOIN), "each branch joined once, after its fork"),
        (forked(Branching((1, 3))), "children of branch 0"),
        (forked(Branching((1, 2)), parents=(None, 0, 1)), "children of branch 0"),
        (forked(FORK, parents=(None, 2, 0)), "as parent of branch 1 an earlier one"),
        (forked(FORK, parents=(None, 0, None)), "as parent of branch 2 an earlier one"),
        (msgspec.structs.replace(forked(FORK), version=99), "a record of version 1"),
    ],
)
def test_a_record_whose_branches_do_not_fit_is_refused(wrong: Record, expected: str) -> None:
    for read, text in ((Record.from_json, wrong.to_json()), (Record.from_jsonl, wrong.to_jsonl())):
        with pytest.raises(InvalidArgument, match=expected):
            read(text)
    assert Record.from_json(forked(FORK, JOIN).to_json()) == forked(FORK, JOIN)


def test_the_wrong_line_is_named() -> None:
    lines = forked(FORK, JOIN).to_jsonl().splitlines()
    with pytest.raises(InvalidArgument, match="line 3"):
        Record.from_jsonl("\n".join([*lines[:2], lines[2][:-2]]))
    with pytest.raises(InvalidArgument, match="in line 2 a branch below 3"):
        Record.from_jsonl("\n".join([lines[0], lines[1].replace('"branch":0', '"branch":7')]))
    with pytest.raises(InvalidArgument, match="UTF-8"):
        Record.from_jsonl(b"\xff\xfe")


def test_arguments_that_are_no_json_are_shown_by_their_repr() -> None:
    assert plain({"a": (1, 2.5, None)}) == {"a": [1, 2.5, None]}
    assert plain(len) == repr(len)
    loop: list[object] = []
    loop.append(loop)
    assert plain(loop) == repr(loop)
