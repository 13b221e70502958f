"""OpenAIEndpoint: any OpenAI-compatible endpoint as a backend of the language, as far as that can be one."""

import os
from time import monotonic

from .errors import InvalidArgument
from .remote.chat_tape import Api, ChatTape
from .remote.connection import ConnectionSet
from .remote.errors import EndpointLimit
from .remote.openai_branch import OpenAIBranch, OpenAIBranches
from .remote.openai_request import Dialect
from .running.portal import PORTAL
from .terms import DEFAULT_TERMS, Terms


class OpenAIEndpoint:
    """Runs programs against an endpoint that speaks OpenAI's language.

        palmette.set_default_backend(palmette.OpenAIEndpoint("gpt-5-mini", api_key="..."))

    An endpoint is a weaker backend than an engine, and what it cannot do raises `EndpointLimit` (as the cause of a
    `ProgramError`) before it is asked:

    - Each `gen` is a request of its own with the whole text so far; a fork shares nothing but what the endpoint
      remembers by itself. Branches run at the same time all the same.
    - api="chat" (the default): text is in turns, and a `gen` or a `select` is a whole turn of the assistant.
      api="completions": plain text, no turns.
    - Constraints: a JSON Schema (types, too), through `response_format`. With dialect="vllm", for endpoints that know
      vLLM's parameters, also regexes, choices and grammars, and top_k, min_p and the like.
    - `select` reads the log-probabilities that the endpoint gives: in a chat those of the first token, so choices must
      begin differently; in completions those of the whole text, by an echo. It refuses to draw.
    - No token ids, so no `score`, no log-probabilities of a `gen`, and no tools. Seeds are the endpoint's promise.

    `api_key`: None takes OPENAI_API_KEY from the environment, if it is set. `base_url` ends in the version: ".../v1".
    """

    def __init__(
        self,
        model: str,
        base_url: str = "https://api.openai.com/v1",
        api_key: str | None = None,
        *,
        api: Api = "chat",
        dialect: Dialect = "openai",
        connect_timeout_s: float = 10.0,
        silence_timeout_s: float = 600.0,
    ) -> None:
        """Asks nothing of the endpoint yet. Raises `InvalidArgument`."""
        if not isinstance(base_url, str) or not base_url.startswith(("http://", "https://")):
            raise InvalidArgument("base_url", "an address such as https://api.openai.com/v1", base_url)
        if api not in ("chat", "completions"):
            raise InvalidArgument("api", "'chat' or 'completions'", api)
        if dialect not in ("openai", "vllm"):
            raise InvalidArgument("dialect", "'openai' or 'vllm'", dialect)
        self.model_name = model
        self._api = api
        self._dialect = dialect
        api_key = os.environ.get("OPENAI_API_KEY") if api_key is None else api_key
        headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._connections = ConnectionSet(
            base_url.rstrip("/"), headers, connect_timeout_s=connect_timeout_s, silence_timeout_s=silence_timeout_s
        )
        self._branches = OpenAIBranches(self._connections, model, api, dialect)

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> OpenAIBranch:
        """See `lang.backend.Backend`. Of the terms, only `timeout_s` can be kept, from here.

        Raises: EndpointLimit.
        """
        asked = {"cache_salt": cache_salt, "priority": terms.priority, "queue_timeout_s": terms.queue_timeout_s}
        for name, value in asked.items():
            if value:
                raise EndpointLimit(f"expected no {name}, got {value!r}: the endpoint cannot be told; leave it out")
        return OpenAIBranch(self._branches, ChatTape(self._api), seed=seed, path="", terms=terms, began=monotonic())

    async def aflush_cache(self) -> None:
        """Raises: EndpointLimit; what the endpoint remembers is its own affair."""
        raise EndpointLimit("expected a backend whose cache can be flushed, got an endpoint that has no such request")

    async def aclose(self) -> None:
        """Close all branches and sockets."""
        self._branches.branches.clear()
        await self._connections.aclose()

    def close(self) -> None:
        """`aclose`, for any thread."""
        PORTAL.call(self.aclose())

    def __enter__(self) -> "OpenAIEndpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
