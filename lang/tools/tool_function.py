"""@tool: a Python function -> a schema that a model can read, and calls from JSON that are checked."""

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from ...grammar.types.type_errors import TypeMismatch
from ...grammar.types.value_type import object_schema
from ..errors import InvalidArgument, UnsupportedTool
from ..ir import Tool
from ..running.own_thread import in_thread
from .docstring import parse_docstring
from .signature import ToolSignature

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


class ToolFunction(Generic[P, R]):
    """A function that a model may call; to Python it stays the function, or the method."""

    __name__: str

    def __init__(
        self,
        func: Callable[P, R],
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
    ) -> None:
        check_seconds("timeout", timeout)
        self._wrapper: object = type(func) if isinstance(func, staticmethod | classmethod) else None
        self._func: Callable[P, R] = func.__func__ if isinstance(func, staticmethod | classmethod) else func
        signature = ToolSignature.of(self._func, name)
        self._given = (name, description)
        self.name = signature.name
        docstring = parse_docstring(signature.documentation)
        self.description = docstring.summary if description is None else description
        self.timeout = timeout
        """Seconds that a call by a model may take; None: as the agent says."""
        self.is_async = signature.is_async
        """It is an `async def`."""
        self._types = signature.types
        self._required = signature.required
        self._has_receiver = signature.has_receiver and self._wrapper is not staticmethod
        self.parameters = object_schema(self._types, required=signature.required, descriptions=docstring.arguments)
        """JSON Schema of the arguments."""
        functools.update_wrapper(self, self._func, updated=())

    @property
    def tool(self) -> Tool:
        """The declaration that goes to the chat template."""
        return Tool(self.name, self.description, json.dumps(self.parameters, ensure_ascii=False))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._func(*args, **kwargs)

    def call_json(self, arguments: Mapping[str, object] | str) -> R:
        """Call with JSON arguments (an object, or its text), checked and converted; raises `InvalidArgument`.

        Of an `async def` this gives the coroutine, as calling it does.
        """
        self.check_bound()
        call: Callable[..., R] = self._func
        return call(**self._converted(arguments))

    async def acall_json(self, arguments: Mapping[str, object] | str, timeout: float | None = None) -> Any:
        """`call_json` for a caller on an event loop: an `async def` is awaited, another function runs in a thread.

        Raises `TimeoutError` after the tool's own `timeout`, or else the given one, in seconds. An `async def` is
        cancelled then. A thread cannot be: it is left behind, goes on until the function returns, and what it returns
        or raises is dropped; give blocking calls inside such a function time-outs of their own.
        """
        self.check_bound()
        call: Callable[..., Any] = self._func
        keywords = self._converted(arguments)
        seconds = self.timeout if self.timeout is not None else timeout
        try:
            async with asyncio.timeout(seconds) as limit:
                if not self.is_async:
                    outcome = await in_thread(functools.partial(call, **keywords), self.name)
                else:
                    outcome = call(**keywords)
                # A plain function may return an awaitable: a decorator around an `async def` does.
                return await outcome if inspect.isawaitable(outcome) else outcome
        except TimeoutError as error:
            if not limit.expired():
                raise  # the function's own
            raise TimeoutError(f"{self.name} gave no result within {seconds:g} s") from error

    def check_bound(self) -> None:
        """Raise `UnsupportedTool` if this is a method that was not taken from an object."""
        if self._has_receiver:
            raise UnsupportedTool(self.name, None, "it is a method of no object", f"an object's: thing.{self.__name__}")

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: "ToolFunction[Concatenate[S, P], R]", instance: S, owner: type | None = None
    ) -> "ToolFunction[P, R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method: the tool of the object it is taken from."""
        receiver = owner if self._wrapper is classmethod else instance
        if not self._has_receiver or receiver is None:
            return self
        bound = self._func.__get__(receiver)
        return ToolFunction(bound, *self._given, self.timeout)

    def __repr__(self) -> str:
        return f"<tool {self.name}({', '.join(self._types)})>"

    def _converted(self, arguments: Mapping[str, object] | str) -> dict[str, Any]:
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError as error:
                raise InvalidArgument(self.name, "arguments as JSON text", arguments, str(error)) from error
        if not isinstance(arguments, Mapping):
            raise InvalidArgument(self.name, "a JSON object of arguments", arguments)
        missing = [name for name in self._required if name not in arguments]
        unknown = [name for name in arguments if name not in self._types]
        if missing or unknown:
            wrong = f"missing {missing}" if missing else f"unknown {unknown}"
            raise InvalidArgument(self.name, f"the arguments {list(self._types)}", dict(arguments), wrong)
        return {name: self._argument(name, value) for name, value in arguments.items()}

    def _argument(self, name: str, value: object) -> Any:
        try:
            return self._types[name].convert(value)
        except TypeMismatch as error:
            raise InvalidArgument(name + error.path.removeprefix("$"), error.expected, error.got) from error


@overload
def tool(func: Callable[P, R]) -> ToolFunction[P, R]: ...
@overload
def tool(
    func: None = None, *, name: str | None = None, description: str | None = None, timeout: float | None = None
) -> Callable[[Callable[P, R]], ToolFunction[P, R]]: ...
def tool(
    func: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
) -> Any:
    """Make `func` a tool: its parameters' annotations become a schema, its docstring the descriptions.

    `func` is a function or an `async def`, a method (decorated in its class, or taken from an object), a
    `functools.partial`, whose filled-in parameters the model does not see, or an object with `__call__`. The
    docstring's first paragraph describes the tool; its parameters are described in Google's, NumPy's or reST's style.
    Parameters with a default may be left out by the model. `timeout`: seconds that an agent waits for a call.

    Raises `UnsupportedTool` for what no schema can say: `*args`, `**kwargs`, positional-only or unannotated
    parameters, types that JSON has no form for.
    """
    if func is None:
        return lambda func: ToolFunction(func, name, description, timeout)
    return ToolFunction(func, name, description, timeout)


def check_seconds(name: str, seconds: object) -> None:
    """Raise `InvalidArgument` unless it is a time-out: a number above 0, or None."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
    if seconds is not None and not is_number:
        raise InvalidArgument(name, "a number of seconds > 0, or None", seconds)
