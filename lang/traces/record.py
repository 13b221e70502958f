"""Record: a run of a program as plain data: what each branch did, when, and with which tokens."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..errors import InvalidArgument
from ..events import GenResult, ScoreResult, SelectResult, Timing, TokenLogprob
from ..ir import DeclareTools, Gen, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from ..plan import Branching, Joining
from .trace_html import notebook_frame, trace_page

RECORD_VERSION = 1

T = TypeVar("T")

RanStep = Text | Tokens | DeclareTools | RoleBegin | RoleEnd | Gen | Select | Score | Branching | Joining
"""The steps of a plan, with texts as they were when they ran."""


class RecordedOperation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation of a branch, and what came of it; `Branching` and `Joining` name branches of the record."""

    step: RanStep
    index: int | None = None
    """As errors count it: from the root, what a fork inherited included; None for what is no operation of its own."""
    variable: str | None = None
    """The variable it set, None where the user named none."""
    source: str | None = None
    """The user's `file:line` that appended it."""
    text: str = ""
    """What the branch gained, what a chat template put around it included."""
    timing: Timing | None = None
    """None for what the engine does not report by itself: text is computed with what follows it."""
    samples: tuple[GenResult, ...] = ()
    """Of a `Gen` that ended; the text went on with the first."""
    selection: SelectResult | None = None
    scored: ScoreResult | None = None
    error: str | None = None
    """Why it failed; what was left undone for that failure says the same."""

    @property
    def kind(self) -> str:
        """The tag of the step: text, gen, select, branching and so on."""
        return str(self.step.__struct_config__.tag)


