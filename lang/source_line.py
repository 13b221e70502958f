"""Where in the user's code a primitive was appended."""

import asyncio
import contextlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Coroutine
from contextvars import ContextVar
from types import FrameType
from typing import Any

_LANG = os.path.dirname(os.path.abspath(__file__)) + os.sep
_CONTEXTLIB = contextlib.__file__
_ASYNCIO = os.path.dirname(os.path.abspath(asyncio.__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_SITE_PACKAGES = sysconfig.get_path("purelib") + os.sep

CALLER_LINE: ContextVar[str | None] = ContextVar("palmette_caller_line", default=None)
"""What the user's code was at when it had a coroutine of ours run on another loop."""


def is_of_language(frame: FrameType) -> bool:
    """The frame runs code of this package, `lang` and its folders."""
    return frame.f_code.co_filename.startswith(_LANG)


def user_source_line() -> str:
    """`file:line` of the innermost frame outside this package; a few attribute reads, no source is opened."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    if frame.f_back is None or frame.f_code.co_filename.startswith(_ASYNCIO):
        caller = CALLER_LINE.get()
        if caller is not None:
            return caller
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def user_decision_line() -> str:
    """`user_source_line` of something that also the standard library may do for the user's code: to compare, say."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return user_source_line() if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def user_line_of(error: BaseException) -> str | None:
    """`file:line` where the user's code called what raised `error`; a line of the standard library is not theirs."""
    lines = [(frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(error.__traceback__)]
    users = [line for line in lines if _is_users(line[0])]
    if not lines:
        return None
    filename, number = (users or lines)[-1]
    return f"{filename}:{number}"


def awaiting_line(coroutine: Coroutine[Any, Any, Any]) -> str | None:
    """`file:line` where the user's code awaits, in a coroutine that is suspended."""
    line = None
    awaited: object = coroutine
    while inspect.iscoroutine(awaited):
        frame = awaited.cr_frame
        if frame is not None and _is_users(frame.f_code.co_filename):
            line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        awaited = awaited.cr_await
    return line


def _is_users(filename: str) -> bool:
    is_library = filename.startswith(_STDLIB) and not filename.startswith(_SITE_PACKAGES)
    is_library = is_library or filename.startswith("<frozen ")
    return not (_is_ours(filename) or is_library)


def _is_ours(filename: str) -> bool:
    return filename.startswith(_LANG) or filename == _CONTEXTLIB
