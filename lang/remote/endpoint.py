"""RuntimeEndpoint: a palmette server, somewhere on the network, as a backend of the language."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..backend import Branch
from ..errors import InvalidArgument
from ..plan import Plan
from ..running.portal import PORTAL
from ..terms import DEFAULT_TERMS, Terms
from ..wire import OpenBody
from .connection import ConnectionSet, ask_now
from .remote_branch import RemoteBranch, RemoteBranches
from .remote_plan_run import RemotePlanRun


class RuntimeEndpoint:
    """Runs programs on a palmette server.

        palmette.set_default_backend(palmette.RuntimeEndpoint("http://127.0.0.1:30000"))

    A program's whole plan goes out as one request and runs in the server's engine, forks included; where Python
    decides what comes next, the branches stay live on the server between two requests, with their token ids and
    all that is computed for them. A live branch is this client's alone, and has a lease: where nothing is asked of it
    for long (the server says how long; ten minutes if it was not told otherwise), it is closed, and an operation that
    comes later fails. Constraints, errors, seeds and terms are as in an engine of this process.

    `api_key`: None takes that of the environment variable PALMETTE_API_KEY, if it is set. `connect_timeout_s`: to reach
    the server at all; `silence_timeout_s`: how long it may say nothing, while it works it says something more often.

    Its `flush_cache` is the server's, which may want an admin key.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        connect_timeout_s: float = 10.0,
        silence_timeout_s: float = 120.0,
    ) -> None:
        """Asks nothing of the server yet. Raises `InvalidArgument` for what is no address."""
        if not isinstance(base_url, str) or not base_url.startswith(("http://", "https://")):
            raise InvalidArgument("base_url", "an address such as http://127.0.0.1:30000", base_url)
        self.base_url = base_url.rstrip("/").removesuffix("/v1")
        api_key = os.environ.get("PALMETTE_API_KEY") if api_key is None else api_key
        self._headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._connections = ConnectionSet(
            self.base_url, self._headers, connect_timeout_s=connect_timeout_s, silence_timeout_s=silence_timeout_s
        )
        self._branches = RemoteBranches(self._connections)

    # --- the language's port

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> RemoteBranch:
        """See `lang.backend.Backend`."""
        return await self._branches.open(OpenBody(seed, cache_salt, terms))

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool = False,
    ) -> RemotePlanRun:
        """See `lang.backend.PlanBackend`; the request goes out when the events are first asked for."""
        return RemotePlanRun(
            plan, roots, self._branches, seed=seed, cache_salt=cache_salt, terms=terms, is_streaming=is_streaming
        )

    async def aflush_cache(self) -> None:
        """Forget all prefixes that the server has cached and no live branch uses."""
        await self._connections.current().tell("POST", "/flush_cache")

    async def aclose(self) -> None:
        """Close the branches this client still has open, and its sockets; a later use opens new ones."""
        try:
            await self._branches.close_all()
        finally:
            await self._connections.aclose()

    # --- for those who do not await

    def flush_cache(self) -> None:
        """`aflush_cache`, for any thread."""
        PORTAL.call(self.aflush_cache())

    def close(self) -> None:
        """`aclose`, for any thread; a second call does nothing."""
        PORTAL.call(self.aclose())

    def __enter__(self) -> "RuntimeEndpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what traces and plans ask

    @cached_property
    def model_name(self) -> str:
        """The model that the server runs."""
        return str(self._ask("GET", "/get_model_info")["model_path"])

    def token_len(self, text: str) -> int:
        """How many tokens `text` has by itself, by the server's tokenizer; no special tokens are read in it."""
        body = {"prompt": text, "add_special_tokens": False, "has_special": False}
        return int(self._ask("POST", "/tokenize", body)["count"])

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """From whichever thread, one with a running loop included."""
        return ask_now(self.base_url, self._headers, method, path, dict[str, Any], body)
