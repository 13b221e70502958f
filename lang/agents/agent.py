"""Agents: the model calls tools, reads what they give back, and answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

from ..agent_step import AgentStep
from ..errors import InvalidArgument
from ..program import Function
from ..running.portal import PORTAL
from ..state import ProgramState
from ..tools.tool_box import Approve, ToolBox
from ..tools.tool_function import ToolFunction
from .agent_events import AgentEvent
from .answer import AnswerType
from .history import AgentHistory
from .loop import AgentLoop, AgentSettings

A = TypeVar("A")
Emit = Callable[[AgentEvent[Any]], None]


@dataclass(frozen=True)
class AgentResult(Generic[A]):
    """The answer, and how it came about."""

    answer: A
    """The text, or the instance of `answer_type`."""
    steps: tuple[AgentStep, ...]
    """The calls of tools that were made for this question, in order."""
    history: AgentHistory
    """The chat so far, plain data, for a next question; of `solve` the turns that this question added."""
    num_tokens: int
    """What the model wrote for this question, in tokens."""
    state: ProgramState

    @property
    def messages(self) -> list[dict[str, str]]:
        """All turns of the chat, those of the tools included."""
        return self.state.messages()


class Agent(Generic[A]):
    """Tools and limits; made by `agent`. It keeps nothing between questions: a chat goes on by its `history`.

    One coroutine (`AgentLoop.answer`) is behind all faces; the synchronous ones run it on palmette's own event loop, so
    that is where their `async def` tools run, too.
    """

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings

    def run(self, question: str, *, history: AgentHistory | None = None, **options: Any) -> AgentResult[A]:
        """Answer `question` in a chat of its own, or behind `history`; `options` are those of a program's `run`.

        The temperature is 0 by default. Raises `AgentError` when a limit is reached before the answer, `ProgramError`
        when the model fails.
        """
        return PORTAL.call(self.arun(question, history=history, **options))

    async def arun(self, question: str, *, history: AgentHistory | None = None, **options: Any) -> AgentResult[A]:
        """`run` on the caller's event loop. Cancelling it stops the model and the tools that can be stopped."""
        return await self._run(question, history, _unheard, options)

    def solve(self, s: ProgramState, question: str) -> AgentResult[A]:
        """Answer `question` within a program: on a state without turns, or one where this agent answered before.

        Sets the variable "answer"; "thought" and "tool_call" are those of the last turn. Raises as `run` does.
        """
        return PORTAL.call(self.asolve(s, question))

    async def asolve(self, s: ProgramState, question: str) -> AgentResult[A]:
        """`solve` within an `async def` program."""
        return await self._solve(s, question, AgentHistory(), _unheard)

    async def stream(
        self, question: str, *, history: AgentHistory | None = None, **options: Any
    ) -> AsyncIterator[AgentEvent[A]]:
        """What happens while the question is answered, `Answer` last; raises as `run` does.

        Leaving it early stops the agent.
        """
        events: asyncio.Queue[AgentEvent[A] | None] = asyncio.Queue()
        task = asyncio.ensure_future(self._run(question, history, events.put_nowait, options))
        task.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def events(self, question: str, *, history: AgentHistory | None = None, **options: Any) -> Iterator[AgentEvent[A]]:
        """`stream` for a plain `for`."""
        stream = self.stream(question, history=history, **options)

        async def following() -> AgentEvent[A] | None:
            return await anext(stream, None)

        async def end() -> None:
            await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the annotation hides

        try:
            while (event := PORTAL.call(following())) is not None:
                yield event
        finally:
            PORTAL.call(end())

    async def _run(
        self, question: str, history: AgentHistory | None, emit: Emit, options: dict[str, Any]
    ) -> AgentResult[A]:
        if options.get("stream"):
            raise InvalidArgument("stream", "nothing in an agent's run", True, "use the agent's stream or events")
        if history is not None and not isinstance(history, AgentHistory):
            raise InvalidArgument("history", "an AgentHistory", history, "stored ones come back by from_json")

        async def body(s: ProgramState) -> AgentResult[A]:
            return await self._solve(s, question, history or AgentHistory(), emit)

        state = await Function(body, name="agent").arun(**{"temperature": 0.0, **options})
        result: AgentResult[A] = state.ret_value
        return result

    async def _solve(self, s: ProgramState, question: str, history: AgentHistory, emit: Emit) -> AgentResult[A]:
        if not isinstance(question, str) or not question.strip():
            raise InvalidArgument("question", "a question as text", question)
        loop = AgentLoop(self._settings, s, history, emit)
        answer: A = await loop.answer(question)
        return AgentResult(answer, tuple(loop.steps), loop.history, loop.num_tokens, s)


