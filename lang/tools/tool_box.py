"""ToolBox: the tools of an agent, and how calls that a model asks for are allowed and run."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...grammar.spec import JsonSchema
from ..agents.agent_events import ToolCall
from ..errors import InvalidArgument
from ..running.own_thread import in_thread
from .tool_function import ToolFunction, check_seconds

Verdict = bool | str
Approve = Callable[[ToolCall], Verdict | Awaitable[Verdict]]
"""Asked before a call is made: True lets it run, False or a reason refuses it."""


@dataclass(frozen=True)
class Outcome:
    """What a call came to: what the tool returned, or `error` says why there is nothing."""

    value: object = None
    error: str | None = None


@dataclass(frozen=True)
class ToolBox:
    """Made by `of`."""

    tools: Sequence[ToolFunction[..., Any]]
    timeout: float | None
    """Seconds for a call of a tool that has no time-out of its own; None: as long as it takes."""
    approve: Approve | None

    @classmethod
    def of(cls, tools: object, timeout: float | None, approve: Approve | None) -> "ToolBox":
        """Check, and make tools of plain functions; raises `InvalidArgument`, `UnsupportedTool`."""
        if not isinstance(tools, Iterable):
            raise InvalidArgument("tools", "a list of functions", tools)
        functions = [each if isinstance(each, ToolFunction) else ToolFunction(each) for each in tools]
        for each in functions:
            each.check_bound()
        names = [each.name for each in functions]
        if not functions or len(set(names)) < len(names):
            raise InvalidArgument("tools", "at least one tool, with names that differ", names)
        check_seconds("tool_timeout", timeout)
        if approve is not None and not callable(approve):
            raise InvalidArgument("approve", "a function of a ToolCall", approve)
        return cls(functions, timeout, approve)

    @property
    def call_constraint(self) -> JsonSchema:
        """What a call may say: `{"name": ..., "arguments": {...}}` of one of the tools."""
        calls: list[Any] = []
        definitions: dict[str, Any] = {}
        for each in self.tools:
            parameters = _with_named_definitions(each.parameters, each.name)
            definitions.update(parameters.pop("$defs", {}))
            calls.append(
                {
                    "type": "object",
                    "properties": {"name": {"const": each.name}, "arguments": parameters},
                    "required": ["name", "arguments"],
                    "additionalProperties": False,
                }
            )
        schema = calls[0] if len(calls) == 1 else {"anyOf": calls}
        if definitions:
            schema = {**schema, "$defs": definitions}
        return JsonSchema(json.dumps(schema, ensure_ascii=False), whitespace="spaced")

    async def run(self, calls: Sequence[ToolCall], tell: Callable[[ToolCall, Outcome], None]) -> None:
        """Make the calls at the same time, once all of them were allowed or refused, one question after another.

        `tell` hears of the outcomes in the order of the calls, each as soon as it and those before it are there. What
        goes wrong in a tool is an outcome; what `approve` or `tell` raises is raised, and ends the other calls.
        """
        refusals = [await self._refusal(call) for call in calls]
        tasks = [
            asyncio.ensure_future(self._outcome(call, refusal)) for call, refusal in zip(calls, refusals, strict=True)
        ]
        try:
            for call, task in zip(calls, tasks, strict=True):
                tell(call, await task)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _refusal(self, call: ToolCall) -> str | None:
        if self.approve is None:
            return None
        approve = self.approve
        if inspect.iscoroutinefunction(approve):
            verdict: object = await approve(call)
        else:
            asked = await in_thread(lambda: approve(call), "approve")  # it may wait for somebody to press a key
            verdict = await asked if inspect.isawaitable(asked) else asked
        if verdict is True:
            return None
        if verdict is False:
            return "the user refused"
        if isinstance(verdict, str):
            return f"the user refused: {verdict}"
        raise InvalidArgument("approve", "True, False or a reason from the function", verdict)

    async def _outcome(self, call: ToolCall, refusal: str | None) -> Outcome:
        if refusal is not None:
            return Outcome(error=refusal)
        [tool] = [each for each in self.tools if each.name == call.name]
        try:
            return Outcome(await tool.acall_json(call.arguments, self.timeout))
        except Exception as error:  # noqa: BLE001 - the model reads it and may do better
            return Outcome(error=f"{type(error).__name__}: {error}")


def _with_named_definitions(schema: Any, prefix: str) -> Any:
    """A copy whose `$defs` bear the prefix, so that those of several schemas can lie side by side."""
    if isinstance(schema, list):
        return [_with_named_definitions(each, prefix) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copied = {name: _with_named_definitions(each, prefix) for name, each in schema.items()}
    if isinstance(copied.get("$ref"), str):
        copied["$ref"] = copied["$ref"].replace("#/$defs/", f"#/$defs/{prefix}.", 1)
    if isinstance(copied.get("$defs"), dict) and "type" in copied:
        copied["$defs"] = {f"{prefix}.{name}": each for name, each in copied["$defs"].items()}
    return copied
