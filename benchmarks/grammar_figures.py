"""Figures: what an engine let through, and how long it took."""

from dataclasses import dataclass, field, fields


@dataclass
class Figures:
    """What one engine did with some schemas, at one vocabulary."""

    engine: str
    vocab_size: int
    num_schemas: int = 0
    num_compiled: int = 0
    num_valid: int = 0
    num_valid_accepted: int = 0
    num_invalid: int = 0
    num_invalid_rejected: int = 0
    first_mask_s: list[float] = field(default_factory=list)
    """From the schema's text to the first mask, once a schema that it compiles."""
    mask_s: list[float] = field(default_factory=list)
    """Each mask on the way through the valid documents."""
    accept_s: list[float] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    let_through: list[str] = field(default_factory=list)
    turned_away: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Count in what the same engine did with other schemas."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, dict):
                mine |= theirs
            elif each.name not in ("engine", "vocab_size"):
                setattr(self, each.name, mine + theirs)
