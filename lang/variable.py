"""Variables of a state: a value that an operation makes, a span of text, a given value, or what a join gathered."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from .entry import Entry
from .errors import InvalidArgument
from .events import ScoreResult, SelectResult
from .ir import Gen
from .meta_info import meta_info_of


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

    def meta_info(self, name: str) -> Any:
        """A dict, or a list of dicts for several samples or branches."""
        raise InvalidArgument(name, "a variable that a gen, select or score set, which have meta info", self.value())


class Produced(Variable):
    """The value of one operation."""

    def __init__(self, entry: Entry, meta_id: str) -> None:
        self.entry = entry
        self._meta_id = meta_id

    @property
    def is_ready(self) -> bool:
        return self.entry.done.is_set()

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
        texts = [sample.text for sample in result]
        return texts if self.entry.operation.params.n > 1 else texts[0]

    def meta_info(self, name: str) -> Any:  # noqa: ARG002 - the name is for errors
        self.entry.check()
        assert self.entry.result is not None
        return meta_info_of(self.entry.result, self._meta_id)


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

    def __init__(self, value: object) -> None:
        self._value = value

    @property
    def is_ready(self) -> bool:
        return True

    async def wait(self) -> None:
        return None

    def value(self) -> Any:
        return self._value


class Gathered(Variable):
    """The variables of one name in the branches of a fork, in their order."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._variables = tuple(variables)

    @property
    def is_ready(self) -> bool:
        return all(variable.is_ready for variable in self._variables)

    async def wait(self) -> None:
        for variable in self._variables:
            await variable.wait()

    def value(self) -> list[Any]:
        return [variable.value() for variable in self._variables]

    def meta_info(self, name: str) -> list[Any]:
        return [variable.meta_info(name) for variable in self._variables]


def span_text(entries: Sequence[Entry]) -> str:
    """The text of a span of known entries, without what the chat template put around it."""
    return "".join(entry.content() for entry in entries if entry.kind not in ("role_begin", "role_end"))
