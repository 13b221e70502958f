"""The agent loop: the model calls tools, reads what they give back, and answers."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..grammar.spec import JsonSchema
from .agent_step import AgentStep
from .errors import AgentError, InvalidArgument
from .expressions import GenExpression
from .primitives import system as system_turn
from .primitives import user
from .program import Function
from .sampling_arguments import set_fields
from .state import ProgramState
from .tools import ToolFunction

_CALL_BEGIN, _CALL_END = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class AgentResult:
    """The answer, and how it came about."""

    answer: str
    steps: tuple[AgentStep, ...]
    state: ProgramState

    @property
    def messages(self) -> list[dict[str, str]]:
        """All turns of the chat, those of the tools included."""
        return self.state.messages()


class Agent:
    """Tools and a step limit; made by `agent`. It keeps nothing between questions.

    The loop is an ordinary program, in the form that Hermes and Qwen models are trained on:

        user turn -> assistant turn: text, then <tool_call> ... </tool_call>, any number -> tool turns -> assistant ...
                                     text alone: the answer

    What is inside a `<tool_call>` is constrained to a call of one of the tools, so it always parses and validates.
    """

    def __init__(
        self, tools: Sequence[ToolFunction[..., Any]], system: str | None, max_steps: int, max_tokens: int | None
    ) -> None:
        self._tools = {each.name: each for each in tools}
        self._system = system
        self._max_steps = max_steps
        self._sampling = set_fields({"max_tokens": max_tokens})
        self._call = JsonSchema(json.dumps(_call_schema(tools), ensure_ascii=False), whitespace="spaced")

    def run(self, question: str, **options: Any) -> AgentResult:
        """Answer `question` in a chat of its own; `options` are those of a program's `run`, temperature 0 by default.

        Raises `AgentError` when the step limit is reached, `ProgramError` when the model fails.
        """
        if options.get("stream"):
            raise InvalidArgument("stream", "nothing in an agent's run", True, "use solve in a program that streams")
        program = Function(self.solve, name="agent")
        result = program.run(question, **{"temperature": 0.0, **options}).ret_value
        assert isinstance(result, AgentResult)
        return result

    def solve(self, s: ProgramState, question: str) -> AgentResult:
        """Answer `question` within a program: on a state without turns, or one where this agent answered before.

        Sets the variable "answer"; "thought" and "tool_call" are those of the last turn. Raises as `run` does.
        """
        s.declare_tools([each.tool for each in self._tools.values()])
        if self._system is not None and not s.has_turns:
            s += system_turn(self._system)
        s += user(question)
        steps: list[AgentStep] = []
        while True:
            calls, answer = self._assistant_turn(s, steps)
            if not calls:
                s.set_var("answer", answer)
                return AgentResult(answer, tuple(steps), s)
            for thought, name, arguments in calls:
                step = self._step(thought, name, arguments)
                steps.append(step)
                s.tool(_observation(step, steps))

    def _assistant_turn(
        self, s: ProgramState, steps: Sequence[AgentStep]
    ) -> tuple[list[tuple[str, str, dict[str, object]]], str]:
        """One turn of the model: its calls as (thought, name, arguments), and the text after the last of them."""
        calls: list[tuple[str, str, dict[str, object]]] = []
        with s.assistant():
            while True:
                s += GenExpression("thought", {**self._sampling, "stop": (_CALL_BEGIN,)}, None)
                thought = s["thought"].strip()
                if s.get_meta_info("thought")["finish_reason"]["matched"] != _CALL_BEGIN:
                    return calls, thought
                if len(steps) + len(calls) >= self._max_steps:
                    raise AgentError(
                        f"no answer within max_steps={self._max_steps} calls of tools; the model asks for another. "
                        "Raise max_steps, or look at .steps for what it keeps trying",
                        steps,
                    )
                s.append_markup(f"{_CALL_BEGIN}\n")
                s += GenExpression("tool_call", self._sampling, self._call)
                name, arguments = _parsed(s, steps)
                s.append_markup(f"\n{_CALL_END}")
                calls.append((thought, name, arguments))

    def _step(self, thought: str, name: str, arguments: dict[str, object]) -> AgentStep:
        try:
            result = self._tools[name].call_json(arguments)
        except Exception as error:  # noqa: BLE001 - the model reads it and may do better
            return AgentStep(thought, name, arguments, error=f"{type(error).__name__}: {error}")
        return AgentStep(thought, name, arguments, result)


def agent(
    tools: Sequence[ToolFunction[..., Any] | Callable[..., Any]],
    *,
    system: str | None = None,
    max_steps: int = 8,
    max_tokens: int | None = None,
) -> Agent:
    """An agent with these tools (functions made by `@tool`, or plain ones that could be).

    `max_steps`: calls of tools before it must answer; `max_tokens`: of each text and each call that the model
    writes, by default the run's. Raises `InvalidArgument`, and `UnsupportedTool` for a function that cannot be one.
    """
    if not isinstance(tools, Iterable):
        raise InvalidArgument("tools", "a list of functions", tools)
    functions = [each if isinstance(each, ToolFunction) else ToolFunction(each) for each in tools]
    names = [each.name for each in functions]
    if not functions or len(set(names)) < len(names):
        raise InvalidArgument("tools", "at least one tool, with names that differ", names)
    if not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1:
        raise InvalidArgument("max_steps", "an integer >= 1", max_steps)
    return Agent(functions, system, max_steps, max_tokens)


def _call_schema(tools: Sequence[ToolFunction[..., Any]]) -> dict[str, object]:
    calls: list[dict[str, object]] = [
        {
            "type": "object",
            "properties": {"name": {"const": each.name}, "arguments": each.parameters},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for each in tools
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _parsed(s: ProgramState, steps: Sequence[AgentStep]) -> tuple[str, dict[str, object]]:
    if s.get_meta_info("tool_call")["finish_reason"]["type"] == "length":
        raise AgentError(f"a call did not end within max_tokens: {s['tool_call']!r}; raise max_tokens", steps)
    call = json.loads(s["tool_call"])
    return call["name"], call["arguments"]


def _observation(step: AgentStep, steps: Sequence[AgentStep]) -> str:
    """What the model reads of a step: a text as it is, all else as JSON."""
    if step.error is not None:
        return json.dumps({"error": step.error}, ensure_ascii=False)
    if isinstance(step.result, str):
        return step.result
    try:
        return json.dumps(step.result, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise AgentError(f"tool {step.name!r} returned {step.result!r}, which is not JSON: {error}", steps) from error
