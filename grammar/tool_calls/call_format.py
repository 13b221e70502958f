"""CallFormat: how a family of models writes calls of tools; the one definition behind grammar, parser and renderer."""

import keyword
from dataclasses import dataclass
from typing import Literal

from ..errors import InvalidConstraint
from ..json_text.strings import quoted_literal
from ..spec import CallFormatName

ArgumentStyle = Literal["json", "python"]


@dataclass(frozen=True, slots=True)
class CallFormat:
    """A turn is free text and sections; a section is `opening call (comma call)* closing`.

    A call is `before_name name after_name arguments after_arguments`.
    """

    trigger: str | None
    """What free text never contains, as a section begins with it; None: all of a section up to its first arguments."""
    opening: str
    before_name: str
    after_name: str
    after_arguments: str
    comma: str | None
    """None: a section holds one call."""
    closing: str
    is_repeated: bool
    """Whether text and further sections may follow a section."""
    style: ArgumentStyle

    def head(self, tool_name: str) -> str:
        """What stands before the arguments of a call."""
        return self.before_name + self.spelled(tool_name) + self.after_name

    def trigger_of(self, tool_name: str) -> str:
        """The text by which a section that begins with a call of this tool is told from free text."""
        return self.opening + self.head(tool_name) if self.trigger is None else self.trigger

    def spelled(self, tool_name: str) -> str:
        """The name as it is written; raises `InvalidConstraint` where it cannot be."""
        if self.style == "json":
            return quoted_literal(tool_name)[1:-1]
        if not all(part.isidentifier() and not keyword.iskeyword(part) for part in tool_name.split(".")):
            raise InvalidConstraint(
                f"tools: expected names that Python can call, such as 'look_up' or 'web.search', got {tool_name!r}; "
                "rename the tool or use another format"
            )
        return tool_name


FORMATS: dict[CallFormatName, CallFormat] = {
    # <tool_call>
    # {"name": "f", "arguments": {"a": 1}}
    # </tool_call>
    "hermes": CallFormat(
        trigger="<tool_call>",
        opening="<tool_call>\n",
        before_name='{"name": "',
        after_name='", "arguments": ',
        after_arguments="}",
        comma=None,
        closing="\n</tool_call>",
        is_repeated=True,
        style="json",
    ),
    # {"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}
    "llama3": CallFormat(
        trigger='{"name": "',
        opening="",
        before_name='{"name": "',
        after_name='", "parameters": ',
        after_arguments="}",
        comma="; ",
        closing="",
        is_repeated=False,
        style="json",
    ),
    # [TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]
    "mistral": CallFormat(
        trigger="[TOOL_CALLS]",
        opening="[TOOL_CALLS] [",
        before_name='{"name": "',
        after_name='", "arguments": ',
        after_arguments="}",
        comma=", ",
        closing="]",
        is_repeated=False,
        style="json",
    ),
    # [f(a=1), g()]
    "pythonic": CallFormat(
        trigger=None,
        opening="[",
        before_name="",
        after_name="(",
        after_arguments=")",
        comma=", ",
        closing="]",
        is_repeated=False,
        style="python",
    ),
}


def format_of(name: str) -> CallFormat:
    """The format of that name; raises `InvalidConstraint`."""
    for known, call_format in FORMATS.items():
        if known == name:
            return call_format
    raise InvalidConstraint(f"format: expected one of {', '.join(FORMATS)}, got {name!r}")
