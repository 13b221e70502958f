"""Function: a Python function that mixes text with model calls, made by `@function`."""

import functools
import inspect
import sys
import types
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, overload

import msgspec

from .arguments.run_options import RUN_OPTIONS, SAMPLING_OPTIONS, BatchErrorMode, RunOptions, split_keywords
from .call import Call
from .default_backend import DEFAULT_BACKEND
from .errors import InvalidArgument, NotTraceable, StateError
from .plan import Plan
from .plans.plan_cost import EnforcedBy, TokenLen, explain_plan
from .running.batch import Batch, BatchItem, NumThreads
from .running.own_loop import run_to_end, start_own_loop
from .running.program_run import CURRENT_RUN, ProgramRun
from .source_line import user_source_line
from .state import ProgramState
from .terms import DEFAULT_TERMS
from .tracer import trace, trace_body
from .transcript import Transcript

Body = Callable[..., Any]
Tracing = Literal["auto", "always", "never"]


@overload
def function(func: Body) -> "Function": ...
@overload
def function(
    func: None = None, num_api_spec_tokens: None = None, *, tracing: Tracing = "auto"
) -> "Callable[[Body], Function]": ...
def function(
    func: Body | None = None, num_api_spec_tokens: int | None = None, *, tracing: Tracing = "auto"
) -> "Function | Callable[[Body], Function]":
    """Make `func`, a `def` or an `async def` whose first parameter is the state (by whatever name), a program.

    `tracing` says when Python waits for a value it reads:

    - "auto": not where the value goes straight into text that is appended, `s += f"... {s['x']} ..."`; up to the first
      other read the program is one submission, which the engine runs without asking back.
    - "always": nowhere. `func` is called with references in place of values, and the whole is one plan. If Python
      decides on a value after all, `func` is called again and runs as under "auto"; so it must do nothing that may
      not be done twice. The results are the same.
    - "never": at every read.

    `num_api_spec_tokens` is refused: here no generation is guessed from text that may turn out otherwise.
    """
    if num_api_spec_tokens is not None:
        raise InvalidArgument(
            "num_api_spec_tokens",
            "nothing: this argument is not supported",
            num_api_spec_tokens,
            "leave it out; the calls of a program share their prefix without it",
        )
    if tracing not in ("auto", "always", "never"):
        raise InvalidArgument("tracing", '"auto", "always" or "never"', tracing)
    if func is None:
        return lambda func: Function(func, tracing=tracing)
    return Function(func, tracing=tracing)


