"""AgentLoop: one question being answered on a state; the coroutine behind every face of an agent."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...grammar.spec import JsonSchema
from ...grammar.types.type_errors import TypeMismatch
from ..agent_step import AgentStep
from ..errors import AgentError
from ..expressions import GenExpression
from ..state import ProgramState
from ..tools.tool_box import Outcome, ToolBox
from ..tools.tool_result import json_value
from .agent_events import AgentEvent, Answer, Thought, ToolCall, ToolResult
from .answer import AnswerType
from .history import CALL_BEGIN, CALL_END, AgentHistory, Turn, WrittenCall

_HOLD_S = 60.0
"""How long the chat's memory is kept for a tool; one that takes longer has it computed again, if others needed it."""

_CUT = {"thought": "a text of the model", "tool_call": "a call of a tool", "answer": "the answer"}

Written = tuple[str, int | str | None]
"""A text of the model, and the stop that ended it."""


@dataclass(frozen=True)
class AgentSettings:
    """What `agent` was given, checked."""

    toolbox: ToolBox
    system: str | None
    max_steps: int
    max_tokens: int | None
    answer_type: AnswerType | None
    """None: the answer is the model's text."""
    must_call: bool = False
    """Whether the first turn begins with a call."""
    is_parallel: bool = True
    """Whether one turn may ask for several calls."""


class AgentLoop:
    """The chat takes the form that Hermes and Qwen models are trained on:

        user turn -> assistant turn: text, then <tool_call> ... </tool_call>, any number -> tool turns -> assistant ...
                                     text alone: the answer

    What is inside a `<tool_call>` is constrained to a call of one of the tools, so it always parses and validates.
    """

    def __init__(
        self,
        settings: AgentSettings,
        state: ProgramState,
        history: AgentHistory,
        emit: Callable[[AgentEvent[Any]], None],
    ) -> None:
        """`emit` hears of what happens, in order."""
        self._settings = settings
        self._state = state
        self._emit = emit
        self._turns = list(history.turns)
        self._num_calls = history.num_calls
        self._thoughts: dict[str, str] = {}
        """By the id of the call they led to."""
        self.steps: list[AgentStep] = []
        self.num_tokens = 0
        """Written by the model for this question."""

    @property
    def history(self) -> AgentHistory:
        """The turns so far: those that were given, and those of this question."""
        return AgentHistory(tuple(self._turns))

    async def answer(self, question: str) -> Any:
        """Answer; sets the variable "answer". Raises `AgentError`, `ProgramError`."""
        self._begin(question)
        calls, text = await self._assistant_turn()
        while calls:
            await self._run_tools(calls)
            calls, text = await self._assistant_turn()
        answer: Any = text
        if self._settings.answer_type is not None:
            self._think(text)
            answer = await self._typed_answer(self._settings.answer_type)
        self._state.set_var("answer", answer)
        self._emit(Answer(answer))
        return answer

    def _begin(self, question: str) -> None:
        state, system = self._state, self._settings.system
        state.declare_tools([each.tool for each in self._settings.toolbox.tools])
        AgentHistory(tuple(self._turns)).replay(state)
        if system is not None and not state.has_turns:
            self._turn("system", system)
        self._turn("user", question)

    def _turn(self, role: Any, text: str, call_id: str | None = None) -> None:
        turn = Turn(role, (text,), call_id)
        turn.replay(self._state)
        self._turns.append(turn)

    async def _assistant_turn(self) -> tuple[list[ToolCall], str]:
        """One turn of the model: the calls that it asks for, and its text after the last of them."""
        calls: list[ToolCall] = []
        parts: list[str | WrittenCall] = []
        with self._state.assistant():
            while True:
                if self._settings.must_call and not self.steps and not calls:
                    text = ""
                else:
                    text, matched = await self._gen("thought", stop=CALL_BEGIN)
                    parts.append(text)
                    if matched != CALL_BEGIN:
                        break
                written = await self._written_call(len(calls))
                parts.append(written)
                calls.append(self._call(written, text.strip()))
                if not self._settings.is_parallel:
                    break
        self._turns.append(Turn("assistant", tuple(parts)))
        return calls, text.strip()

    async def _written_call(self, num_open: int) -> WrittenCall:
        """`num_open`: calls that this turn has asked for already."""
        if len(self.steps) + num_open >= self._settings.max_steps:
            raise self._error(
                f"no answer within max_steps={self._settings.max_steps} calls of tools; the model asks for another. "
                "Raise max_steps, or look at .steps for what it keeps trying"
            )
        self._state.append_markup(f"{CALL_BEGIN}\n")
        text, _ = await self._gen("tool_call", constraint=self._settings.toolbox.call_constraint)
        self._state.append_markup(f"\n{CALL_END}")
        self._num_calls += 1
        return WrittenCall(f"call_{self._num_calls}", text)

    def _call(self, written: WrittenCall, thought: str) -> ToolCall:
        parsed = json.loads(written.text)
        call = ToolCall(written.id, parsed["name"], parsed["arguments"])
        self._thoughts[call.id] = thought
        self._think(thought)
        self._emit(call)
        return call

    async def _run_tools(self, calls: Sequence[ToolCall]) -> None:
        """The branch waits for the world here, and for nothing else anywhere in the loop."""
        await self._state.hold(_HOLD_S)
        await self._settings.toolbox.run(calls, self._observe)

    def _observe(self, call: ToolCall, outcome: Outcome) -> None:
        try:
            result = ToolResult(call, json_value(outcome.value), outcome.error)
        except (TypeError, ValueError) as error:
            raise self._error(f"tool {call.name!r} returned {outcome.value!r}, which is not JSON: {error}") from error
        self.steps.append(AgentStep(self._thoughts[call.id], call.name, call.arguments, result.result, result.error))
        self._turn("tool", result.text, call.id)
        self._emit(result)

    async def _typed_answer(self, answer_type: AnswerType) -> Any:
        """Ask for the answer once more, in a turn that is constrained to the type."""
        self._turn("user", answer_type.request)
        with self._state.assistant():
            text, _ = await self._gen("answer", constraint=answer_type.constraint)
        self._turns.append(Turn("assistant", (text,)))
        try:
            return answer_type.decode(text)
        except TypeMismatch as error:
            raise self._error(f"the answer {text!r} is none of its type: {error}") from error

    async def _gen(self, name: str, *, stop: str | None = None, constraint: JsonSchema | None = None) -> Written:
        sampling: dict[str, Any] = {"n": 1}
        if stop is not None:
            sampling["stop"] = (stop,)
        limit = self._settings.max_tokens
        if limit is not None:
            if self.num_tokens >= limit:
                raise self._error(f"no answer within max_tokens={limit}; raise max_tokens")
            sampling["max_new_tokens"] = limit - self.num_tokens
        self._state += GenExpression(name, sampling, constraint)
        text = await self._state.get(name)
        meta = await self._state.get_meta(name)
        self.num_tokens += meta["completion_tokens"]
        if meta["finish_reason"]["type"] == "length":
            limits = "max_tokens, or the run's max_new_tokens,"
            raise self._error(f"{_CUT[name]} did not end within the token limit: {text!r}; raise {limits}")
        return text, meta["finish_reason"]["matched"]

    def _think(self, text: str) -> None:
        if text:
            self._emit(Thought(text))

    def _error(self, message: str) -> AgentError:
        return AgentError(message, self.steps)
