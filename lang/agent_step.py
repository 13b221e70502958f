"""AgentStep: one call that an agent made of a tool, and what came of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AgentStep:
    """One call: `result` is what the tool returned, or `error` says what it raised."""

    thought: str
    """What the model wrote before the call, white space stripped."""
    name: str
    arguments: dict[str, object]
    result: object = None
    error: str | None = None

    @property
    def is_error(self) -> bool:
        """The tool raised."""
        return self.error is not None
