"""ProgramSize: how large the programs are, by the names of the benchmark's sizes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProgramSize:
    """Sizes of all programs. Every generation has `num_tokens` tokens, so that both sides do the same work."""

    num_tokens: int
    num_links: int  # generations of the chain
    num_programs: int  # programs of a kind that run at once
    num_levels: int  # of the tree of thought
    num_items: int  # to classify
    num_turns: int  # of a chat, of an episode of tool calls
    num_records: int  # to write as JSON


PROGRAM_SIZES = {
    "full": ProgramSize(16, 20, 4, 4, 200, 6, 8),
    "quick": ProgramSize(8, 20, 2, 4, 40, 4, 4),
    "tiny": ProgramSize(2, 3, 2, 2, 4, 2, 1),
}
