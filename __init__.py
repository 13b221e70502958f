"""palmette: a Python function mixes text with model calls; the runtime runs it, and many at once, on one model."""

from typing import TYPE_CHECKING

from .grammar.errors import GrammarError
from .lang.agent import Agent, AgentResult, agent
from .lang.agent_step import AgentStep
from .lang.backend import Backend, Branch
from .lang.choices import (
    greedy_token_selection,
    token_length_normalized,
    unconditional_likelihood_normalized,
)
from .lang.default_backend import DEFAULT_BACKEND, flush_cache, set_default_backend
from .lang.errors import (
    AgentError,
    BackendNotSet,
    InvalidArgument,
    PalmetteError,
    ProgramError,
    StateError,
    UnsupportedTool,
    VariableNotSet,
)
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
from .lang.tools import ToolFunction, tool
from .runtime.errors import EngineError

if TYPE_CHECKING:
    from .runtime.embedded import Engine

__all__ = [
    "Agent",
    "AgentError",
    "AgentResult",
    "AgentStep",
    "Backend",
    "BackendNotSet",
    "Branch",
    "Engine",
    "EngineError",
    "Function",
    "GrammarError",
    "InvalidArgument",
    "PalmetteError",
    "ProgramError",
    "ProgramState",
    "SamplingParams",
    "StateError",
    "StateGroup",
    "ToolFunction",
    "UnsupportedTool",
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
    from .runtime.embedded import Engine

    return Engine()


DEFAULT_BACKEND.set_factory(_make_engine)


def __getattr__(name: str) -> object:
    """`Engine` brings torch along, so it is imported when it is first named."""
    if name == "Engine":
        from .runtime.embedded import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
