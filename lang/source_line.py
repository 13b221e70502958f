"""Where in the user's code a primitive was appended."""

import contextlib
import os
import sys

_LANG = os.path.dirname(os.path.abspath(__file__)) + os.sep
_CONTEXTLIB = contextlib.__file__


def user_source_line() -> str:
    """`file:line` of the innermost frame outside this package; a few attribute reads, no source is opened."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_ours(filename: str) -> bool:
    return filename.startswith(_LANG) or filename == _CONTEXTLIB
