"""Call: a program called inside another, a lazy value."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Protocol

from .errors import InvalidArgument
from .state import ProgramState
from .transcript import Appendable, Transcript


class Program(Protocol):
    """What a call needs of the program it calls: see `Function`."""

    name: str
    is_async: bool

    def run(self, *args: Any, **kwargs: Any) -> ProgramState: ...
    async def arun(self, *args: Any, **kwargs: Any) -> ProgramState: ...
    def inline(self, state: ProgramState, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any: ...
    def check_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None: ...


class Call(Appendable):
    """A program called inside another: a lazy value.

    Appended (`s += other(...)`), its body runs on the state there, with that state's sampling defaults under its
    own. Read (`other(...)["x"]`, or `await other(...)`, which gives its state), it runs once, on a branch of its own.
    One call is for one of the two. An async program is appended by `await other(s, ...)`.
    """

    def __init__(self, program: Program, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._program = program
        self._args = args
        self._kwargs = dict(kwargs)
        self._state: ProgramState | None = None
        program.check_arguments(args, kwargs)  # wrong arguments raise here, at the call

    @property
    def state(self) -> ProgramState:
        """The state of the call's own run; runs it if it has not run."""
        if self._state is None:
            self._state = self._program.run(*self._args, **self._kwargs)
        return self._state

    def __await__(self) -> Generator[Any, None, ProgramState]:
        return self._run_async().__await__()

    def append_to(self, transcript: Transcript) -> None:
        """Run the body on the state that `transcript` records."""
        if self._state is not None:
            raise InvalidArgument(
                "s +=",
                "a call that has not run",
                self,
                "it was read before, so append one of its values, or call again",
            )
        if self._program.is_async:
            hint = f"`await {self._program.name}(s, ...)` runs it on this state"
            raise InvalidArgument("s +=", "a program that does not await", self, hint)
        self._program.inline(ProgramState(transcript), self._args, self._kwargs)

    def __getitem__(self, name: str) -> Any:
        return self.state[name]

    def __contains__(self, name: object) -> bool:
        return name in self.state

    def get_var(self, name: str) -> Any:
        """See `ProgramState.get_var`."""
        return self.state.get_var(name)

    def get_meta_info(self, name: str) -> Any:
        """See `ProgramState.get_meta_info`."""
        return self.state.get_meta_info(name)

    def text(self) -> str:
        """See `ProgramState.text`."""
        return self.state.text()

    def messages(self) -> list[dict[str, str]]:
        """See `ProgramState.messages`."""
        return self.state.messages()

    def text_iter(self, var_name: str | None = None) -> Iterator[str]:
        """See `ProgramState.text_iter`."""
        return self.state.text_iter(var_name)

    @property
    def ret_value(self) -> Any:
        """What the program's function returned."""
        return self.state.ret_value

    async def _run_async(self) -> ProgramState:
        if self._state is None:
            self._state = await self._program.arun(*self._args, **self._kwargs)
        return self._state

    def __repr__(self) -> str:
        return f"<call of {self._program!r}>"
