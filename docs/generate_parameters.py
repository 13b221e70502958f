"""Writes docs/parameters.md from the tables of parameters: `python docs/generate_parameters.py`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from palmette.runtime.server.endpoint_parameters import ENDPOINTS, Endpoint
from palmette.runtime.server.native.sampling_parameters import SAMPLING_PARAMETERS
from palmette.runtime.server.parameters import Parameter

PAGE = Path(__file__).parent / "parameters.md"

_HEAD = """# Parameters of the HTTP API

What becomes of each parameter of each endpoint. This page is made from the tables that the server itself refuses by
(`runtime/server/endpoint_parameters.py` lists them). Of a parameter that is

- **supported**, the right column says what it does, or which values it takes;
- **refused**, a request with it fails with status 400, and the error says why;
- **ignored**, the request may hold it, and nothing is changed by it.

What is in no table is refused in a body, where nothing else is said, and ignored in a query. Bodies are JSON; `/docs`
of a server shows their schemas. A key comes in the header `Authorization: Bearer KEY` or `X-API-Key: KEY`, where the
server has keys.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for endpoint in ENDPOINTS:
        if endpoint.same_as is None and endpoint.parameters:
            yield f"## {_title(endpoint)}\n"
            also = [f"`{each.path}`" for each in ENDPOINTS if each.same_as == endpoint.path]
            if also:
                yield f"{' and '.join(also)} takes the same.\n"
            yield from _table(endpoint.parameters)
            if endpoint.is_open:
                yield "Other fields of the body are ignored.\n"
            if endpoint.path == "/generate":
                yield "### In `sampling_params`\n"
                yield from _table(SAMPLING_PARAMETERS)
    yield "## Without parameters\n"
    yield "Besides what is in their paths, nothing is asked of these:\n"
    for endpoint in ENDPOINTS:
        if not endpoint.parameters:
            yield f"- `{_title(endpoint)}`"


def _title(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def _table(parameters: Iterable[Parameter]) -> Iterator[str]:
    yield "| parameter | | |"
    yield "|---|---|---|"
    for each in parameters:
        name = f"`{each.name}`" + (" (query)" if each.place == "query" else "")
        yield f"| {name} | {each.verdict} | {_cell(each.reason)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
