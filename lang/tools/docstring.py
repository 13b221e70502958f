"""Reads a docstring of Google's, NumPy's or reST's style: the summary, and what it says of each parameter."""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_GOOGLE_SECTIONS = frozenset(
    ("args:", "arguments:", "parameters:", "params:", "keyword args:", "keyword arguments:", "other parameters:")
)
_NUMPY_SECTIONS = frozenset(("parameters", "other parameters"))
_SECTION = re.compile(r"[A-Z][A-Za-z ]*:")
_UNDERLINE = re.compile(r"(-{3,}|={3,})")
_NAMES = r"\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*"
_GOOGLE_PARAMETER = re.compile(rf"({_NAMES})\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*:(?!:)\s*(.*)")
_NUMPY_PARAMETER = re.compile(rf"({_NAMES})\s*(?::.*)?")
_REST_FIELD = re.compile(r":[A-Za-z][^:`]*:(?!`)")  # not a role, such as :class:`Path`
_REST_PARAMETER = re.compile(r":(?:param|parameter|arg|argument|key|keyword)\s+([^:]*?)(\*{0,2}\w+)\s*:\s*(.*)")


@dataclass(frozen=True)
class Docstring:
    """`summary`: the first paragraph on one line; `arguments`: name to description on one line."""

    summary: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


def parse_docstring(text: str | None) -> Docstring:
    """Parse `text`, whose style is seen from its sections and fields; what is missing stays empty.

    The styles (docstrings that mix them are read, too):

        Google    Args:  /  name (type): text, indented
        NumPy     Parameters  /  ----------  /  name : type  /  text, indented
        reST      :param name: text, or :param type name: text; Sphinx's :type name: is passed over

    Types are passed over, since they are read from the annotations. Where a name is described twice the first counts.
    """
    lines = inspect.cleandoc(text or "").splitlines()
    arguments: dict[str, str] = {}
    for found in (*_google(lines), *_numpy(lines), *_rest(lines)):
        for name in found[0].split(","):
            arguments.setdefault(name.strip().lstrip("*"), " ".join(found[1]))
    return Docstring(_summary(lines), arguments)


Described = tuple[str, list[str]]
"""The name, or several joined by commas, and the lines that describe it, stripped and not empty."""


def _summary(lines: Sequence[str]) -> str:
    paragraph: list[str] = []
    for index, line in enumerate(lines):
        is_heading = index + 1 < len(lines) and _UNDERLINE.fullmatch(lines[index + 1]) is not None
        if not line.strip() or is_heading or _SECTION.fullmatch(line) or _REST_FIELD.match(line):
            break
        paragraph.append(line.strip())
    return " ".join(paragraph)


def _google(lines: Sequence[str]) -> list[Described]:
    """The indented blocks under the headings; deeper lines go on with the text above."""
    found: list[Described] = []
    for start, line in enumerate(lines):
        if line.strip().lower() in _GOOGLE_SECTIONS and _depth(line) == 0:
            block = _indented(lines[start + 1 :])
            indent = min(map(_depth, block), default=0)
            begins = [_depth(each) == indent for each in block]
            found += _entries(block, begins, _GOOGLE_PARAMETER)
    return found


def _numpy(lines: Sequence[str]) -> list[Described]:
    """What follows the underlined headings: names at the margin, their texts indented."""
    found: list[Described] = []
    headings = [index for index in range(len(lines) - 1) if _UNDERLINE.fullmatch(lines[index + 1].strip())]
    for start, end in zip(headings, [*headings, len(lines)][1:], strict=True):
        if lines[start].strip().lower() in _NUMPY_SECTIONS:
            block = [line for line in lines[start + 2 : end] if line.strip()]
            found += _entries(block, [_depth(line) == 0 for line in block], _NUMPY_PARAMETER)
    return found


def _rest(lines: Sequence[str]) -> list[Described]:
    """The fields of parameters; indented lines, and others up to a blank one, go on with the text above."""
    found: list[Described] = []
    current: list[str] | None = None
    for line in lines:
        match = _REST_PARAMETER.match(line.strip())
        if match:
            current = [match[3].strip()] if match[3].strip() else []
            found.append((match[2], current))
        elif not line.strip():
            continue
        elif _depth(line) == 0 or _REST_FIELD.match(line.strip()):
            current = None
        elif current is not None:
            current.append(line.strip())
    return found


def _entries(block: Sequence[str], begins: Sequence[bool], pattern: "re.Pattern[str]") -> list[Described]:
    """Cut `block` where a line that may begin an entry does; the pattern's last group is the text on that line."""
    found: list[Described] = []
    for line, may_begin in zip(block, begins, strict=True):
        match = pattern.fullmatch(line.strip()) if may_begin else None
        if match:
            text = match[2].strip() if pattern.groups > 1 else ""
            found.append((match[1], [text] if text else []))
        elif found:
            found[-1][1].append(line.strip())
    return found


def _indented(lines: Sequence[str]) -> list[str]:
    """The lines up to the first that stands at the margin, blank ones left out."""
    block: list[str] = []
    for line in lines:
        if line.strip() and _depth(line) == 0:
            break
        if line.strip():
            block.append(line)
    return block


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
