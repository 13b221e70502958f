"""ProgramState: the `s` that a program appends to and reads from."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from .arguments.gen_arguments import GenArguments
from .errors import InvalidArgument, StateError
from .events import Event
from .expressions import Expression, ExpressionList, RoleBeginExpression, RoleEndExpression
from .ir import ChoicesMethod, Tool
from .primitives import gen as gen_expression
from .primitives import score as score_expression
from .primitives import select as select_expression
from .running.program_run import ForkErrorMode, ProgramRun
from .sampling_params import SamplingParams
from .state_group import StateGroup
from .text_reader import EventReader, TextReader, VariableReader
from .transcript import Transcript
from .value import Value
from .variable import Given, Produced, Scope

if TYPE_CHECKING:
    from .traces.live_display import Display
    from .traces.record import Record

T = TypeVar("T")


class ProgramState:
    """The text of one branch of a program, and the variables set in it.

    Appending (`s += "text"`, `s += gen("x")`) records an operation; reading (`s["x"]`, `s.text()`) submits what is
    pending on all branches of the program and waits for what was asked. A failed operation raises `ProgramError`
    from every read that needed it. After the program has ended the state can still be read.

    In an async program what waits is awaited: `await s.get("x")`, `await value`, `await s.wait()`; `s["x"]` there reads
    what is ready. In text that goes straight to a state, `s += f"... {s['x']}"`, reading waits in neither: the engine
    puts the value's text in.
    """

    def __init__(self, transcript: Transcript) -> None:
        self._ret_value: Any = None
        self._transcript = transcript

    @property
    def ret_value(self) -> Any:
        """What the program's function returned."""
        return self._transcript.run.plain(self._ret_value)

    @ret_value.setter
    def ret_value(self, value: object) -> None:
        self._ret_value = value

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

    # Appending, with a typed value in return

    @overload
    def gen(
        self, name: str | None = None, *, type: type[T], n: int, **arguments: Unpack[GenArguments]
    ) -> Value[list[T]]: ...
    @overload
    def gen(self, name: str | None = None, *, n: int, **arguments: Unpack[GenArguments]) -> Value[list[str]]: ...
    @overload
    def gen(self, name: str | None = None, *, type: type[T], **arguments: Unpack[GenArguments]) -> Value[T]: ...
    @overload
    def gen(self, name: str | None = None, **arguments: Unpack[GenArguments]) -> Value[str]: ...
    @overload
    def gen(self, name: str | None = None, *, type: Any, **arguments: Unpack[GenArguments]) -> Value[Any]: ...
    def gen(
        self,
        name: str | None = None,
        *,
        type: Any = None,  # noqa: A002 - the word for it
        n: int | None = None,
        **arguments: Unpack[GenArguments],
    ) -> Value[Any]:
        """`s += gen(...)`, giving the value to come: `await value`, `value.get()`, or append it to any state.

        With a `type` the value is an instance of it; with `n`, also of 1, a list. Types that `type[T]` does not cover
        (unions, `Literal`, `Annotated`) are `Any` to a type checker.
        """
        self._transcript.append(gen_expression(name, n=n, type=type, **arguments))
        return Value(self._transcript, self._last_produced(), is_list=n is not None)

    def select(
        self,
        name: str | None = None,
        choices: Sequence[str] | None = None,
        temperature: float = 0.0,
        choices_method: ChoicesMethod | None = None,
    ) -> Value[str]:
        """`s += select(...)`, giving the value to come."""
        self._transcript.append(select_expression(name, choices, temperature, choices_method))
        return Value(self._transcript, self._last_produced())

    def score(self, name: str, text: str) -> Value[float]:
        """`s += score(...)`, giving the log-probability to come."""
        self._transcript.append(score_expression(name, text))
        return Value(self._transcript, self._last_produced())

    # Reading

    def __getitem__(self, name: str) -> Any:
        reference = self._transcript.reference(name)
        return self.get_var(name) if reference is None else reference

    def __setitem__(self, name: str, value: object) -> None:
        self.set_var(name, value)

    __iter__ = None
    """A state is no sequence, though it is read by `[]`."""

    def __format__(self, spec: str) -> str:
        raise StateError("a state stands in an f-string; append one of its values, s['name'], or s.text()")

    def __contains__(self, name: object) -> bool:
        return name in self._transcript.variables

    def get_var(self, name: str) -> Any:
        """The value of the variable; raises `VariableNotSet`, or `ProgramError` if what sets it failed."""
        return self._transcript.ready(name).value()

    async def get(self, name: str) -> Any:
        """`get_var` for an async program."""
        if self._transcript.run.is_tracing:
            return self[name]
        return (await self._transcript.ready_async(name)).value()

    async def get_meta(self, name: str) -> Any:
        """`get_meta_info` for an async program."""
        return (await self._transcript.ready_async(name)).meta_info(name)

    async def wait(self) -> None:
        """`sync` for an async program; then `text()` and `messages()` can be read."""
        await self._transcript.settle_async()

    async def hold(self, seconds: float) -> None:
        """Keep what is computed of this branch while the program does something else, such as to wait for a tool.

        For at most `seconds`, and no longer than until the next operation here; without it an idle branch's memory
        is given up when others need it, and computed again. Waits like `wait`.
        """
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= 0:
            raise InvalidArgument("hold", "a number of seconds >= 0", seconds)
        runner = self._transcript.runner
        await self._transcript.run.wait_async(lambda: runner.hold(seconds))

    def value(self, name: str) -> Value[Any]:
        """The variable that a gen, select or score sets, as a lazy value; raises `VariableNotSet`."""
        variable = self._transcript.variables.get(name)
        if not isinstance(variable, Produced):
            found = self._transcript.find(name, is_outside=False)
            raise InvalidArgument(name, "a variable that a gen, select or score sets", found)
        return Value(self._transcript, variable)

    async def stream(self, name: str) -> AsyncIterator[Any]:
        """Ever more complete values of the variable while it is generated: see `Value.stream`.

        Of a streaming run read along from outside, it waits until the program comes to set the variable.
        """
        variable = await self._transcript.declared(name)
        if not isinstance(variable, Produced):
            raise InvalidArgument(name, "a variable that a gen, select or score sets", variable.value())
        async for partial in Value[Any](self._transcript, variable).stream():
            yield partial

    async def tokens(self, name: str) -> AsyncIterator[int]:
        """The ids of the tokens of the variable, as the model writes them."""
        variable = await self._transcript.declared(name)
        if not isinstance(variable, Produced):
            raise InvalidArgument(name, "a variable that a gen sets", variable.value())
        async for token_id in Value[Any](self._transcript, variable).tokens():
            yield token_id

    async def events(self) -> AsyncIterator[Event]:
        """All that happens on this branch, from its begin: `palmette.lang.events`; ends as `text_iter` does."""
        reader = EventReader(self._transcript.run, self._transcript.runner)
        while (events := await self._transcript.run.wait_async(reader.next_events)) is not None:
            for event in events:
                yield event

    def set_var(self, name: str, value: object) -> None:
        """Set a variable; a later gen of that name replaces it."""
        self._transcript.check_open()
        self._transcript.declare(name, Given(value, self._transcript.run.plain))

    def get_meta_info(self, name: str) -> Any:
        """What is known of a value besides the value: a dict, or a list of dicts for several samples or branches.

        Of a gen: `id`, `finish_reason`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `seed`, and with
        `return_logprob` `output_token_logprobs` and the like as (logprob, token_id, text). Of a select: `choices`,
        `logprobs`, `probabilities`, `scores`, `normalized_prompt_logprobs`, `input_token_logprobs`.
        """
        return self._transcript.ready(name).meta_info(name)

    def text(self) -> str:
        """The whole text, chat template included; waits until all that was appended has run."""
        self._settle()
        return self._transcript.runner.text

    def messages(self) -> list[dict[str, str]]:
        """The finished turns as `{"role", "content"}`; waits like `text`."""
        self._settle()
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
        while (chunk := self._transcript.run.wait(reader.next_chunk, is_followed=True)) is not None:
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

    # Looking back

    def trace(self) -> "Record":
        """What ran so far, on all branches of the program: data to save, to replay, and to look at.

        `trace().save("run.html")` draws it as a page, `.save("run.jsonl")` keeps it for `palmette replay`.
        """
        from .traces.recording import record_run  # most programs are never looked back at

        run = self._transcript.run
        return record_run(
            run.program,
            run.backend,
            [(runner, tuple(runner.history)) for runner in run.runners],
            arguments=run.arguments,
            seed=run.seed,
            cache_salt=run.cache_salt,
            started_at=run.started_at,
        )

    def show(self, display: "Display | None" = None) -> None:
        """Show the text while it grows: in a notebook in one place, elsewhere on standard output; waits for the end.

        For a run with `stream=True`. Raises what the program raises.
        """
        from .traces.live_display import show_text  # as above

        show_text(self.text_iter(), display)

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the trace."""
        return self.trace()._repr_html_()

    # Branching

    def fork(
        self, size: int = 1, position_ids_offset: None = None, *, on_error: ForkErrorMode = "cancel"
    ) -> "StateGroup[ProgramState]":
        """Branches that begin with all of this text and its variables. Raises `InvalidArgument` unless `size` >= 1.

        They run at the same time as each other and as this one. `join` brings them back; as a context manager
        (`with`, or `async with`) the group joins at the end. `on_error`: a branch that fails cancels the others
        ("cancel"), or they go on, and what the failed one would have set is its error ("collect").
        `position_ids_offset` is refused: the positions of a branch follow from its text.
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
        if on_error not in ("cancel", "collect"):
            raise InvalidArgument("on_error", '"cancel" or "collect"', on_error)
        transcripts = self._transcript.fork(size, on_error)
        states = [ProgramState(each) for each in transcripts]
        return StateGroup(states, transcripts, self._transcript, on_error)

    @contextmanager
    def copy(self) -> Iterator["ProgramState"]:
        """A single branch, joined at the end: the variables set in it come back as lists of one."""
        with self.fork(1) as group:
            yield group[0]

    # For the rest of the language

    @property
    def branch_events(self) -> list[list[Event]]:
        """What happened on each branch of the program."""
        return [runner.events for runner in self._transcript.run.runners]

    @property
    def run_of_text(self) -> ProgramRun:
        """The run that text appended here belongs to."""
        return self._transcript.run

    @property
    def sampling_defaults(self) -> SamplingParams:
        """What a gen inherits."""
        return self._transcript.defaults

    def inline(self, body: Callable[["ProgramState"], Any], defaults: SamplingParams) -> Any:
        """Run the body of another program on this state, with its own sampling defaults."""
        with self._transcript.with_defaults(defaults):
            return body(self)

    async def inline_async(self, body: Callable[["ProgramState"], Awaitable[Any]], defaults: SamplingParams) -> Any:
        """`inline` for a body that awaits."""
        with self._transcript.with_defaults(defaults):
            return await body(self)

    def __repr__(self) -> str:
        transcript = self._transcript
        return f"<state {transcript.runner.label} of {transcript.run.program!r}: {len(transcript.log)} operations>"

    def _last_produced(self) -> Produced:
        produced = self._transcript.last_produced
        assert produced is not None, "an operation was just appended"
        return produced

    def _settle(self) -> None:
        run = self._transcript.run
        if not (run.over.is_set() or (not run.is_tracing and self._transcript.is_settled)):
            self._transcript.settle()
        else:
            self._transcript.check_settled()

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