def _unheard(event: AgentEvent[Any]) -> None:
    """Where nobody asked for events."""


Tools = Sequence[ToolFunction[..., Any] | Callable[..., Any]]
AgentToolChoice = Literal["auto", "required"]


@overload
def agent(
    tools: Tools,
    *,
    system: str | None = None,
    max_steps: int = 8,
    max_tokens: int | None = None,
    tool_timeout: float | None = 60.0,
    approve: Approve | None = None,
    tool_choice: AgentToolChoice = "auto",
    parallel: bool = True,
) -> Agent[str]: ...
@overload
def agent(
    tools: Tools,
    *,
    answer_type: type[A],
    system: str | None = None,
    max_steps: int = 8,
    max_tokens: int | None = None,
    tool_timeout: float | None = 60.0,
    approve: Approve | None = None,
    tool_choice: AgentToolChoice = "auto",
    parallel: bool = True,
) -> Agent[A]: ...
@overload
def agent(
    tools: Tools,
    *,
    answer_type: object,
    system: str | None = None,
    max_steps: int = 8,
    max_tokens: int | None = None,
    tool_timeout: float | None = 60.0,
    approve: Approve | None = None,
    tool_choice: AgentToolChoice = "auto",
    parallel: bool = True,
) -> Agent[Any]: ...
def agent(
    tools: Tools,
    *,
    answer_type: object = None,
    system: str | None = None,
    max_steps: int = 8,
    max_tokens: int | None = None,
    tool_timeout: float | None = 60.0,
    approve: Approve | None = None,
    tool_choice: AgentToolChoice = "auto",
    parallel: bool = True,
) -> Agent[Any]:
    """An agent with these tools (functions made by `@tool`, or plain ones that could be).

    `max_steps`: calls of tools before it must answer. `max_tokens`: what the model may write in all for one question;
    None: each text and each call up to the run's `max_new_tokens`, and any number of these. `tool_timeout`: seconds
    that a call of a tool without a `timeout` of its own may take; None: any time. Calls that are asked for in one turn
    run at the same time; what a tool raises is read by the model.

    `approve`: asked before each call, with the `ToolCall`; it gives True, or False or a reason to refuse, which the
    model reads. If it is no `async def` it is called in a thread, so that it may wait for a human.

    `tool_choice="required"`: the first turn begins with a call, whatever the model would rather say. `parallel=False`:
    one call a turn, whose result the model reads before it goes on.

    `answer_type`: the type of the answer, any that `gen(type=...)` takes. The tool phase is the same as without it:
    the model ends it by a text of its own. Then it is asked for the answer as JSON, in one more turn, which is
    constrained to the type's schema. (A tool `final_answer` would save that turn, but only models that were trained
    on such a tool would ever call it.) What is no object by itself is asked for as `{"value": ...}`.

    Raises `InvalidArgument`, `UnsupportedTool` for a function that cannot be a tool, `UnsupportedType`.
    """
    toolbox = ToolBox.of(tools, tool_timeout, approve)
    for name, value in (("max_steps", max_steps), ("max_tokens", max_tokens)):
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if not is_count and (value is not None or name == "max_steps"):
            raise InvalidArgument(name, "an integer >= 1", value)
    if tool_choice not in ("auto", "required"):
        raise InvalidArgument("tool_choice", "'auto' or 'required'", tool_choice, "without tools no agent is needed")
    if not isinstance(parallel, bool):
        raise InvalidArgument("parallel", "True or False", parallel)
    asked_type = None if answer_type is None or answer_type is str else AnswerType.of(answer_type)
    return Agent(AgentSettings(toolbox, system, max_steps, max_tokens, asked_type, tool_choice == "required", parallel))
