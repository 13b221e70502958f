"""ProgramState: the `s` that a program appends to and reads from."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Literal, overload

from .errors import InvalidArgument, StateError
from .expressions import Expression, ExpressionList, RoleBeginExpression, RoleEndExpression
from .ir import Tool
from .sampling_params import SamplingParams
from .state_group import StateGroup
from .text_reader import TextReader, VariableReader
from .transcript import Transcript
from .variable import Given, Scope


class ProgramState:
    """The text of one branch of a program, and the variables set in it.

    Appending (`s += "text"`, `s += gen("x")`) records an operation; reading (`s["x"]`, `s.text()`) submits what is
    pending on all branches of the program and waits for what was asked. A failed operation raises `ProgramError`
    from every read that needed it. After the program has ended the state can still be read.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.ret_value: Any = None
        """What the program's function returned."""
        self._transcript = transcript

    # Appending

    def __iadd__(self, other: Expression | str) -> "ProgramState":
        self._transcript.append(other)
        return self

    def system(self, expression: Expression | str | None = None) -> AbstractContextManager[None]:
        """A turn of the system: `s.system("...")`, or `with s.system(): s += ...`."""
        return self._turn("system", expression)

    def user(self, expression: Expression | str | None = None) -> AbstractContextManager[None]:
        """A turn of the user: `s.user("...")`, or `with s.user(): s += ...`."""
        return self._turn("user", expression)

    def assistant(self, expression: Expression | str | None = None) -> AbstractContextManager[None]:
        """A turn of the assistant: `s.assistant(gen("x"))`, or `with s.assistant(): s += ...`."""
        return self._turn("assistant", expression)

    def tool(self, expression: Expression | str | None = None) -> AbstractContextManager[None]:
        """A turn of a tool: what a call gave back, for the model to read."""
        return self._turn("tool", expression)

    def declare_tools(self, tools: Sequence[Tool]) -> None:
        """Tell the model which functions it may call; comes before the first turn. The same tools twice are fine."""
        self._transcript.declare_tools(tools)

    def append_markup(self, text: str) -> None:
        """Append text in which the model's special tokens, spelt out, are read as such, inside a turn, too."""
        self._transcript.append_markup(text)

    @property
    def has_turns(self) -> bool:
        """A turn has begun."""
        return self._transcript.has_turns

    @contextmanager
    def var_scope(self, name: str) -> Iterator[None]:
        """`with s.var_scope("x"): s += ...` sets the variable "x" to the text appended inside."""
        begin = len(self._transcript.log)
        yield
        self._transcript.declare(name, Scope(self._transcript.log[begin:]))

    # Reading

    def __getitem__(self, name: str) -> Any:
        return self.get_var(name)

    def __setitem__(self, name: str, value: object) -> None:
        self.set_var(name, value)

    def __contains__(self, name: object) -> bool:
        return name in self._transcript.variables

    def get_var(self, name: str) -> Any:
        """The value of the variable; raises `VariableNotSet`, or `ProgramError` if what sets it failed."""
        return self._transcript.ready(name).value()

    def set_var(self, name: str, value: object) -> None:
        """Set a variable; a later gen of that name replaces it."""
        self._transcript.check_open()
        self._transcript.declare(name, Given(value))

    def get_meta_info(self, name: str) -> Any:
        """What is known of a value besides the value: a dict, or a list of dicts for several samples or branches.

        Of a gen: `id`, `finish_reason`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `seed`, and with
        `return_logprob` `output_token_logprobs` and the like as (logprob, token_id, text). Of a select: `choices`,
        `logprobs`, `probabilities`, `scores`, `normalized_prompt_logprobs`, `input_token_logprobs`.
        """
        return self._transcript.ready(name).meta_info(name)

    def text(self) -> str:
        """The whole text, chat template included; waits until all that was appended has run."""
        self._transcript.settle()
        return self._transcript.runner.text

    def messages(self) -> list[dict[str, str]]:
        """The finished turns as `{"role", "content"}`; waits like `text`."""
        self._transcript.settle()
        return self._transcript.messages()

    def sync(self) -> None:
        """Wait until all that was appended has run; raises what failed."""
        self._transcript.settle()

    def cancel(self) -> None:
        """Stop the program and all its branches; may be called from any thread, and does nothing once it has ended.

        What had a value by then can still be read, every other read raises. The function itself stops at its next
        read.
        """
        self._transcript.run.cancel(StateError("the program was cancelled"))

    def error(self) -> BaseException | None:
        """What went wrong, or None; waits like `text`."""
        try:
            self._transcript.settle()
        except BaseException as error:
            if error is self._transcript.run.error or self._transcript.runner.failure is not None:
                return error
            raise
        return None

    def text_iter(self, var_name: str | None = None) -> Iterator[str]:
        """The text, or that of one variable, from its begin, in chunks as it grows; raises what fails.

        To leave it early leaves the program running, for another reader; `cancel` stops it, and so does Ctrl-C while
        this waits.
        """
        reader = self._reader(var_name)
        while (chunk := self._transcript.run.wait(reader.next_chunk)) is not None:
            yield chunk

    @overload
    def text_async_iter(
        self, var_name: str | None = None, return_meta_data: Literal[False] = False
    ) -> AsyncIterator[str]: ...
    @overload
    def text_async_iter(self, var_name: str, return_meta_data: Literal[True]) -> AsyncIterator[tuple[str, Any]]: ...
    async def text_async_iter(self, var_name: str | None = None, return_meta_data: bool = False) -> AsyncIterator[Any]:
        """`text_iter` for `async for`.

        With `return_meta_data` (and a `var_name`) the chunks are `(text, meta_info)`; while the text grows its
        `finish_reason` is None, and a last `("", meta_info)` has it all.
        """
        if return_meta_data and var_name is None:
            raise InvalidArgument("var_name", "a variable's name with return_meta_data", var_name)
        reader = self._reader(var_name)
        while (chunk := await self._transcript.run.wait_async(reader.next_chunk)) is not None:
            yield (chunk, {"finish_reason": None}) if return_meta_data else chunk
        if return_meta_data and var_name is not None:
            yield "", self.get_meta_info(var_name)  # it has ended, so this does not block

    # Branching

    def fork(self, size: int = 1, position_ids_offset: None = None) -> "StateGroup[ProgramState]":
        """Branches that begin with all of this text and its variables. Raises `InvalidArgument` unless `size` >= 1.

        They run at the same time as each other and as this one. `join` brings them back; as a context manager the
        group joins at the end. `position_ids_offset` is refused: the positions of a branch follow from its text.
        """
        if position_ids_offset is not None:
            raise InvalidArgument(
                "position_ids_offset",
                "nothing: this argument is not supported",
                position_ids_offset,
                "leave it out; a branch goes on at the position where the text before it ends",
            )
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise InvalidArgument("fork", "a number of branches >= 1", size)
        transcripts = self._transcript.fork(size)
        return StateGroup([ProgramState(each) for each in transcripts], transcripts, self._transcript)

    @contextmanager
    def copy(self) -> Iterator["ProgramState"]:
        """A single branch, joined at the end: the variables set in it come back as lists of one."""
        with self.fork(1) as group:
            yield group[0]

    # For the rest of the language

    @property
    def sampling_defaults(self) -> SamplingParams:
        """What a gen inherits."""
        return self._transcript.defaults

    def inline(self, body: Callable[["ProgramState"], Any], defaults: SamplingParams) -> Any:
        """Run the body of another program on this state, with its own sampling defaults."""
        kept, self._transcript.defaults = self._transcript.defaults, defaults
        try:
            return body(self)
        finally:
            self._transcript.defaults = kept

    def __repr__(self) -> str:
        transcript = self._transcript
        return f"<state {transcript.runner.label} of {transcript.run.program!r}: {len(transcript.log)} operations>"

    def _turn(self, role: str, expression: Expression | str | None) -> AbstractContextManager[None]:
        if expression is None:
            return self._open_turn(role)
        self._transcript.append(ExpressionList((RoleBeginExpression(role), expression, RoleEndExpression(role))))
        return _WrittenTurn(role)

    @contextmanager
    def _open_turn(self, role: str) -> Iterator[None]:
        self._transcript.begin_role(role)
        try:
            yield
        except BaseException:
            with suppress(StateError):  # the body may have ended the turn, or the program itself
                self._transcript.end_role(role)  # so that who catches the exception can go on with another turn
            raise
        self._transcript.end_role(role)

    def _reader(self, var_name: str | None) -> TextReader | VariableReader:
        transcript = self._transcript
        if var_name is None:
            return TextReader(transcript.run, transcript.runner)
        is_outside = transcript.run.is_outside
        return VariableReader(transcript.run, transcript.runner, lambda: transcript.find(var_name, is_outside))


class _WrittenTurn(AbstractContextManager[None]):
    """What a turn given whole returns; to enter it would be a mistake."""

    def __init__(self, role: str) -> None:
        self._role = role

    def __enter__(self) -> None:
        raise StateError(f"this turn of {self._role!r} is written already; use `with s.{self._role}():` without text")

    def __exit__(self, *_: object) -> None:
        return None
