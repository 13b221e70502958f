"""Value: what a gen, select or score will give, typed, before it is there."""

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, Generic, NoReturn, TypeVar

from .errors import StateError
from .events import TokenLogprob
from .ir import Gen
from .running.reference import Reference
from .text_reader import TokenReader, VariableReader
from .transcript import Appendable, Transcript
from .variable import Produced

T = TypeVar("T")


class Value(Appendable, Generic[T]):
    """A lazy value: `await value` or `value.get()` waits for it, a text that is appended refers to it.

    Made by `s.gen(...)`, `s.select(...)` and `s.score(...)`. Appended to a state, alone, added to text or in an
    f-string, it need not be there yet: the engine puts its text in as soon as it has it.
    """

    def __init__(self, transcript: Transcript, produced: Produced, *, is_list: bool = False) -> None:
        self._transcript = transcript
        self._produced = produced
        self._is_list = is_list
        name = produced.entry.name
        self._name = name if name is not None else f"operation {produced.entry.index}"

    @property
    def is_ready(self) -> bool:
        """The value is there, or has failed: reading it does not wait."""
        return self._produced.is_ready

    def get(self) -> T:
        """The value, waited for; raises `ProgramError`, in an async program `StateError` unless it is ready."""
        run = self._transcript.run
        reference = self._reference() if run.is_tracing else None
        if reference is not None:
            return reference  # type: ignore[return-value]  # a trace gives references in place of values
        if not self._produced.is_ready:
            run.wait(self._wait)
        return self._value()

    def __await__(self) -> Generator[Any, None, T]:
        return self._get_async().__await__()

    def meta_info(self) -> Any:
        """See `ProgramState.get_meta_info`; waits like `get`."""
        self.get()
        return self._produced.meta_info(self._name)

    def text_iter(self) -> Iterator[str]:
        """The text, in chunks as it grows."""
        reader = self._reader()
        while (chunk := self._transcript.run.wait(reader.next_chunk, is_followed=True)) is not None:
            yield chunk

    async def __aiter__(self) -> AsyncIterator[str]:
        """`async for chunk in value`: the text, in chunks as it grows."""
        reader = self._reader()
        while (chunk := await self._transcript.run.wait_async(reader.next_chunk)) is not None:
            yield chunk

    async def stream(self) -> AsyncIterator[T]:
        """Ever more complete values while the text grows, the whole one last; of a text, ever more of the text.

        Of several samples, the first. What a value has not got yet is None, or absent (see `ValueType.partial`). Equal
        ones are not repeated.
        """
        text = ""
        last: Any = None
        value_type = self._produced.value_type
        async for chunk in self:
            text += chunk
            partial: Any = text if value_type is None else value_type.partial(text)
            if partial is not None and partial != last:
                last = partial
                yield partial
        value = await self
        first: Any = value[0] if isinstance(value, list) and (self._is_list or self._num_samples > 1) else value
        if first != last:
            yield first

    async def tokens(self) -> AsyncIterator[int]:
        """The ids of the tokens the model writes, as it writes them."""
        reader = TokenReader(self._transcript.run, self._transcript.runner, self._produced.entry)
        while (token_ids := await self._transcript.run.wait_async(reader.next_tokens)) is not None:
            for token_id in token_ids:
                yield token_id

    async def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The tokens with their log-probabilities; of a gen with `return_logprob`, a score."""
        await self
        result = self._produced.entry.result
        if isinstance(result, tuple):
            return result[0].output_logprobs or ()
        return getattr(result, "token_logprobs", ())

    def append_to(self, transcript: Transcript) -> None:
        """See `Appendable`: the text of the value, or a reference to it."""
        entry = self._produced.referent
        if entry is not None and transcript.run is self._transcript.run and not self._produced.is_ready:
            transcript.append_parts([entry])
        else:
            transcript.append(str(self.get()))

    def __format__(self, spec: str) -> str:
        if not spec:
            reference = self._reference()
            if reference is not None:
                return format(reference)
        return format(self.get(), spec)

    def __str__(self) -> str:
        return str(self.get())

    def __bool__(self) -> NoReturn:
        raise self._undecided("decides on it")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Value):
            return self is other
        raise self._undecided("compares it")

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        shown = repr(self.get()) if self.is_ready and self._produced.entry.failure is None else "not there yet"
        return f"<value {self._name!r}: {shown}>"

    def _undecided(self, act: str) -> StateError:
        """Without this, Python would decide on there being a value, which says nothing of what it is."""
        return StateError(
            f"Python {act}, but a Value stands for what the model will write, {self._name!r}; ask for that: "
            "`value.get()`, or `await value` in an async program"
        )

    def _reference(self) -> Reference | None:
        return self._transcript.reference_to(self._produced, self._name)

    @property
    def _num_samples(self) -> int:
        operation = self._produced.entry.operation
        return operation.params.n if isinstance(operation, Gen) else 1

    def _value(self) -> T:
        value = self._produced.value()
        return [value] if self._is_list and self._num_samples == 1 else value  # type: ignore[return-value]  # T is a list then

    async def _get_async(self) -> T:
        run = self._transcript.run
        reference = self._reference() if run.is_tracing else None
        if reference is not None:
            return reference  # type: ignore[return-value]  # as in `get`
        if not self._produced.is_ready:
            await self._transcript.run.wait_async(self._wait)
        return self._value()

    async def _wait(self) -> None:
        try:
            await self._produced.wait()
        except Exception:
            self._transcript.run.check()  # if the program was stopped by its own error, then that is what to raise
            raise

    def _reader(self) -> VariableReader:
        return VariableReader(self._transcript.run, self._transcript.runner, lambda: self._produced)
