"""From the branches of a run, as it keeps them, to a `Record`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from ..backend import Backend
from ..events import GenResult, SelectResult, TokenLogprob
from ..ir import Fork, Join, Text
from ..plan import Branching, Joining
from ..running.branch_runner import BranchRunner, ForkPoint, GatherPoint, JoinEntry, PendingStep
from ..running.entry import Entry, TemplateEntry
from .record import RanStep, Record, RecordedBranch, RecordedOperation


@runtime_checkable
class SpellsTokens(Protocol):
    """A backend that can say how a token is spelt."""

    def token_text(self, token_id: int) -> str:
        """The text of the token by itself."""
        ...


@runtime_checkable
class NamesModel(Protocol):
    """A backend that can say which model it runs."""

    @property
    def model_name(self) -> str:
        """A name or a path."""
        ...


def record_run(
    program: str,
    backend: Backend,
    histories: Sequence[tuple[BranchRunner, Sequence[PendingStep]]],
    *,
    arguments: Mapping[str, object],
    seed: int | None,
    cache_salt: str,
    started_at: float | None,
) -> Record:
    """What ran so far.

    histories: each branch with all its steps, in order, the root first and parents before their children. May be called
    from any thread, also while the run goes on: what has not ended is recorded without a result.
    """
    numbers = {id(runner): index for index, (runner, _) in enumerate(histories)}
    parents = _parents(histories, numbers)
    branches = tuple(
        RecordedBranch(runner.label, parents[index], _operations(steps, numbers))
        for index, (runner, steps) in enumerate(histories)
    )
    record = Record(
        program=program,
        branches=branches,
        arguments={name: plain(value) for name, value in arguments.items()},
        seed=_seed(branches) if seed is None else seed,
        cache_salt=cache_salt,
        backend=type(backend).__name__,
        model=backend.model_name if isinstance(backend, NamesModel) else None,
        started_at=started_at,
    )
    if isinstance(backend, SpellsTokens):
        ids = sorted(set(token_ids_of(record)))
        record = msgspec.structs.replace(record, vocabulary={each: backend.token_text(each) for each in ids})
    return record


def plain(value: object) -> Any:
    """The value as JSON shows it, or its `repr` where it has no JSON form."""
    try:
        return json.loads(msgspec.json.encode(value))
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        return repr(value)


def token_ids_of(record: Record) -> Iterator[int]:
    """Every token id that occurs in it, alternatives included, some of them several times."""
    for _, operation in record.operations():
        for sample in operation.samples:
            yield from sample.token_ids
            for tokens in (sample.output_logprobs, sample.input_logprobs):
                yield from _ids(tokens or ())
        if operation.selection is not None:
            for tokens in operation.selection.token_logprobs:
                yield from _ids(tokens)
        if operation.scored is not None:
            yield from _ids(operation.scored.token_logprobs)


def _ids(tokens: Iterable[TokenLogprob]) -> Iterator[int]:
    for token in tokens:
        yield token.token_id
        yield from (token_id for token_id, _ in token.top)


def _parents(
    histories: Sequence[tuple[BranchRunner, Sequence[PendingStep]]], numbers: Mapping[int, int]
) -> list[int | None]:
    parents: list[int | None] = [None] * len(histories)
    for index, (_, steps) in enumerate(histories):
        for step in steps:
            if isinstance(step, ForkPoint):
                for child in step.children:
                    parents[numbers[id(child)]] = index
    return parents


def _operations(steps: Sequence[PendingStep], numbers: Mapping[int, int]) -> tuple[RecordedOperation, ...]:
    """Text reports no end of its own, so a failure marks it even where what follows it ran; here it is taken back."""
    num_ran = max((number for number, step in enumerate(steps, 1) if _has_run(step)), default=0)
    return tuple(_recorded(step, numbers, number <= num_ran) for number, step in enumerate(steps, 1))


def _has_run(step: PendingStep) -> bool:
    if isinstance(step, ForkPoint):
        return any(child.text_parts for child in step.children)  # a child begins with the text of its parent
    return not isinstance(step, GatherPoint) and step.result is not None


def _recorded(step: PendingStep, numbers: Mapping[int, int], has_run: bool) -> RecordedOperation:
    if isinstance(step, ForkPoint):
        return RecordedOperation(step=Branching(_numbers(step.children, numbers)), text=step.text)
    if isinstance(step, GatherPoint):
        return RecordedOperation(step=Joining(_numbers(step.children, numbers), "gather_variable"))
    result = step.result
    samples: tuple[GenResult, ...] = result if isinstance(result, tuple) else ()
    selection = result if isinstance(result, SelectResult) else None
    failure = None if has_run else step.failure
    return RecordedOperation(
        step=_ran_step(step, numbers, failure is None),
        index=step.index,
        variable=step.name,
        source=step.source,
        text="".join(step.text_parts),
        timing=step.timing,
        samples=samples,
        selection=selection,
        scored=None if isinstance(result, tuple | SelectResult) else result,
        error=None if failure is None else f"{type(failure.cause).__name__}: {failure.cause}",
    )


def _ran_step(entry: Entry, numbers: Mapping[int, int], is_well: bool) -> RanStep:
    if isinstance(entry, JoinEntry):
        return Joining(_numbers(entry.children, numbers), "concate_and_append")
    if isinstance(entry, TemplateEntry):
        return Text(entry.content() if is_well and entry.is_known else "", entry.has_special)
    operation = entry.operation
    assert not isinstance(operation, Fork | Join), "forks and joins have steps of their own"
    return operation


def _numbers(children: Sequence[BranchRunner], numbers: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(numbers[id(child)] for child in children)


def _seed(branches: Sequence[RecordedBranch]) -> int | None:
    """The seed that the backend drew: that of any generation without one of its own."""
    for branch in branches:
        for operation in branch.operations:
            params = getattr(operation.step, "params", None)
            if operation.samples and params is not None and params.seed is None:
                return operation.samples[0].seed
    return None
