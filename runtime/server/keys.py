"""Keys: who may call what, compared in constant time; and how much at once."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .api_error import ApiError
from .settings import KeySettings

PUBLIC_PATHS = frozenset({"/health", "/dashboard"})
"""What needs no key (the dashboard's page holds nothing, and asks for one). Everything else does: a route that nobody
thought of is closed."""

ADMIN_PATHS = frozenset({"/flush_cache", "/get_server_info", "/server_info", "/metrics"})
"""What needs an admin's key: it changes the server for all, or tells of all."""

ADMIN_PREFIXES = ("/dashboard",)
"""Beginnings of paths that need an admin's key."""


class Keys:
    """Admits requests by their keys; see `KeySettings`."""

    def __init__(self, settings: KeySettings) -> None:
        self._settings = settings
        self._api_digests = tuple(map(_digest, settings.api_keys))
        self._admin_digests = tuple(map(_digest, settings.admin_keys))
        self._num_running: Counter[str] = Counter()

    @property
    def is_open(self) -> bool:
        """Whether there are no keys, so that everybody may do everything."""
        return not self._api_digests and not self._admin_digests

    def admit(self, path: str, given: str | None) -> str:
        """The tenant that the request is of, "" without keys.

        given: what came as key. Raises: ApiError, 401 where a key is missing or wrong, 403 where it is not enough.
        """
        if self.is_open or path in PUBLIC_PATHS:
            return ""
        if given is None:
            raise _unauthorized("expected a key in the header Authorization: Bearer, got none")
        digest = _digest(given)
        # All are compared, whichever fits, so that the time says nothing.
        is_admin = sum([hmac.compare_digest(digest, each) for each in self._admin_digests]) > 0
        is_user = sum([hmac.compare_digest(digest, each) for each in self._api_digests]) > 0
        if not is_admin and not is_user:
            raise _unauthorized("expected a key of this server, got another")
        if needs_admin(path) and not is_admin:
            raise ApiError(403, "expected an admin key for this path", type="permission_error", code="admin_only")
        return digest.hex()[:16]

    @contextmanager
    def running(self, tenant: str) -> Iterator[None]:
        """Count a request of this key. Raises: ApiError (429) where too many run."""
        limit = self._settings.max_concurrent_per_key
        if limit is not None and self._num_running[tenant] >= limit:
            raise ApiError(
                429,
                f"{limit} requests of this key are at work already; wait for one to end",
                type="rate_limit_error",
                code="too_many_requests",
                retry_after_s=1,
            )
        self._num_running[tenant] += 1
        try:
            yield
        finally:
            self._num_running[tenant] -= 1
            if not self._num_running[tenant]:
                del self._num_running[tenant]


def needs_admin(path: str) -> bool:
    """Whether the path is for admins alone."""
    return path in ADMIN_PATHS or path.startswith(ADMIN_PREFIXES)


def _digest(key: str) -> bytes:
    """Of one length for all keys, so that a comparison does not tell theirs."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, message, type="authentication_error", code="invalid_api_key")
