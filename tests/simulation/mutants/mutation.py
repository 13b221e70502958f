"""Mutation: a fault as a patch of one place of the package."""

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutation:
    """A named fault. `before` stands in `file` exactly once, and `after` takes its place."""

    name: str
    breaks: str
    """What goes wrong, in one sentence."""
    file: str
    """From the root of the package."""
    before: str
    """A line, or two where one alone is not unique, without the indentation of the first and the last newline."""
    after: str

    def patched(self, source: str) -> str:
        """The text of the file with the fault in it. Raises: ValueError where the patch is stale, SyntaxError."""
        num_found = source.count(self.before)
        if num_found != 1:
            raise ValueError(
                f"mutant {self.name}: expected {self.before!r} once in {self.file}, found it {num_found} times; "
                "bring the patch up to date with the file"
            )
        patched = source.replace(self.before, self.after)
        ast.parse(patched, self.file)
        return patched

    def patched_file(self, root: Path) -> str:
        """`patched` of the file under `root`."""
        return self.patched((root / self.file).read_text(encoding="utf-8"))
