"""The page that shows a record: one HTML file with its style, its script and the record inside."""

import html
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from ..sampling_params import SamplingParams

_FOLDER = Path(__file__).parent
_MAX_EXACT = 2**53 - 1
"""JavaScript reads larger integers as the nearest float."""


def trace_page(record_json: str, title: str) -> str:
    """A whole HTML document; `record_json` is what `Record.to_json` gives.

    Nothing of the record is written as markup: the script reads it as data and shows it as text.
    """
    content = {"record": _exact(json.loads(record_json)), "defaults": msgspec.to_builtins(SamplingParams())}
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    parts = {
        "{{title}}": html.escape(title),
        "{{style}}": _asset("trace_page.css"),
        "{{record}}": _as_script_data(data),
        "{{script}}": _asset("trace_page.js"),
    }
    page = _asset("trace_page.html")
    pieces: list[str] = []
    for mark, text in parts.items():  # in the order of the page, so that no text is searched for marks
        before, page = page.split(mark, 1)
        pieces += [before, text]
    return "".join([*pieces, page])


def notebook_frame(page: str, height: int = 560) -> str:
    """The page in a frame of its own, where its style and script meet nothing of the notebook's; `height` in pixels."""
    return (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" title="trace" '
        f'style="width:100%;height:{height}px;border:0" loading="lazy"></iframe>'
    )


@cache
def _asset(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _as_script_data(data: str) -> str:
    """JSON that cannot end the element it stands in, nor begin a comment there."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _exact(value: Any) -> Any:
    """The value with integers that JavaScript would round written as strings."""
    if isinstance(value, dict):
        return {key: _exact(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MAX_EXACT:
        return str(value)
    return value
