"""Shows a program's text while it grows: in a notebook in one place, on a terminal as it comes."""

import html
import sys
from collections.abc import Iterable
from typing import Protocol


class Display(Protocol):
    """A place whose content can be replaced: what IPython's `display(..., display_id=True)` gives."""

    def update(self, content: object) -> None:
        """Show `content` in place of what was there."""
        ...


class Page:
    """HTML for a notebook; on a terminal, the text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{html.escape(self._text)}</pre>'

    def __repr__(self) -> str:
        return self._text


def show_text(chunks: Iterable[str], display: Display | None = None) -> None:
    """Show `chunks` as they come, all of them together, and return at the end; raises what they raise.

    display: where to show them; None: a new place in the notebook that this runs in, or else standard output.
    """
    place = _notebook_display() if display is None else display
    text = ""
    for chunk in chunks:
        text += chunk
        if place is None:
            print(chunk, end="", flush=True)
        else:
            place.update(Page(text))
    if place is None:
        print()


def _notebook_display() -> Display | None:
    """A place in the notebook, where IPython runs one; it is never imported for this."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    place: Display = sys.modules["IPython.display"].display(Page(""), display_id=True)
    return place
