"""The automaton of a turn in which tools may be called, as a constraint allows it and as a parser reads it."""

from dataclasses import dataclass

from ..errors import InvalidConstraint, shorten
from ..spec import Reasoning, ToolCalls, ToolSpec
from .call_format import CallFormat, format_of
from .turn_state import Role, TurnState, after_texts, body_state, check_mark_len, free_text, open_with

MAX_TOOLS = 2_000
MAX_LINE_BREAKS = 2
"""How many may part the reasoning from what must follow it."""


def allowed_turn(constraint: ToolCalls) -> TurnState:
    """What the constraint lets a model write; the bodies are the names of the tools."""
    check_tools(constraint)
    may_call = constraint.choice != "none"
    turn = _Turn(
        format_of(constraint.format),
        tuple(tool.name for tool in constraint.tools),
        allowed_names(constraint) if may_call else (),
        constraint.parallel,
        constraint.reasoning,
    )
    return turn.begin_with_call() if constraint.choice == "required" else turn.begin_with(turn.text_and_calls())


def readable_turn(constraint: ToolCalls) -> tuple[TurnState, TurnState]:
    """What a parser reads: every turn that any choice of these tools allows; its beginning, and free text anew."""
    check_tools(constraint)
    names = tuple(tool.name for tool in constraint.tools)
    turn = _Turn(format_of(constraint.format), names, names, True, constraint.reasoning)
    text = turn.text_and_calls()
    return turn.begin_with(text), text


def allowed_names(constraint: ToolCalls) -> tuple[str, ...]:
    """The tools that may be called, in their order."""
    allowed = constraint.allowed
    return tuple(tool.name for tool in constraint.tools if allowed is None or tool.name in allowed)


def check_tools(constraint: ToolCalls) -> None:
    """Raise `InvalidConstraint` where the fields do not fit together."""
    if constraint.choice not in ("none", "auto", "required"):
        raise InvalidConstraint(f"choice: expected 'none', 'auto' or 'required', got {shorten(constraint.choice)}")
    names = [tool.name for tool in constraint.tools]
    if len(names) > MAX_TOOLS or not names or not all(names) or len(set(names)) < len(names):
        raise InvalidConstraint(f"tools: expected 1 to {MAX_TOOLS} tools with names that differ, got {shorten(names)}")
    for tool in constraint.tools:
        _check_tool(tool)
    unknown = [name for name in constraint.allowed or () if name not in names]
    if unknown or constraint.allowed == ():
        raise InvalidConstraint(f"allowed: expected some of {shorten(names)}, got {shorten(unknown)}")
    reasoning = constraint.reasoning
    if reasoning is not None and not reasoning.end:
        raise InvalidConstraint("reasoning: expected a mark that ends it, got an empty one")


def _check_tool(tool: ToolSpec) -> None:
    check_mark_len(tool.name)
    if (tool.parameters is None) is (tool.custom_input is None):
        raise InvalidConstraint(
            f"tool {tool.name!r}: expected one of parameters and custom_input, got "
            f"{'neither' if tool.parameters is None else 'both'}"
        )
    if any(0xD800 <= ord(character) <= 0xDFFF for character in tool.name):
        raise InvalidConstraint(f"tool {tool.name!r}: expected a name in Unicode, got a lone surrogate")


@dataclass(frozen=True)
class _Turn:
    """Builds the states from the end of a turn to its beginning."""

    format: CallFormat
    names: tuple[str, ...]
    """Of all tools: text never contains what their calls begin with, lest it be read as one."""
    callable_names: tuple[str, ...]
    is_parallel: bool
    reasoning: Reasoning | None

    def begin_with(self, text: TurnState) -> TurnState:
        """`text`, with the reasoning before it."""
        if self.reasoning is None:
            return text
        if self.reasoning.begin == "":
            return self._thoughts(text)
        return open_with(text, self.reasoning.begin, self._thoughts(text))

    def begin_with_call(self) -> TurnState:
        """A call right away, or behind the reasoning."""
        text = self.text_and_calls()
        starts = self._section_starts(text)
        if self.reasoning is None:
            return after_texts(starts)
        breaks = ["\n" * count for count in range(MAX_LINE_BREAKS + 1)]
        behind = {line + start: state for line in breaks for start, state in starts.items()}
        thoughts = self._thoughts(after_texts(behind))
        return after_texts({**starts, self.reasoning.begin: thoughts}) if self.reasoning.begin else thoughts

    def text_and_calls(self) -> TurnState:
        """Free text in which sections may stand."""
        text = TurnState(Role.TEXT, is_final=True)
        triggered: dict[str, dict[str, TurnState]] = {}
        for start, state in self._section_starts(text).items():
            trigger = start if self.format.trigger is None else self.format.trigger
            triggered.setdefault(trigger, {})[start[len(trigger) :]] = state
        marks = self._forbidden_marks()
        marks.update((trigger, after_texts(rests)) for trigger, rests in triggered.items())
        return free_text(marks, text)

    def _thoughts(self, answer: TurnState) -> TurnState:
        assert self.reasoning is not None
        return free_text({self.reasoning.end: answer}, TurnState(Role.REASONING))

    def _section_starts(self, text: TurnState) -> dict[str, TurnState]:
        """What a section may begin with, up to the arguments of its first call; `text` may follow the section."""
        after_call = TurnState(Role.MARKUP)
        goes_on = self.format.is_repeated and self.is_parallel
        after_section = text if goes_on else TurnState(Role.MARKUP, is_final=True)
        bodies = {self.format.head(name): body_state(name, after_call) for name in self.callable_names}
        rests: dict[str, TurnState] = {}
        if self.format.comma is not None and self.is_parallel:
            rests |= {self.format.comma + head: state for head, state in bodies.items()}
        if self.format.closing:
            rests[self.format.closing] = after_section
        else:
            rests = {"": after_texts(rests, after_section)}
        after_texts({self.format.after_arguments + rest: state for rest, state in rests.items()}, after_call)
        return {self.format.opening + head: state for head, state in bodies.items()}

    def _forbidden_marks(self) -> dict[str, TurnState | None]:
        """What free text never contains."""
        marks: dict[str, TurnState | None] = dict.fromkeys(map(self.format.trigger_of, self.names))
        if self.reasoning is not None and self.reasoning.begin:
            marks[self.reasoning.begin] = None
        return marks