class RecordedBranch(msgspec.Struct, frozen=True):
    """One branch: `parent` is the index of the branch it was forked from, None for the root."""

    label: str
    parent: int | None
    operations: tuple[RecordedOperation, ...] = ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a program. Frozen data: equal where the same, JSON and JSON lines there and back; never pickle.

    Branches come after their parents; the first is the root.
    """

    program: str
    branches: tuple[RecordedBranch, ...]
    arguments: Mapping[str, Any] = {}
    """JSON values; of what has no JSON form, its `repr`."""
    seed: int | None = None
    """The key of the noise, also where the backend drew it; None where no operation says what it was."""
    cache_salt: str = ""
    backend: str = ""
    model: str | None = None
    started_at: float | None = None
    """Seconds since 1970 (UTC) by the machine's wall clock; timings are by the engine's."""
    vocabulary: Mapping[int, str] = {}
    """The text of each token id that occurs, as far as the backend could spell it."""
    version: int = RECORD_VERSION

    def to_json(self) -> str:
        """The record as one JSON text."""
        return msgspec.json.encode(_without_infinities(self)).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Record":
        """Read what `to_json` wrote; raises `InvalidArgument` on anything else, or on another version."""
        return _checked(_decoded(text, Record, "the JSON text of a record"))

    def to_jsonl(self) -> str:
        """A line for the run as a whole, then one for each operation, branch by branch."""
        header = msgspec.structs.replace(
            self, branches=tuple(msgspec.structs.replace(branch, operations=()) for branch in self.branches)
        )
        lines = (_Line(index, operation) for index, operation in self.operations())
        encoded = (msgspec.json.encode(_without_infinities(line)).decode() for line in lines)
        return "\n".join((header.to_json(), *encoded)) + "\n"

    @classmethod
    def from_jsonl(cls, text: str | bytes) -> "Record":
        """Read what `to_jsonl` wrote; raises `InvalidArgument` naming the line that is wrong."""
        if isinstance(text, bytes):
            text = _utf8(text)
        numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not numbered:
            raise InvalidArgument("record", "a line with the run as a whole, then one for each operation", text)
        header = _checked(_decoded(numbered[0][1], Record, "line 1 of a record: the run as a whole"))
        operations: list[list[RecordedOperation]] = [list(branch.operations) for branch in header.branches]
        for number, line in numbered[1:]:
            read = _decoded(line, _Line, f"line {number} of a record: an operation")
            if not 0 <= read.branch < len(operations):
                raise InvalidArgument("record", f"in line {number} a branch below {len(operations)}", read.branch)
            operations[read.branch].append(read.operation)
        branches = tuple(
            msgspec.structs.replace(branch, operations=tuple(each))
            for branch, each in zip(header.branches, operations, strict=True)
        )
        return _checked(msgspec.structs.replace(header, branches=branches))

    def save(self, path: str | Path) -> None:
        """Write it to a file, as its name ends: `.html` for `to_html`, `.json` for `to_json`, else `to_jsonl`."""
        path = Path(path)
        write = {".html": self.to_html, ".json": self.to_json}.get(path.suffix.lower(), self.to_jsonl)
        path.write_text(write(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Record":
        """Read what `save` wrote as JSON or JSON lines.

        Raises `InvalidArgument` where it is no record, `OSError` where it cannot be read.
        """
        path = Path(path)
        data = path.read_bytes()
        return cls.from_json(data) if path.suffix.lower() == ".json" else cls.from_jsonl(data)

    def operations(self) -> Iterator[tuple[int, RecordedOperation]]:
        """(branch, operation), branch by branch."""
        for index, branch in enumerate(self.branches):
            for operation in branch.operations:
                yield index, operation

    def token_text(self, token: TokenLogprob) -> str | None:
        """How a token is spelt; None where neither the token nor the vocabulary says."""
        return self.vocabulary.get(token.token_id) if token.text is None else token.text

    def to_html(self) -> str:
        """A page that shows the run: one file, nothing from outside."""
        return trace_page(self.to_json(), self.program)

    def _repr_html_(self) -> str:
        return notebook_frame(self.to_html())


class _Line(msgspec.Struct, frozen=True):
    branch: int
    operation: RecordedOperation


def _decoded(text: str | bytes, type_: type[T], expected: str) -> T:
    try:
        return msgspec.json.decode(text, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument("record", expected, text, str(error)) from error


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument("record", "text in UTF-8", data, str(error)) from error


def _checked(record: Record) -> Record:
    """Raise `InvalidArgument` unless its version is known and its branches form a tree that its forks agree with."""
    if record.version != RECORD_VERSION:
        raise InvalidArgument(
            "record", f"a record of version {RECORD_VERSION}", record.version, "run the program again"
        )
    num_branches = len(record.branches)
    for index, branch in enumerate(record.branches):
        if (branch.parent is None) != (index == 0) or not 0 <= (branch.parent or 0) < max(index, 1):
            raise InvalidArgument("record", f"as parent of branch {index} an earlier one", branch.parent)
    for index, operation in record.operations():
        children = operation.step.children if isinstance(operation.step, Branching | Joining) else ()
        for child in children:
            if not 0 <= child < num_branches or record.branches[child].parent != index:
                raise InvalidArgument("record", f"at a {operation.kind} children of branch {index}", child)
    _check_forks(record)
    return record


def _check_forks(record: Record) -> None:
    """Each branch is forked once, and joined at most once after that."""
    open_branches: set[int] = set()
    ended: set[int] = set()
    for _, operation in record.operations():
        step = operation.step
        if isinstance(step, Branching):
            again = (open_branches | ended).intersection(step.children)
            if again or len(set(step.children)) < len(step.children):
                raise InvalidArgument("record", "each branch forked once", step.children)
            open_branches.update(step.children)
        elif isinstance(step, Joining):
            if not open_branches.issuperset(step.children) or len(set(step.children)) < len(step.children):
                raise InvalidArgument("record", "each branch joined once, after its fork", step.children)
            open_branches.difference_update(step.children)
            ended.update(step.children)


def _without_infinities(value: object) -> object:
    """Plain values for JSON, which has no infinities: the largest floats stand for them, and read back as such."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, str_keys=True)
    if isinstance(value, dict):
        return {key: _without_infinities(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(each) for each in value]
    if isinstance(value, float) and math.isinf(value):
        return math.copysign(1.7976931348623157e308, value)
    return value
