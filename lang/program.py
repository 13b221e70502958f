"""Function: a Python function that mixes text with model calls, made by `@function`; and its calls."""

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, overload

import msgspec

from .batch import Batch, NumThreads
from .default_backend import DEFAULT_BACKEND
from .errors import InvalidArgument, StateError
from .program_run import CURRENT_RUN, ProgramRun
from .run_options import RUN_OPTIONS, SAMPLING_OPTIONS, BatchErrorMode, RunOptions, split_keywords
from .state import ProgramState
from .transcript import Appendable, Transcript

Body = Callable[..., Any]


@overload
def function(func: Body) -> "Function": ...
@overload
def function(func: None = None, num_api_spec_tokens: None = None) -> "Callable[[Body], Function]": ...
def function(
    func: Body | None = None, num_api_spec_tokens: int | None = None
) -> "Function | Callable[[Body], Function]":
    """Make `func`, whose first parameter is the state (by whatever name), a program.

    `num_api_spec_tokens` is refused: here no generation is guessed from text that may turn out otherwise.
    """
    if num_api_spec_tokens is not None:
        raise InvalidArgument(
            "num_api_spec_tokens",
            "nothing: this argument is not supported",
            num_api_spec_tokens,
            "leave it out; the calls of a program share their prefix without it",
        )
    return Function if func is None else Function(func)


