"""CustomInput: the text of a custom tool, read out of the JSON that a model writes around it, as it comes."""

import json
import re

_UNIT = re.compile(r'[^"\\]+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]')
_HIGH_SURROGATE = re.compile(r"\\u[dD][89abAB]")


class CustomInput:
    """Reads `{"input": "..."}`, whose string alone is given on, its escapes resolved; none is ever cut in two."""

    def __init__(self) -> None:
        self._held = ""
        self._is_open = False
        self._is_closed = False

    def feed(self, text: str) -> str:
        """More of the input."""
        self._held += text
        if not self._is_open:
            head, colon, rest = self._held.partition(":")
            before, quote, self_rest = rest.partition('"')
            if not colon or not quote:
                return ""
            assert not before.strip(), (head, before)
            self._is_open, self._held = True, self_rest
        if self._is_closed:
            return ""
        units: list[str] = []
        position = 0
        while (match := _UNIT.match(self._held, position)) is not None:
            unit = match[0]
            if _HIGH_SURROGATE.match(unit) and len(unit) == 6 and len(self._held) - match.end() < 6:
                break  # its other half may be on the way
            units.append(unit)
            position = match.end()
        self._is_closed = self._held[position : position + 1] == '"'
        self._held = self._held[position:]
        decoded: str = json.loads('"' + "".join(units) + '"', strict=False)
        return decoded
