"""palmette: a Python function mixes text with model calls; the runtime runs it, and many at once, on one model."""

from importlib import import_module
from typing import TYPE_CHECKING

from .grammar.errors import GrammarError
from .lang import patterns
from .lang.agent_step import AgentStep
from .lang.arguments.choices import (
    greedy_token_selection,
    token_length_normalized,
    unconditional_likelihood_normalized,
)
from .lang.backend import Backend, Branch
from .lang.default_backend import DEFAULT_BACKEND, flush_cache, set_default_backend
from .lang.errors import (
    AgentError,
    BackendNotSet,
    IncompleteValue,
    InvalidArgument,
    NoneAccepted,
    NotTraceable,
    PalmetteError,
    ProgramError,
    ProgramRefused,
    ProgramTimeout,
    StateError,
    UnsupportedTool,
    VariableNotSet,
)
from .lang.plan import Plan
from .lang.primitives import (
    assistant,
    assistant_begin,
    assistant_end,
    gen,
    gen_int,
    gen_string,
    score,
    select,
    system,
    system_begin,
    system_end,
    user,
    user_begin,
    user_end,
)
from .lang.program import Function, function
from .lang.sampling_params import SamplingParams
from .lang.state import ProgramState
from .lang.state_group import StateGroup
from .lang.terms import Terms
from .lang.value import Value
from .runtime.errors import EngineError

if TYPE_CHECKING:
    from .lang.agents.agent import Agent, AgentResult, agent
    from .lang.agents.agent_events import AgentEvent, Answer, Thought, ToolCall, ToolResult
    from .lang.agents.history import AgentHistory
    from .lang.openai_api import OpenAIEndpoint
    from .lang.remote.endpoint import RuntimeEndpoint
    from .lang.tools.tool_function import ToolFunction, tool
    from .runtime.local.embedded import Engine

__all__ = [
    "Agent",
    "AgentError",
    "AgentEvent",
    "AgentHistory",
    "AgentResult",
    "AgentStep",
    "Answer",
    "Backend",
    "BackendNotSet",
    "Branch",
    "Engine",
    "EngineError",
    "Function",
    "GrammarError",
    "IncompleteValue",
    "InvalidArgument",
    "NoneAccepted",
    "NotTraceable",
    "OpenAIEndpoint",
    "PalmetteError",
    "Plan",
    "ProgramError",
    "ProgramRefused",
    "ProgramState",
    "ProgramTimeout",
    "RuntimeEndpoint",
    "SamplingParams",
    "StateError",
    "StateGroup",
    "Terms",
    "Thought",
    "ToolCall",
    "ToolFunction",
    "ToolResult",
    "UnsupportedTool",
    "Value",
    "VariableNotSet",
    "agent",
    "assistant",
    "assistant_begin",
    "assistant_end",
    "flush_cache",
    "function",
    "gen",
    "gen_int",
    "gen_string",
    "greedy_token_selection",
    "patterns",
    "score",
    "select",
    "set_default_backend",
    "system",
    "system_begin",
    "system_end",
    "token_length_normalized",
    "tool",
    "unconditional_likelihood_normalized",
    "user",
    "user_begin",
    "user_end",
]


def _make_engine() -> Backend:
    from .runtime.local.embedded import Engine

    return Engine()


DEFAULT_BACKEND.set_factory(_make_engine)


_LATER = {
    "Engine": ".runtime.local.embedded",
    "Agent": ".lang.agents.agent",
    "AgentResult": ".lang.agents.agent",
    "agent": ".lang.agents.agent",
    "AgentEvent": ".lang.agents.agent_events",
    "Answer": ".lang.agents.agent_events",
    "Thought": ".lang.agents.agent_events",
    "ToolCall": ".lang.agents.agent_events",
    "ToolResult": ".lang.agents.agent_events",
    "AgentHistory": ".lang.agents.history",
    "OpenAIEndpoint": ".lang.openai_api",
    "RuntimeEndpoint": ".lang.remote.endpoint",
    "ToolFunction": ".lang.tools.tool_function",
    "tool": ".lang.tools.tool_function",
}
"""What is imported when it is first named: the engine brings torch along, agents the types of their tools."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LATER[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
