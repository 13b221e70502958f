"""Reference: what stands for a value that is not there yet in text that a program appends."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import NotTraceable
from ..expressions import Expression
from ..plan import Arg
from ..source_line import is_of_language, user_decision_line
from .deferral import text_target
from .entry import Entry


@dataclass(frozen=True)
class Unread:
    """A value that is more than text, an instance of a type, say: in a trace it can be handed on, no more."""

    read: Callable[[], Any]
    """Gives the value, once the run is over."""


TextReferent = Entry | Arg
Referent = TextReferent | Unread

_NONCE = os.urandom(8).hex()
_BEGIN, _END = f"\ue000{_NONCE}:", "\ue001"
"""Around the number of a reference in formatted text: no user's text has them, for nobody knows the nonce."""


class References:
    """The references that one run has given out, by the marks they leave in formatted text."""

    def __init__(self) -> None:
        self.num_given = 0
        """References that somebody has."""
        self.refusal: NotTraceable | None = None
        """The first decision that was refused; the program may have caught it, and gone on as no run of it would."""
        self._referents: list[TextReferent] = []

    def mark(self, referent: TextReferent) -> str:
        """Text that stands for `referent` until `split` finds it."""
        self._referents.append(referent)
        return f"{_BEGIN}{len(self._referents) - 1}{_END}"

    def split(self, text: str) -> "list[str | TextReferent]":
        """`text` with each mark replaced by what it stands for."""
        first, *rest = text.split(_BEGIN)
        parts: list[str | TextReferent] = [first]
        for piece in rest:
            number, after = piece.split(_END, 1)
            parts += [self._referents[int(number)], after]
        return [part for part in parts if part != ""]

    def refuse(self, why: str, what: str, source: str | None) -> NoReturn:
        """Raise `NotTraceable`, and keep it."""
        error = NotTraceable(why, what, source)
        self.refusal = self.refusal or error
        raise error

    def settled(self, value: Any) -> Any:
        """`value` with the text of each value in the place of a reference to it, in lists, tuples and dicts, too.

        For when the run is over. What has no reference in it is the same object as before. Raises `ProgramError` where
        the value was not made.
        """
        if isinstance(value, Reference):
            return value.referent.read() if isinstance(value.referent, Unread) else _made_text(value.referent)
        if isinstance(value, str):
            return "".join(map(_made_text, self.split(value))) if self.is_marked(value) else value
        if type(value) in (list, tuple):
            items = [self.settled(each) for each in value]
            is_same = all(new is old for new, old in zip(items, value, strict=True))
            return value if is_same else type(value)(items)
        if type(value) is dict:
            pairs = {self.settled(key): self.settled(each) for key, each in value.items()}
            is_same = all(key in value and value[key] is each for key, each in pairs.items())
            return value if is_same else pairs
        return value

    @staticmethod
    def is_marked(text: str) -> bool:
        """Whether a mark is in `text`."""
        return _BEGIN in text

    @staticmethod
    def has_remains(text: str) -> bool:
        """Whether a mark is in `text`, or what is left of one that was changed (to upper case, say)."""
        return _NONCE in text.lower()


def _made_text(part: str | TextReferent) -> str:
    if isinstance(part, str):
        return part
    assert isinstance(part, Entry), f"only a plan, which is not run, has the open argument {part}"
    part.check()
    return part.content()


class Reference(Expression):
    """A value of the model, or an argument, of which only this can be asked: to become part of text.

    Anything else is a decision of Python's on a value that does not exist yet, and raises `NotTraceable`.
    """

    __slots__ = ("_references", "referent", "what")

    def __init__(self, referent: Referent, what: str, references: References) -> None:
        self.referent = referent
        self.what = what
        """As an error names it."""
        self._references = references
        references.num_given += 1

    def __format__(self, spec: str) -> str:
        """Text that stands for it, where that is appended to a state at once; kept, it would be read as text."""
        if spec:
            self._refuse(f"formats it with {spec!r}")
        run = getattr(text_target(), "run_of_text", None)
        if getattr(run, "references", None) is not self._references:
            self._refuse("makes text of it that is not appended right there")
        references: References = self._references
        return references.mark(self.text_referent())

    def __str__(self) -> NoReturn:
        self._refuse("makes text of it that is not appended right there")

    def text_referent(self) -> TextReferent:
        """What it refers to, to become part of text; raises `NotTraceable` for what is more than text."""
        if isinstance(self.referent, Unread):
            self._refuse("makes text of it, which is more than text")
        return self.referent

    def __repr__(self) -> str:
        if not _is_called_by_us():
            self._refuse("shows it with its quotes (repr)")
        return f"<reference to {self.what}>"

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__" and not _is_called_by_us():
            self._refuse("asks for its type")  # `isinstance` of what the value is would be no
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)  # what protocols look for: it has none of them
        self._refuse(f"asks for its {name!r}")

    def _refuse(self, act: str) -> NoReturn:
        self._references.refuse(f"Python {act}", self.what, user_decision_line())


def _is_called_by_us() -> bool:
    """What calls the method that asks is of the language."""
    return is_of_language(sys._getframe(2))


def _refusing(act: str) -> Callable[..., NoReturn]:
    def refuse(self: Reference, *_: object) -> NoReturn:
        self._refuse(act)

    return refuse


def _refusals() -> Iterator[tuple[str, str]]:
    yield "__bool__", "decides on it"
    yield "__hash__", "looks it up"
    yield "__len__", "takes its length"
    yield "__iter__", "iterates over it"
    yield "__contains__", "looks into it"
    yield "__getitem__", "takes a part of it"
    yield "__call__", "calls it"
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        yield f"__{name}__", "compares it"
    for name in ("int", "float", "index", "bytes", "complex", "round", "neg", "abs"):
        yield f"__{name}__", "converts it"
    for name in ("sub", "mul", "truediv", "floordiv", "mod", "pow", "rsub", "rmul", "rtruediv", "rmod"):
        yield f"__{name}__", "computes with it"


for _name, _act in _refusals():
    setattr(Reference, _name, _refusing(_act))
