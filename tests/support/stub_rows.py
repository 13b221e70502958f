"""Rows without a model: a task that wants its tape computed, and then a number of tokens written."""

from collections.abc import Sequence
from dataclasses import dataclass

from palmette.runtime.branch import Branch
from palmette.runtime.operations.task import Task
from palmette.runtime.row import Row
from palmette.runtime.ticket import Terms, Ticket


@dataclass(eq=False)
class StubTask(Task):
    """Writes `num_left` tokens after its tape, whatever the tape says."""

    branch: Branch
    num_left: int = 1

    @property
    def compute_len(self) -> int:
        return len(self.branch.token_ids)

    @property
    def is_done(self) -> bool:
        return self.num_left == 0

    def write(self, token_id: int) -> None:
        """What a sampled token does."""
        self.num_left -= 1
        self.branch.append([token_id])


def stub_row(
    token_ids: Sequence[int] = (1,),
    arrival: int = 1,
    number: int = 1,
    *,
    num_match: int = 0,
    num_to_write: int = 1,
    namespace: str = "",
    ticket: Ticket | None = None,
    **terms: object,
) -> Row:
    """A row of a new branch; `terms`: fields of `Terms`, where no ticket is given."""
    branch = Branch(arrival, namespace, 0, token_ids=list(token_ids))
    ticket = ticket or Ticket(arrival, 0.0, Terms(**terms))  # type: ignore[arg-type]  # any field
    row = Row(StubTask(branch, num_to_write), (arrival, number), ticket)
    row.num_match = num_match
    return row
