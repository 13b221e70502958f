"""Variables of a state: a value that an operation makes, a span of text, a given value, or what a join gathered."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import IncompleteValue, InvalidArgument, ProgramError
from .events import GenResult, ScoreResult, SelectResult
from .ir import Gen, Select
from .meta_info import meta_info_of
from .running.entry import Entry, Failure

if TYPE_CHECKING:
    from ..grammar.types.value_type import ValueType


class Variable(ABC):
    """What a name stands for; its value may be yet to come.

    Values are `Any`: a name says nothing of the type of what `set_var` or a join put under it.
    """

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """`value()` needs no waiting."""

    @abstractmethod
    async def wait(self) -> None:
        """Return when ready; raises `ProgramError` where it never will be."""

    @abstractmethod
    def value(self) -> Any:
        """The value, when ready; raises `ProgramError` where there is none."""

    @property
    def referent(self) -> Entry | None:
        """The operation whose text is the value, as text formats it; None where it is more, or less, than that."""
        return None

    def meta_info(self, name: str) -> Any:
        """A dict, or a list of dicts for several samples or branches."""
        raise InvalidArgument(name, "a variable that a gen, select or score set, which have meta info", self.value())


@dataclass(frozen=True)
class Place:
    """Where a value was made, as errors and meta info name it."""

    program: str
    branch: str
    meta_id: str


class Produced(Variable):
    """The value of one operation; of a gen with a type, what its text stands for."""

    def __init__(self, entry: Entry, place: Place, value_type: "ValueType[Any] | None" = None) -> None:
        self.entry = entry
        self.value_type = value_type
        self._place = place
        self._decoded: Any = None
        self._is_decoded = False

    @property
    def is_ready(self) -> bool:
        return self.entry.done.is_set()

    @property
    def referent(self) -> Entry | None:
        """See `Variable`."""
        operation = self.entry.operation
        if isinstance(operation, Select):
            return self.entry
        is_text = isinstance(operation, Gen) and operation.params.n == 1 and self.value_type is None
        return self.entry if is_text else None

    async def wait(self) -> None:
        await self.entry.wait()

    def value(self) -> Any:
        self.entry.check()
        result = self.entry.result
        if isinstance(result, SelectResult):
            return result.choice
        if isinstance(result, ScoreResult):
            return result.logprob
        assert isinstance(self.entry.operation, Gen), self.entry.operation
        assert result is not None, "read before it was ready"
        if not self._is_decoded:
            values = [self._value_of(sample, self.entry.operation) for sample in result]
            self._decoded = values if self.entry.operation.params.n > 1 else values[0]
            self._is_decoded = True
        return self._decoded

    def meta_info(self, name: str) -> Any:  # noqa: ARG002 - the name is for errors
        self.entry.check()
        assert self.entry.result is not None
        return meta_info_of(self.entry.result, self._place.meta_id)

    def _value_of(self, sample: GenResult, operation: Gen) -> Any:
        """What a sample's text stands for; raises `ProgramError` if the text does not say it."""
        if self.value_type is None:
            return sample.text
        try:
            if sample.finish_reason.type == "length":
                raise IncompleteValue(operation.name, sample.text, operation.params.max_new_tokens)
            return self.value_type.decode(sample.text)
        except Exception as error:
            raise Failure(self._place.program, self._place.branch, self.entry, error).error() from error


class Scope(Variable):
    """The text that a span of operations added."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)

    @property
    def is_ready(self) -> bool:
        return all(entry.is_known for entry in self._entries)

    async def wait(self) -> None:
        for entry in self._entries:
            await entry.wait()

    def value(self) -> str:
        for entry in self._entries:
            entry.check()
        return span_text(self._entries)


class Given(Variable):
    """A value that the user set."""

    def __init__(self, value: object, plain: Callable[[object], object]) -> None:
        """`plain`: gives what the value is outside of a trace."""
        self._value = value
        self._plain = plain

    @property
    def is_ready(self) -> bool:
        return True

    async def wait(self) -> None:
        return None

    def value(self) -> Any:
        return self._plain(self._value)


class Gathered(Variable):
    """The variables of one name in the branches of a fork, in their order."""

    def __init__(self, variables: Sequence[Variable], *, keeps_errors: bool = False) -> None:
        """`keeps_errors`: a branch's error stands in the place of the value it did not make."""
        self.variables = tuple(variables)
        self.keeps_errors = keeps_errors

    @property
    def is_ready(self) -> bool:
        return all(variable.is_ready for variable in self.variables)

    async def wait(self) -> None:
        for variable in self.variables:
            await self._or_error(variable.wait)

    def value(self) -> list[Any]:
        return [self._value(variable.value) for variable in self.variables]

    def meta_info(self, name: str) -> list[Any]:
        return [self._value(partial(variable.meta_info, name)) for variable in self.variables]

    async def _or_error(self, wait: Callable[[], Awaitable[None]]) -> None:
        try:
            await wait()
        except ProgramError:
            if not self.keeps_errors:
                raise

    def _value(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except ProgramError as error:
            if not self.keeps_errors:
                raise
            return error


def span_text(entries: Sequence[Entry]) -> str:
    """The text of a span of known entries, without what the chat template put around it."""
    return "".join(entry.content() for entry in entries if entry.kind not in ("role_begin", "role_end"))
