"""Whether the calls that a turn holds are whole and can be read."""

from collections.abc import Mapping

from ....grammar.spec import Constraint, Reasoned, ToolCalls
from ....grammar.tool_calls.call_parser import CallParser, MalformedCall
from ....lang.events import GenResult


def check_calls(constraint: Constraint | None, result: GenResult) -> Mapping[str, int]:
    """How many calls of a finished turn are `valid`, `cut` by the token limit, `malformed`; empty without tools.

    O(length of the text).
    """
    while isinstance(constraint, Reasoned):
        constraint = constraint.answer
    if not isinstance(constraint, ToolCalls):
        return {}
    parser = CallParser(constraint)
    counts: dict[str, int] = {}
    try:
        parser.feed(result.text)
        parser.finish()
    except MalformedCall:
        counts["cut" if result.finish_reason.type == "length" else "malformed"] = 1
    if parser.calls:
        counts["valid"] = len(parser.calls)
    return counts
