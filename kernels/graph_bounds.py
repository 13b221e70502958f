"""GraphBounds: what the steps that share one recorded graph have in common."""

from dataclasses import dataclass


class StepTooLarge(Exception):
    """A step does not fit what was captured; launch it outside of the graph."""

    def __init__(self, name: str, num_captured: int, num_wanted: int) -> None:
        super().__init__(
            f"attention in a graph: expected at most {num_captured} of {name}, got {num_wanted}; "
            "plan this step by itself and run it outside of the graph"
        )


@dataclass(frozen=True)
class GraphBounds:
    """The steps of a graph: rows, tokens of a row, nodes of trees included, and cells of a row, at most so many each.

    The number of tokens of a step is always that of the step that was captured.
    """

    num_rows: int
    max_query_len: int
    max_kv_len: int

    def check(self, query_lens: tuple[int, ...], kv_lens: tuple[int, ...], num_tokens: int) -> None:
        """Raise StepTooLarge for rows past the bounds, and ValueError unless they have `num_tokens` tokens in all."""
        for name, most, wanted in (
            ("rows", self.num_rows, len(query_lens)),
            ("tokens", num_tokens, sum(query_lens)),
            ("tokens of a row", self.max_query_len, max(query_lens)),
            ("cells", self.max_kv_len, max(kv_lens)),
        ):
            if wanted > most:
                raise StepTooLarge(name, most, wanted)
        if sum(query_lens) < num_tokens:
            raise ValueError(
                f"attention in a graph: expected {num_tokens} tokens, got {sum(query_lens)}; fill the step up with "
                "rows of one token"
            )
