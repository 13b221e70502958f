"""ServerParts: what endpoints work with; none of them knows where the engine runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ...grammar.spec import CallFormatName, Reasoning
from ...lang.backend import PlanBackend
from ..cache.tree_snapshot import TreeSnapshot
from ..text.chat_template import ChatTemplate
from ..text.tokenizer import Tokenizer
from .observation import Observation
from .settings import ServerSettings
from .work import RunningWork


@dataclass(frozen=True)
class Health:
    """Whether the engine answers, and why not."""

    is_alive: bool
    reason: str = ""


@dataclass(frozen=True)
class ServerParts:
    """An engine's port, the text side of its model, and how the server is set."""

    backend: PlanBackend
    tokenizer: Tokenizer
    chat_template: ChatTemplate | None
    model_name: str
    context_len: int
    stats: Callable[[], Awaitable[Mapping[str, float]]]
    """The engine's counters; see `EngineCore.stats`."""
    health: Callable[[], Health]
    """What is known now; asks nobody."""
    settings: ServerSettings = field(default_factory=ServerSettings)
    call_format: CallFormatName = "hermes"
    """How the model writes calls of tools."""
    reasoning: Reasoning | None = None
    """The marks of the model's thoughts; None: it has none."""
    created: int = 0
    """When the model was loaded, in seconds since 1970."""
    running: RunningWork = field(default_factory=RunningWork)
    """What the server is working on."""
    tree: Callable[[int, int], Awaitable[TreeSnapshot]] | None = None
    """The radix tree, for the dashboard: (nodes at most, tokens shown of each). None: it cannot be had."""
    num_restarts: Callable[[], int] = lambda: 0
    """How often the engine was started again."""
    observation: Observation = field(default_factory=Observation)
    """What is noted of its work: metrics, and what the dashboard lists."""

    @cached_property
    def max_text_bytes(self) -> int:
        """No text of more bytes fits the context: so long a token is none. To be asked before it is tokenised."""
        return self.context_len * max(len(content or b"") for content in self.tokenizer.token_bytes)
