"""ChatTemplate: how a model wants a conversation written; ChatWalk: one that is written turn by turn."""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import jinja2

from ...lang.ir import Tool
from ..errors import ChatTemplateError
from ..json_object import JsonObject
from .jinja_template import compile_template
from .tokenizer import special_tokens

Message = Mapping[str, object]

_MAX_CACHED = 4096

# Stand for the contents. Private-use characters: no template writes, trims or changes them.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"

# What may come after a turn, tried in this order until the template writes the turn: some put the system text into
# the first user turn, and some write the last assistant turn unlike those before it.
_FUTURES: dict[str, tuple[tuple[str, ...], ...]] = {
    "assistant": (("user",), (), ("tool",), ("user", "assistant")),
    "system": ((), ("user",), ("user", "assistant")),
}
_OTHER_FUTURES: tuple[tuple[str, ...], ...] = ((), ("assistant",), ("user",), ("user", "assistant"))


class ChatTemplate:
    """Renders messages to text by the Jinja template of a model folder."""

    def __init__(
        self,
        source: str,
        special_tokens: Mapping[str, str] | None = None,
        tool_source: str | None = None,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        """`special_tokens`: `bos_token` and the like. `tool_source`: what to use with tools, if it is another one.

        Raises `ChatTemplateError`, which names the line, where a source is no Jinja template.
        """
        self.clock = clock
        self.is_dated = "strftime_now" in source + (tool_source or "")
        """Whether the text depends on the day."""
        self._template = compile_template(source)
        self._tool_template = None if tool_source is None else compile_template(tool_source)
        self._special_tokens = dict(special_tokens or {})
        self._pieces: OrderedDict[tuple[tuple[str, ...], str, datetime | None], tuple[str, ...] | ChatTemplateError] = (
            OrderedDict()
        )

    @classmethod
    def from_folder(cls, folder: Path) -> "ChatTemplate | None":
        """The template of a model folder; None where it has none."""
        sources: dict[str, str] = {}
        for name in ("tokenizer_config.json", "chat_template.json"):
            value = JsonObject.read_if_there(folder / name).fields.get("chat_template")
            if isinstance(value, str):
                sources["default"] = value
            elif isinstance(value, list):
                sources |= {item["name"]: item["template"] for item in value}
        if (folder / "chat_template.jinja").is_file():
            sources["default"] = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        if not sources:
            return None
        default = sources.get("default", next(iter(sources.values())))
        return cls(default, special_tokens(folder), sources.get("tool_use"))

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Message] | None = None,
        add_generation_prompt: bool = False,
        now: datetime | None = None,
    ) -> str:
        """The text of a whole conversation.

        messages: with `role`, `content` and whatever else the template knows. tools: functions in OpenAI's form.
        Raises `ChatTemplateError`, with the template's own reason where it refuses.
        """
        template = self._tool_template if tools and self._tool_template is not None else self._template
        today = now or self.clock()
        try:
            return template.render(
                messages=messages,
                tools=tools or None,
                add_generation_prompt=add_generation_prompt,
                strftime_now=today.strftime,
                **self._special_tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            roles = ", ".join(str(message.get("role")) for message in messages)
            raise ChatTemplateError(f"the model's chat template cannot write the roles {roles}: {error}") from error

    def walk(self) -> "ChatWalk":
        """A conversation without turns. A template that writes the date keeps that of this moment."""
        return ChatWalk(self, self.clock() if self.is_dated else None)

    def pieces(self, roles: tuple[str, ...], tools: str, now: datetime | None) -> tuple[str, ...]:
        """The [len(roles) + 1] texts before, between and after the contents of turns of these roles.

        The template is rendered once, with marks for the contents, and cut at the marks; what was found is
        remembered. `tools`: their JSON, or empty. Raises `ChatTemplateError` where a mark does not come out once and
        in its place.
        """
        key = roles, tools, now
        pieces = self._pieces.get(key)
        if pieces is None:
            try:
                pieces = self._find_pieces(roles, tools, now)
            except ChatTemplateError as error:
                pieces = error
            self._pieces[key] = pieces
            if len(self._pieces) > _MAX_CACHED:
                self._pieces.popitem(last=False)
        if isinstance(pieces, ChatTemplateError):
            raise ChatTemplateError(*pieces.args)
        return pieces

    def _find_pieces(self, roles: tuple[str, ...], tools: str, now: datetime | None) -> tuple[str, ...]:
        marks = [f"{_OPEN}{index}{_CLOSE}" for index in range(len(roles))]
        messages = [_message(role, mark) for role, mark in zip(roles, marks, strict=True)]
        rest = self.render(messages, json.loads(tools) if tools else None, now=now)
        pieces = []
        for role, mark in zip(roles, marks, strict=True):
            piece, found, rest = rest.partition(mark)
            if not found or _OPEN in piece or mark in rest:
                raise ChatTemplateError(
                    f"the model's chat template leaves out, repeats or reorders the {role} text in the roles "
                    f"{', '.join(roles)}"
                )
            pieces.append(piece)
        return (*pieces, rest)


class ChatWalk:
    """Where a conversation stands that is written turn by turn; what is written never changes.

        begin(role) -> text to write | the content | end(role) | begin(role) ... | closing() -> text to write

    `begin` also writes the end of the turn before, since a template can write it only when it knows what follows.
    """

    def __init__(self, template: ChatTemplate, now: datetime | None) -> None:
        self._template = template
        self._now = now
        self._roles: tuple[str, ...] = ()
        self._written: tuple[str, ...] = ()  # what `begin` returned for each of the roles
        self._tools = ""
        self.is_open = False
        """Whether a turn has begun and not ended."""

    def copy(self) -> "ChatWalk":
        """One that goes on from here on its own. O(1)."""
        other = ChatWalk(self._template, self._now)
        other._roles, other._written, other._tools = self._roles, self._written, self._tools
        other.is_open = self.is_open
        return other

    def declare_tools(self, tools: Sequence[Tool]) -> None:
        """Let the template describe `tools`, which replace those declared before.

        Raises `ChatTemplateError` after the first role, or where the template has no place for tools.
        """
        if self._roles:
            raise ChatTemplateError(
                f"expected the tools before the first role, got them after {', '.join(self._roles)}; declare them first"
            )
        declared = json.dumps([_function(tool) for tool in tools], ensure_ascii=False) if tools else ""
        if tools and not self._shows(declared):
            raise ChatTemplateError(
                "the model's chat template has no place for tools; describe them in the text of the system turn"
            )
        self._tools = declared

    def begin(self, role: str) -> str:
        """Open a turn: the text from the end of the last content to the beginning of this turn's.

        Raises `ChatTemplateError` where a turn is open, where the template does not take the role here, or where it
        would have to change what is already written; the walk is then as it was.
        """
        if self.is_open:
            raise ChatTemplateError(f"expected the {self._roles[-1]} turn to end before a {role} turn begins; end it")
        roles = (*self._roles, role)
        reason = ""
        for future in _FUTURES.get(role, _OTHER_FUTURES):
            try:
                pieces = self._template.pieces((*roles, *future), self._tools, self._now)
            except ChatTemplateError as error:
                reason = reason or str(error)
                continue
            if pieces[: len(self._roles)] == self._written:
                text = pieces[len(self._roles)]
                self._roles, self._written, self.is_open = roles, (*self._written, text), True
                return text
            reason = reason or "it would write the turns before in another way"
        place = "after " + ", ".join(self._roles) if self._roles else "first"
        raise ChatTemplateError(
            f"the model's chat template takes no {role} turn {place}: {reason}; use the roles in an order that it "
            "takes, or write the turn as plain text"
        )

    def end(self, role: str) -> None:
        """Close the open turn. Raises `ChatTemplateError` where it is another one."""
        if not self.is_open or self._roles[-1] != role:
            got = f"the open turn is {self._roles[-1]}" if self.is_open else "no turn is open"
            raise ChatTemplateError(f"cannot end a {role} turn: {got}; begin and end turns in pairs")
        self.is_open = False

    def closing(self) -> str:
        """The text that ends the last turn if nothing follows; empty where the template cannot end there."""
        if not self._roles:
            return ""
        try:
            return self._template.pieces(self._roles, self._tools, self._now)[-1]
        except ChatTemplateError:
            # This turn cannot be the last: a system turn, say, that is written into the user turn after it.
            return ""

    def _shows(self, tools: str) -> bool:
        for roles in (("user",), ("system", "user")):
            try:
                bare = self._template.pieces(roles, "", self._now)
                return bare != self._template.pieces(roles, tools, self._now)
            except ChatTemplateError:
                continue
        return True


def _message(role: str, content: str) -> Message:
    if role == "tool":
        # Some templates ask for a name, and for an id of just this length.
        return {"role": role, "content": content, "name": "tool", "tool_call_id": "000000000"}
    return {"role": role, "content": content}


def _function(tool: Tool) -> Message:
    function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return {"type": "function", "function": function}
