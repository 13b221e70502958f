"""Reads a docstring of Google's style: the summary, and what it says of each argument."""

import inspect
import re
from dataclasses import dataclass, field

_ARGUMENT_SECTIONS = ("args:", "arguments:", "parameters:")
_SECTION = re.compile(r"^[A-Z][A-Za-z ]*:$")
_ARGUMENT = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


@dataclass
class Docstring:
    """`summary`: the first paragraph on one line; `arguments`: name to description."""

    summary: str = ""
    arguments: dict[str, str] = field(default_factory=dict)


def parse_docstring(text: str | None) -> Docstring:
    """Parse `text`; what is missing stays empty."""
    parsed = Docstring()
    lines = inspect.cleandoc(text or "").splitlines()
    summary: list[str] = []
    for line in lines:
        if not line.strip() or _SECTION.match(line):
            break
        summary.append(line.strip())
    parsed.summary = " ".join(summary)
    starts = [index for index, line in enumerate(lines) if line.lower() in _ARGUMENT_SECTIONS]
    if starts:
        _parse_arguments(lines[starts[0] + 1 :], parsed.arguments)
    return parsed


def _parse_arguments(lines: list[str], arguments: dict[str, str]) -> None:
    """The indented block of `name (type): text` lines; deeper lines go on with the text above."""
    indent: int | None = None
    name = ""
    for line in lines:
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            return
        indent = depth if indent is None else indent
        match = _ARGUMENT.match(line.strip())
        if depth <= indent and match:
            name = match[1]
            arguments[name] = match[2].strip()
        elif name:
            arguments[name] = f"{arguments[name]} {line.strip()}".strip()
