"""What the tests of the language share: a scripted backend whose branches must all be closed in the end."""

import threading
from collections.abc import Iterator

import pytest
from scripted_backend import ScriptedBackend

from palmette.lang.default_backend import DEFAULT_BACKEND


@pytest.fixture
def backend() -> Iterator[ScriptedBackend]:
    """The default backend of the test."""
    backend = ScriptedBackend()
    before = DEFAULT_BACKEND._backend
    DEFAULT_BACKEND.set(backend)
    yield backend
    DEFAULT_BACKEND.set(before)
    for thread in threading.enumerate():
        if thread.name.startswith("palmette-stream"):
            thread.join(timeout=10)  # a reader may be done before the program is
    backend.check_all_closed()
