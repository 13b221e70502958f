"""The backend that programs run on when `run` names none."""

import atexit
import os
import threading
from collections.abc import Callable

from .backend import Backend, check_backend
from .errors import BackendNotSet
from .running.portal import PORTAL


class DefaultBackend:
    """Holds the default backend; one that the factory made is also ended here, at exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._backend: Backend | None = None
        self._made: Backend | None = None
        self._factory: Callable[[], Backend] | None = None

    def set_factory(self, factory: Callable[[], Backend]) -> None:
        """What makes the default backend on first use, where none was set."""
        self._factory = factory

    def set(self, backend: Backend | None) -> None:
        """Make `backend` the default; None goes back to the factory's."""
        if backend is not None:
            check_backend("backend", backend)
        self._backend = backend

    @property
    def current(self) -> Backend | None:
        """The default backend, if there is one already."""
        return self._backend or self._made

    def get(self) -> Backend:
        """The default backend, made now if need be; raises `BackendNotSet` where there is none to be had."""
        with self._lock:
            if self._backend is not None:
                return self._backend
            if self._made is None:
                if self._factory is None:
                    raise BackendNotSet(
                        "expected a backend to run on, found no default; call palmette.set_default_backend(backend) "
                        "or pass backend=... to run"
                    )
                self._made = self._factory()
            return self._made

    def close(self) -> None:
        """End what the factory made."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            PORTAL.call(made.aclose())

    def forget(self) -> None:
        """In a forked child: the made backend's threads were not forked along."""
        self._lock = threading.Lock()
        self._made = None


DEFAULT_BACKEND = DefaultBackend()
"""The default of this process."""

atexit.register(DEFAULT_BACKEND.close)  # registered after the portal's, so it runs before it
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DEFAULT_BACKEND.forget)


def set_default_backend(backend: Backend | None) -> None:
    """Programs run on `backend` where `run` names no other; None goes back to an `Engine()` made on first use."""
    DEFAULT_BACKEND.set(backend)


def flush_cache(backend: Backend | None = None) -> None:
    """Forget all cached prefixes that no live branch uses."""
    PORTAL.call((backend or DEFAULT_BACKEND.get()).aflush_cache())