class Function:
    """A program. Call it, or `run` it, with its own arguments (without the state) and run options by keyword.

    Run options are `backend`, `stream`, `seed`, `cache_salt`, and sampling defaults that its gens inherit:
    `max_new_tokens`, `temperature`, `stop`, `n` and the like. Where the program has a parameter of the same name the
    keyword is the program's; `bind` that parameter to make the keyword mean the option again.
    """

    def __init__(self, func: Body, bound: Mapping[str, Any] | None = None, name: str | None = None) -> None:
        _check_body(func)
        self._func = func
        self._bound = dict(bound or {})
        self._signature = inspect.signature(func)
        _, *parameters = self._signature.parameters.values()
        variable_kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        self._names = [each.name for each in parameters if each.kind not in variable_kinds]
        self._takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
        functools.update_wrapper(self, func, updated=())
        self.name: str = getattr(func, "__name__", type(func).__name__) if name is None else name
        """As errors call it."""

    def run(self, *args: Any, **kwargs: Any) -> ProgramState:
        """Run the program and return its state, its values ready to read.

        With `stream=True` it returns at once, and the state can be read along (`text_iter`, `text_async_iter`).
        Raises `ProgramError` if an operation failed, whether its value was read or not; what the function itself
        raises passes unchanged.
        """
        arguments, keywords = self._split(kwargs)
        options = RunOptions.of(keywords)
        return self._start(self._bind_arguments(args, arguments), options, None)

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
        exceptions stand in place of states. With a `seed` item i runs with `seed + i`.
        """
        arguments = [self._item_arguments(index, item) for index, item in enumerate(batch_kwargs)]
        unknown, keywords = split_keywords(options, (), False, f"{self.name}.run_batch")
        assert not unknown
        if "stream" in keywords:
            raise InvalidArgument("stream", "nothing in run_batch", keywords["stream"], "use generator_style=True")
        base = RunOptions.of(keywords)

        def run_item(index: int, watch: Callable[[ProgramRun], None]) -> ProgramState:
            return self._start(arguments[index], base.for_item(index), watch)

        batch = Batch(
            len(arguments), run_item, num_threads=num_threads, on_error=on_error, has_progress_bar=progress_bar
        )
        return batch.results() if generator_style else list(batch.results())

    def bind(self, **kwargs: Any) -> "Function":
        """This program with some of its arguments given. Raises `InvalidArgument` on a name it does not have."""
        for name in kwargs:
            if name not in self._names and not self._takes_any:
                raise InvalidArgument("bind", f"parameters of {self.name!r} ({', '.join(self._names)})", name)
        return Function(self._func, {**self._bound, **kwargs}, self.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`run`; inside another program, a lazy `Call`; with a state first, the body right there, on that state."""
        if args and isinstance(args[0], ProgramState):
            return self._inline(args[0], args[1:], kwargs)
        _, keywords = self._split(kwargs)
        if CURRENT_RUN.get() is None or "stream" in keywords or "backend" in keywords:
            return self.run(*args, **kwargs)
        return Call(self, args, kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> "Function":
        """As a method: `self` comes before the state."""
        return self if instance is None else Function(types.MethodType(self._func, instance), self._bound, self.name)

    def __repr__(self) -> str:
        return f"<program {self.name}({', '.join(self._names)})>"

    def _start(
        self, arguments: inspect.BoundArguments, options: RunOptions, watch: Callable[[ProgramRun], None] | None
    ) -> ProgramState:
        outer = CURRENT_RUN.get()
        backend = options.backend or (DEFAULT_BACKEND.get() if outer is None else outer.backend)
        run = ProgramRun(
            self.name, backend, seed=options.seed, cache_salt=options.cache_salt, is_streaming=options.stream
        )
        state = ProgramState(Transcript(run, run.root, options.sampling_params))
        if watch is not None:
            watch(run)

        def body() -> None:
            state.ret_value = self._body(arguments, state)

        if options.stream:
            run.start(body)
        else:
            run.execute(body)
        return state

    def _body(self, arguments: inspect.BoundArguments, state: ProgramState) -> Any:
        _, *positional = arguments.args
        return self._func(state, *positional, **arguments.kwargs)

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

    def _inline(self, state: ProgramState, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        arguments, keywords = self._split(kwargs)
        for name in keywords:
            if name not in SAMPLING_OPTIONS:
                raise InvalidArgument(
                    name, f"nothing where {self.name!r} runs on the state of another program", keywords[name]
                )
        defaults = msgspec.structs.replace(state.sampling_defaults, **RunOptions.of(keywords).sampling)
        try:
            return state.inline(functools.partial(self._body, self._bind_arguments(args, arguments)), defaults)
        except RecursionError as error:
            raise StateError(
                f"Python's recursion limit of {sys.getrecursionlimit()} calls was reached in {self.name!r}, which runs "
                "inside other programs; use a loop in one program, or raise the limit (sys.setrecursionlimit)"
            ) from error


class Call(Appendable):
    """A program called inside another: a lazy value.

    Appended (`s += other(...)`), its body runs on the state there, with that state's sampling defaults under its
    own. Read (`other(...)["x"]`), it runs once, on a branch of its own, and is read like its state. One call is for
    one of the two.
    """

    def __init__(self, program: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._program = program
        self._args = args
        self._kwargs = kwargs
        self._state: ProgramState | None = None
        arguments, _ = program._split(kwargs)
        program._bind_arguments(args, arguments)  # wrong arguments raise here, at the call

    @property
    def state(self) -> ProgramState:
        """The state of the call's own run; runs it if it has not run."""
        if self._state is None:
            self._state = self._program.run(*self._args, **self._kwargs)
        return self._state

    def append_to(self, transcript: Transcript) -> None:
        """Run the body on the state that `transcript` records."""
        if self._state is not None:
            raise InvalidArgument(
                "s +=",
                "a call that has not run",
                self,
                "it was read before, so append one of its values, or call again",
            )
        self._program._inline(ProgramState(transcript), self._args, self._kwargs)

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

    def __repr__(self) -> str:
        return f"<call of {self._program!r}>"


def _check_body(func: object) -> None:
    if not callable(func) or isinstance(func, type | Function):
        raise InvalidArgument("function", "a function", func)
    if inspect.iscoroutinefunction(func) or inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise InvalidArgument("function", "a plain `def`, that neither awaits nor yields", func)
    first = next(iter(inspect.signature(func).parameters.values()), None)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise InvalidArgument("function", "a function whose first parameter is the state, such as def f(s)", func)
