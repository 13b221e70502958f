"""ScriptedBackend: a backend in memory that answers from a script, records what it was asked, and fails on demand."""

import asyncio
import itertools
import math
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from palmette.lang.events import (
    Closing,
    Event,
    FinishReason,
    GenResult,
    ScoreResult,
    SelectResult,
    TextDelta,
    TokenLogprob,
    ValueReady,
)
from palmette.lang.ir import DeclareTools, Gen, Join, Operation, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from palmette.lang.terms import DEFAULT_TERMS, Terms

Answer = str | list[str] | Callable[[str], str]
"""What a variable is answered with: a text, texts to use up one by one, or a function of the text before."""


class ScriptedFailure(Exception):
    """What the script said should go wrong."""


@dataclass
class Submission:
    """One `Branch.run`."""

    branch_id: int
    operations: tuple[Operation, ...]


@dataclass
class ScriptedBackend:
    """Texts are written as ChatML; a "token" is a character of the text, its id the code point.

    `answers`: by variable name; an unlisted variable `x` is answered "<x>". `failures`: the variable whose operation
    fails, and with what. `stuck`: variables whose generation never ends.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    failures: Mapping[str, Exception] = field(default_factory=dict)
    stuck: frozenset[str] = frozenset()
    held: Mapping[str, threading.Event] = field(default_factory=dict)
    """Variables whose generation has written its text, but ends only when the event is set."""
    fork_failure: Exception | None = None
    open_failure: Exception | None = None
    close_failure: Exception | None = None
    submissions: list[Submission] = field(default_factory=list)
    branches: "dict[int, ScriptedBranch]" = field(default_factory=dict)
    opened: list[tuple[int | None, str]] = field(default_factory=list)
    """(seed, cache_salt) of each `open_branch`."""
    terms: list[Terms] = field(default_factory=list)
    """Those of each `open_branch`."""
    num_in_flight: int = 0
    max_in_flight: int = 0
    num_flushes: int = 0
    is_closed: bool = False
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> "ScriptedBranch":
        if self.open_failure is not None:
            raise self.open_failure
        self.opened.append((seed, cache_salt))
        self.terms.append(terms)
        return self.new_branch("", None)

    async def aflush_cache(self) -> None:
        self.num_flushes += 1

    async def aclose(self) -> None:
        self.is_closed = True

    def new_branch(self, text: str, open_role: str | None) -> "ScriptedBranch":
        branch = ScriptedBranch(self, next(self._ids), text, open_role)
        self.branches[branch.branch_id] = branch
        return branch

    @property
    def operations(self) -> list[Operation]:
        """All operations submitted, in order of submission."""
        return [operation for submission in self.submissions for operation in submission.operations]

    def gens(self) -> list[Gen]:
        """All `Gen` operations submitted."""
        return [operation for operation in self.operations if isinstance(operation, Gen)]

    def check_all_closed(self) -> None:
        """Every branch was closed, once."""
        counts = {branch_id: branch.num_closes for branch_id, branch in self.branches.items()}
        assert set(counts.values()) <= {1}, counts
        assert self.num_in_flight == 0

    def answer(self, name: str, text: str) -> str:
        scripted = self.answers.get(name, f"<{name}>")
        if callable(scripted):
            return scripted(text)
        return scripted.pop(0) if isinstance(scripted, list) else scripted


class ScriptedBranch:
    """A branch is its text."""

    def __init__(self, backend: ScriptedBackend, branch_id: int, text: str, open_role: str | None) -> None:
        self.backend = backend
        self.text = text
        self.forked_len = len(text)
        self.open_role = open_role
        self.closing = ""
        self.num_closes = 0
        self.is_running = False
        self._id = branch_id

    @property
    def branch_id(self) -> int:
        return self._id

    async def run(self, operations: Sequence[Operation]) -> AsyncIterator[Event]:
        backend = self.backend
        assert not self.is_running, "calls on one branch are made one after another"
        assert self.num_closes == 0, "a closed branch takes no operations"
        assert operations, "an empty submission"
        self.is_running = True
        backend.submissions.append(Submission(self._id, tuple(operations)))
        backend.num_in_flight += 1
        backend.max_in_flight = max(backend.max_in_flight, backend.num_in_flight)
        try:
            for index, operation in enumerate(operations):
                await asyncio.sleep(0)
                try:
                    async for event in self._events(index, operation):
                        yield event
                except Exception as failure:
                    failure.operation_index = index  # type: ignore[attr-defined]  # the port asks for it by name
                    raise
            if self.closing:
                yield Closing(self.closing)
        finally:
            self.is_running = False
            backend.num_in_flight -= 1

    async def fork(self, num_children: int) -> "list[ScriptedBranch]":
        assert not self.is_running
        assert self.num_closes == 0
        await asyncio.sleep(0)
        if self.backend.fork_failure is not None:
            raise self.backend.fork_failure
        self.text, self.closing = self.text + self.closing, ""
        return [self.backend.new_branch(self.text, self.open_role) for _ in range(num_children)]

    async def close(self) -> None:
        self.num_closes += 1
        await asyncio.sleep(0)
        if self.backend.close_failure is not None:
            raise self.backend.close_failure

    async def _events(self, index: int, operation: Operation) -> AsyncIterator[Event]:
        match operation:
            case Text(text=text):
                yield self._append(index, text)
            case Tokens(token_ids=token_ids):
                yield self._append(index, "".join(map(chr, token_ids)))
            case DeclareTools(tools=tools):
                yield self._append(index, f"[tools {' '.join(tool.name for tool in tools)}]\n")
            case RoleBegin(role=role):
                self.open_role = role
                yield self._append(index, f"<|im_start|>{role}\n")
            case RoleEnd():
                self.open_role = None
                self.closing = "<|im_end|>\n"  # written with what follows, or by a fork
            case Gen():
                async for event in self._gen(index, operation):
                    yield event
            case Select(name=name, choices=choices):
                self._fail_if_told(name)
                choice = self.backend.answer(name, self.text) if name in self.backend.answers else choices[0]
                result = _select_result(operation, choice, len(self.text))
                yield self._append(index, choice, name)
                yield ValueReady(index, name, result)
            case Score(name=name, text=text):
                self._fail_if_told(name)
                yield self._append(index, text)
                yield ValueReady(index, name, ScoreResult(_logprobs(text), -1.0 * len(text)))
            case Join(branch_ids=branch_ids):
                children = [self.backend.branches[branch_id] for branch_id in branch_ids]
                assert all(child.num_closes == 0 for child in children), "children are joined before they are closed"
                yield self._append(index, "".join(child.text[child.forked_len :] for child in children))
            case _:
                raise AssertionError(f"expected no {operation} in run")

    async def _gen(self, index: int, operation: Gen) -> AsyncIterator[Event]:
        backend, params, prompt_len = self.backend, operation.params, len(self.text)
        if operation.name in backend.stuck:
            await asyncio.Event().wait()
        samples = [backend.answer(operation.name, self.text) for _ in range(params.n)]
        results = tuple(_gen_result(operation, sample, prompt_len) for sample in samples)
        for begin in range(0, len(results[0].text), 4):
            yield self._append(index, results[0].text[begin : begin + 4], operation.name)
            await asyncio.sleep(0)
        if operation.name in backend.held:
            await asyncio.to_thread(backend.held[operation.name].wait)
        self._fail_if_told(operation.name)
        yield ValueReady(index, operation.name, results)

    def _append(self, index: int, text: str, name: str | None = None) -> TextDelta:
        text, self.closing = self.closing + text, ""
        self.text += text
        return TextDelta(index, text, name)

    def _fail_if_told(self, name: str) -> None:
        if name in self.backend.failures:
            raise self.backend.failures[name]


def _gen_result(operation: Gen, answer: str, prompt_len: int) -> GenResult:
    """Cut at the first stop string, or else at `max_new_tokens`."""
    params = operation.params
    stops = [(answer.index(stop), stop) for stop in params.stop if stop in answer]
    reason = FinishReason("stop", 0)
    if stops:
        end, matched = min(stops)
        answer, reason = answer[:end], FinishReason("stop", matched)
    if len(answer) > params.max_new_tokens:
        answer, reason = answer[: params.max_new_tokens], FinishReason("length")
    return GenResult(
        text=answer,
        token_ids=tuple(map(ord, answer)),
        finish_reason=reason,
        prompt_tokens=prompt_len,
        cached_tokens=0,
        seed=params.seed or 0,
        output_logprobs=_logprobs(answer) if params.return_logprob else None,
        input_logprobs=_logprobs("in") if params.return_logprob and params.logprob_start_len is not None else None,
    )


def _select_result(operation: Select, choice: str, prompt_len: int) -> SelectResult:
    logprobs = tuple(0.0 if each == choice else -2.0 * len(each) for each in operation.choices)
    total = sum(map(math.exp, logprobs))
    return SelectResult(
        choice=choice,
        choices=operation.choices,
        scores=tuple(logprob / len(each) for logprob, each in zip(logprobs, operation.choices, strict=True)),
        logprobs=logprobs,
        probabilities=tuple(math.exp(logprob) / total for logprob in logprobs),
        token_logprobs=tuple(_logprobs(each) for each in operation.choices),
        prompt_tokens=prompt_len,
        cached_tokens=0,
    )


def _logprobs(text: str) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(ord(each), -1.0, each, ((ord(each), -1.0), (0, -2.0))) for each in text)