class Function:
    """A program. Call it, or `run` it, with its own arguments (without the state) and run options by keyword.

    Run options are `backend`, `stream`, `seed`, `cache_salt`, the terms on which the run is served, and sampling
    defaults that its gens inherit: `max_new_tokens`, `temperature`, `stop`, `n` and the like. Where the program has a
    parameter of the same name the keyword is the program's; `bind` that parameter to make the keyword mean the option
    again.

    The terms: `priority` (an integer; the higher, the less it loses to others when memory is short, and under the
    engine's policy "priority" it also goes first), `tenant` (on whose account it runs: tenants that wait get equal
    shares), `queue_timeout_s` and `timeout_s` (seconds from when the backend first hears of the run, in which it must
    have begun, and have ended). They hold for the run as a whole, however often it waits in between; a program that it
    runs inside gets what is left of them, where it does not say otherwise.

    Each way to run it has a form to await: `run` and `arun`, `run_batch` and `arun_batch`. An async program runs on
    the event loop of whoever awaits it, under `run` on one of its own, and under `run_batch` on one that all programs
    share, where it must not block.
    """

    def __init__(
        self,
        func: Body,
        bound: Mapping[str, Any] | None = None,
        name: str | None = None,
        tracing: Tracing = "auto",
    ) -> None:
        _check_body(func)
        self._func = func
        self._tracing: Tracing = tracing
        self.is_async = inspect.iscoroutinefunction(func)
        """Its body awaits."""
        self._bound = dict(bound or {})
        self._signature = inspect.signature(func)
        _, *parameters = self._signature.parameters.values()
        variable_kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        self._names = [each.name for each in parameters if each.kind not in variable_kinds]
        self._takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
        functools.update_wrapper(self, func, updated=())
        self.name: str = getattr(func, "__name__", type(func).__name__) if name is None else name
        """As errors call it."""

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """What it is called with, without the state; bound ones left out."""
        _, *parameters = self._signature.parameters.values()
        return {each.name: each for each in parameters if each.name in self._names and each.name not in self._bound}

    # Running

    def run(self, *args: Any, **kwargs: Any) -> ProgramState:
        """Run the program and return its state, its values ready to read.

        With `stream=True` it returns at once, and the state can be read along (`text_iter`, `text_async_iter`).
        Raises `ProgramError` if an operation failed, whether its value was read or not: `ProgramTimeout` where its
        `queue_timeout_s` or `timeout_s` has passed, `ProgramRefused` where the engine's queue is full. What the
        function itself raises passes unchanged. Either way its memory is free again.
        """
        arguments, options = self._prepare(args, kwargs)
        if not self.is_async:
            return self._start(arguments, options)
        run, state = self._traced_run(arguments, options)
        if options.stream:
            start_own_loop(lambda: _kept_by(self._execute_async(run, state, arguments), run))
        else:
            run_to_end(lambda: self._execute_async(run, state, arguments), run.cancel)
        return state

    async def arun(self, *args: Any, **kwargs: Any) -> ProgramState:
        """`run`, awaited. To cancel the task cancels the program: the engine stops and its memory is free again.

        The body of a program that is no `async def` runs in a thread of its own meanwhile.
        """
        arguments, options = self._prepare(args, kwargs)
        if not self.is_async:
            return await self._start_in_thread(arguments, options)
        run, state = self._traced_run(arguments, options)
        running = self._execute_async(run, state, arguments)
        if options.stream:
            run.keep(_kept_by(running, run))
        else:
            await running
        return state

    def run_batch(
        self,
        batch_kwargs: Iterable[Mapping[str, Any] | tuple[Any, ...] | list[Any]],
        *,
        num_threads: NumThreads = "auto",
        progress_bar: bool = False,
        generator_style: bool = False,
        on_error: BatchErrorMode = "raise",
        **options: Any,
    ) -> Any:
        """Run the program once for each item (a dict of arguments, or a tuple of them); the states in order.

        A list, or with `generator_style` a generator that yields each state once it and those before it are there.
        With `on_error="raise"` the first failure cancels the rest and is raised, naming its item; with "return"
        exceptions stand in place of states. With a `seed` item i runs with `seed + i`. The terms are those of each
        item: its time runs from when the backend first hears of it.

        `num_threads` bounds the bodies that run at the same time, each in a thread; a body that has ended needs none
        while the engine goes on with what it appended, and those of an async program need none at all, so thousands of
        programs can be in flight. What the items have in common is computed once, as the engine sees it come.
        """
        batch = self._batch(batch_kwargs, num_threads, progress_bar, on_error, options)
        return batch.results() if generator_style else list(batch.results())

    async def arun_batch(
        self,
        batch_kwargs: Iterable[Mapping[str, Any] | tuple[Any, ...] | list[Any]],
        *,
        num_threads: NumThreads = "auto",
        progress_bar: bool = False,
        on_error: BatchErrorMode = "raise",
        **options: Any,
    ) -> list[Any]:
        """`run_batch`, awaited; always a list. To cancel the task cancels all that is in flight."""
        return await self._batch(batch_kwargs, num_threads, progress_bar, on_error, options).gathered()

    # Looking at it before it runs

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The program as data, without running it: `str` draws it, `to_json` writes it.

        The function is called, with references in place of all values and of arguments that are not given and have
        no default. Raises `NotTraceable`, naming the line, where Python decides on one of them, and whatever else the
        function raises.
        """
        return trace(self, self._tracing_arguments(args, kwargs), self._options_of(kwargs)).plan

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """What the program will ask of the engine: its tree, with constraints, token counts where they are known,
        what branches share, and the most tokens and forward passes it can take; or why it cannot be told in advance.

        With an engine (`backend=`, or the default one where it is loaded) also what enforces each constraint, and why.
        """
        try:
            plan = self.plan(*args, **kwargs)
        except NotTraceable as error:
            return f"{self.name}: runs eagerly, since a plan cannot say it whole: {error}"
        backend = self._options_of(kwargs).backend or DEFAULT_BACKEND.current
        # A backend need know neither; it is asked for what it has.
        token_len: TokenLen | None = getattr(backend, "token_len", None)
        enforced_by: EnforcedBy | None = getattr(backend, "enforced_by", None)
        return explain_plan(plan, token_len, enforced_by)

    def bind(self, **kwargs: Any) -> "Function":
        """This program with some of its arguments given. Raises `InvalidArgument` on a name it does not have."""
        for name in kwargs:
            if name not in self._names and not self._takes_any:
                raise InvalidArgument("bind", f"parameters of {self.name!r} ({', '.join(self._names)})", name)
        return Function(self._func, {**self._bound, **kwargs}, self.name, self._tracing)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`run`; inside another program, a lazy `Call`; with a state first, the body right there, on that state."""
        if args and isinstance(args[0], ProgramState):
            return self.inline(args[0], args[1:], kwargs)
        _, keywords = self._split(kwargs)
        if CURRENT_RUN.get() is None or "stream" in keywords or "backend" in keywords:
            return self.run(*args, **kwargs)
        return Call(self, args, kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> "Function":
        """As a method: `self` comes before the state."""
        if instance is None:
            return self
        return Function(types.MethodType(self._func, instance), self._bound, self.name, self._tracing)

    def __repr__(self) -> str:
        return f"<program {self.name}({', '.join(self._names)})>"

    def new_state(self, run: ProgramRun, options: RunOptions) -> ProgramState:
        """The state that the body of `run` is to append to."""
        return ProgramState(Transcript(run, run.root, options.sampling_params))

    def call_body(self, arguments: inspect.BoundArguments, state: ProgramState) -> Any:
        """Call the function itself."""
        _, *positional = arguments.args
        return self._func(state, *positional, **arguments.kwargs)

    def check_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise `TypeError` for arguments that the program does not take."""
        arguments, _ = self._split(kwargs)
        self._bind_arguments(args, arguments)

    def inline(self, state: ProgramState, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the body on the state of another program; of an async program, what to await."""
        arguments, keywords = self._split(kwargs)
        for name in keywords:
            if name not in SAMPLING_OPTIONS:
                raise InvalidArgument(
                    name, f"nothing where {self.name!r} runs on the state of another program", keywords[name]
                )
        defaults = msgspec.structs.replace(state.sampling_defaults, **RunOptions.of(keywords).sampling)
        body = functools.partial(self.call_body, self._bind_arguments(args, arguments))
        if self.is_async:
            return state.inline_async(body, defaults)
        try:
            return state.inline(body, defaults)
        except RecursionError as error:
            raise StateError(
                f"Python's recursion limit of {sys.getrecursionlimit()} calls was reached in {self.name!r}, which runs "
                "inside other programs; use a loop in one program, or raise the limit (sys.setrecursionlimit)"
            ) from error

    # Inside

    def _prepare(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[inspect.BoundArguments, RunOptions]:
        arguments, keywords = self._split(kwargs)
        options = RunOptions.of(keywords)
        return self._bind_arguments(args, arguments), options

    def _new_run(self, arguments: inspect.BoundArguments, options: RunOptions) -> tuple[ProgramRun, ProgramState]:
        outer = CURRENT_RUN.get()
        if outer is not None and outer.is_tracing:
            outer.references.refuse(f"{self.name!r} runs by itself", "what another program gives", user_source_line())
        backend = options.backend or (DEFAULT_BACKEND.get() if outer is None else outer.backend)
        run = ProgramRun(
            self.name,
            backend,
            seed=options.seed,
            cache_salt=options.cache_salt,
            terms=options.terms_within(DEFAULT_TERMS if outer is None else outer.terms_left),
            is_streaming=options.stream,
            is_async=self.is_async,
            defers_reads=self._tracing != "never",
        )
        _, *given = arguments.arguments.items()
        run.arguments = dict(given)
        return run, self.new_state(run, options)

    def _traced_run(self, arguments: inspect.BoundArguments, options: RunOptions) -> tuple[ProgramRun, ProgramState]:
        """A run and its state; under "always" the function has been called for them, if that could be traced."""
        run, state = self._new_run(arguments, options)
        if self._tracing == "always" and not options.stream:
            try:
                trace_body(run, state, lambda: self.call_body(arguments, state))
            except Exception:  # noqa: BLE001 - it runs eagerly, where the same may be no error, or is raised again
                return self._new_run(arguments, options)
        return run, state

    def _batch(
        self,
        batch_kwargs: Iterable[Mapping[str, Any] | tuple[Any, ...] | list[Any]],
        num_threads: NumThreads,
        progress_bar: bool,
        on_error: BatchErrorMode,
        options: Mapping[str, Any],
    ) -> Batch[ProgramState]:
        arguments = [self._item_arguments(index, item) for index, item in enumerate(batch_kwargs)]
        unknown, keywords = split_keywords(options, (), False, f"{self.name}.run_batch")
        assert not unknown
        if "stream" in keywords:
            raise InvalidArgument("stream", "nothing in run_batch", keywords["stream"], "use generator_style=True")
        base = RunOptions.of(keywords)

        def item(index: int) -> BatchItem[ProgramState]:
            options = base.for_item(index)
            run, state = self._traced_run(arguments[index], options)
            if self.is_async:
                return BatchItem(run, state, None, lambda: self._execute_async(run, state, arguments[index]))
            body = functools.partial(self._call, run, state, arguments[index])
            return BatchItem(run, state, lambda: run.run_body(body), run.finish_or_abort)

        return Batch(len(arguments), item, num_threads=num_threads, on_error=on_error, has_progress_bar=progress_bar)

    def _start(self, arguments: inspect.BoundArguments, options: RunOptions) -> ProgramState:
        run, state = self._traced_run(arguments, options)
        body = functools.partial(self._call, run, state, arguments)
        run.start(body) if options.stream else run.execute(body)
        return state

    async def _start_in_thread(self, arguments: inspect.BoundArguments, options: RunOptions) -> ProgramState:
        run, state = self._traced_run(arguments, options)
        body = functools.partial(self._call, run, state, arguments)
        if options.stream:
            run.start(body)
        else:
            await run.execute_in_thread(body)
        return state

    def _call(self, run: ProgramRun, state: ProgramState, arguments: inspect.BoundArguments) -> None:
        if not run.is_traced:
            state.ret_value = self.call_body(arguments, state)

    async def _execute_async(
        self, run: ProgramRun, state: ProgramState, arguments: inspect.BoundArguments
    ) -> ProgramState:
        async def body() -> None:
            if not run.is_traced:
                state.ret_value = await self.call_body(arguments, state)

        await run.execute_async(body)
        return state

    def _tracing_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        arguments, _ = self._split(kwargs)
        try:
            return self._signature.bind_partial(None, *args, **{**self._bound, **arguments})
        except TypeError as error:
            raise TypeError(f"{self.name}(): {error}; expected ({', '.join(self._names)})") from None

    def _options_of(self, kwargs: Mapping[str, Any]) -> RunOptions:
        return RunOptions.of(self._split(kwargs)[1])

    def _bind_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        try:
            return self._signature.bind(None, *args, **{**self._bound, **kwargs})
        except TypeError as error:
            raise TypeError(f"{self.name}(): {error}; expected ({', '.join(self._names)})") from None

    def _item_arguments(self, index: int, item: object) -> inspect.BoundArguments:
        try:
            if isinstance(item, Mapping):
                return self._bind_arguments((), item)
            if isinstance(item, tuple | list):
                return self._bind_arguments(tuple(item), {})
        except TypeError as error:
            error.add_note(f"in item {index} of the batch")
            raise
        raise InvalidArgument(f"batch_kwargs[{index}]", "a dict of arguments, or a tuple or list of them", item)

    def _split(self, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        free = [name for name in self._names if not (name in self._bound and name in RUN_OPTIONS)]
        return split_keywords(kwargs, free, self._takes_any, self.name)


async def _kept_by(running: Awaitable[object], run: ProgramRun) -> None:
    """Await a streaming body; who reads the run gets what it raises."""
    try:
        await running
    except BaseException:  # noqa: BLE001
        assert run.error is not None, "the run keeps the error, and each read raises it"


def _check_body(func: object) -> None:
    if not callable(func) or isinstance(func, type | Function):
        raise InvalidArgument("function", "a function", func)
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise InvalidArgument("function", "a `def` or an `async def` that does not yield", func)
    first = next(iter(inspect.signature(func).parameters.values()), None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise InvalidArgument("function", "a function whose first parameter is the state, such as def f(s)", func)
