"""The table of killed and survived mutants, as it stands in the README of the folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .mutation import Mutation

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
_MAX_CAUSE_LEN = 110


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    mutation: Mutation
    failure: str | None
    """What the simulation failed with; None: it survived."""
    num_good: int
    """Runs that were good before."""
    seconds: float
    """Of CPU time, imports included."""

    @property
    def is_killed(self) -> bool:
        """Whether the simulation noticed."""
        return self.failure is not None

    @property
    def cause(self) -> str:
        """The type of the failure and the first line of its message."""
        if self.failure is None:
            return ""
        first = next((line for line in self.failure.splitlines() if line.strip()), "")
        cause = f"hang: {first}" if first.startswith("RunHangs") else first
        return cause if len(cause) <= _MAX_CAUSE_LEN else cause[:_MAX_CAUSE_LEN] + " ..."


def write_table(results: Sequence[Result], reasons: Mapping[str, str]) -> None:
    """Put the results between the marks of the README. `reasons`: why a mutant is known to survive."""
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    README.write_text(head + BEGIN + table_of(results, reasons) + END + tail, encoding="utf-8")


def table_of(results: Sequence[Result], reasons: Mapping[str, str]) -> str:
    """The results in Markdown."""
    num_killed = sum(result.is_killed for result in results)
    lines = [
        f"{num_killed} of {len(results)} killed.",
        "",
        "| mutant | in | what it breaks | killed by | good runs before | CPU s |",
        "|---|---|---|---|--:|--:|",
    ]
    for result in results:
        mutation = result.mutation
        cause = f"`{_plain(result.cause)}`" if result.is_killed else "**survived** " + reasons.get(mutation.name, "")
        cells = (mutation.name, f"`{mutation.file}`", mutation.breaks, cause, result.num_good, f"{result.seconds:.0f}")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def _plain(cause: str) -> str:
    return cause.replace("|", "\\|").replace("`", "'")
