"""PatternReader: a place in the text of a regular expression, and the errors that name it."""

from ..errors import InvalidRegex, UnsupportedRegex


class PatternReader:
    """Reads `pattern` character by character; `position` is the index of the next one."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all is read."""
        return self.position >= len(self.pattern)

    def peek(self) -> str:
        """The next character, which must be there."""
        return self.pattern[self.position]

    def starts(self, texts: tuple[str, ...] | str) -> bool:
        """Whether the rest begins with `texts` or one of them."""
        return self.pattern.startswith(texts, self.position)

    def next(self) -> str:
        """The next character, read; raises `InvalidRegex` at the end."""
        if self.is_at_end:
            raise self.invalid("an end in the middle")
        self.position += 1
        return self.pattern[self.position - 1]

    def take(self, text: str) -> bool:
        """Whether `text` came next; then it is read."""
        if self.starts(text):
            self.position += len(text)
            return True
        return False

    def invalid(self, reason: str, position: int | None = None) -> InvalidRegex:
        """The error at `position`; None: here."""
        return InvalidRegex(self.pattern, self.position if position is None else position, reason)

    def unsupported(self, construct: str, hint: str, position: int | None = None) -> UnsupportedRegex:
        """The error at `position`; None: here."""
        return UnsupportedRegex(self.pattern, self.position if position is None else position, construct, hint)
