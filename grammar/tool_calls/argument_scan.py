"""ArgumentScan: where the arguments of a call end, found character by character without reading what they say."""

from dataclasses import dataclass

from .call_format import ArgumentStyle

MAX_DEPTH = 200
"""Levels of brackets that a parser reads; deeper arguments are an error."""
_CLOSING = {"{": "}", "[": "]", "(": ")"}


@dataclass(frozen=True, slots=True)
class ArgumentScan:
    """A place inside the arguments: the brackets that are open, the quote of the string that is open.

    JSON arguments end with the bracket that closes them, Python's before the parenthesis that closes the call.
    """

    style: ArgumentStyle
    closers: str = ""
    """The brackets that will close what is open, the innermost last."""
    quote: str | None = None
    is_escaped: bool = False

    def ends_before(self, character: str) -> bool:
        """Whether the arguments have ended and `character` is the first behind them."""
        return self.style == "python" and character == ")" and not self.closers and self.quote is None

    def step(self, character: str) -> "ArgumentScan | None":
        """The place after `character`; None where the arguments end with it. Raises `ValueError` for wrong brackets."""
        if self.quote is not None:
            if self.is_escaped:
                return ArgumentScan(self.style, self.closers, self.quote)
            if character == self.quote:
                return ArgumentScan(self.style, self.closers)
            return ArgumentScan(self.style, self.closers, self.quote, is_escaped=True) if character == "\\" else self
        if character == '"' or (character == "'" and self.style == "python"):
            return ArgumentScan(self.style, self.closers, character)
        if character in _CLOSING:
            if len(self.closers) >= MAX_DEPTH:
                raise ValueError(f"arguments nested at most {MAX_DEPTH} levels deep")
            return ArgumentScan(self.style, self.closers + _CLOSING[character])
        if character in "}])":
            if not self.closers.endswith(character):
                raise ValueError(f"{self.closers[-1:] or 'arguments'!r} before any {character!r}")
            rest = self.closers[:-1]
            return None if self.style == "json" and not rest else ArgumentScan(self.style, rest)
        if self.style == "json" and not self.closers:
            raise ValueError("'{', which begins the arguments")
        return self
