"""`palmette serve` on sprig, once for all clients of a run, and the programs of the page on clients, run against it.

The tests of a client are skipped, with that reason, where its package is not installed. `make clients` installs them,
each with what it wants in an environment of its own, and says in PALMETTE_PYTHON which interpreter has palmette.
"""

import os
import re
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server_process import serving

PAGE = Path(__file__).parent.parent.parent / "docs" / "clients.md"
WRITTEN_URL = "http://localhost:30000"
"""What programs in documents have for the server."""

RunProgram = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with serving(python=os.environ.get("PALMETTE_PYTHON", sys.executable)) as (process, address):
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.fixture(scope="session")
def run_program(url: str, tmp_path_factory: pytest.TempPathFactory) -> RunProgram:
    """Runs the program that stands under a heading of the page; gives its variables."""

    def run(heading: str) -> dict[str, Any]:
        pattern = rf"^## {re.escape(heading)}\n(?:(?!^## ).)*?^```python\n(.*?)^```$"
        found = re.search(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        assert found is not None, f"{PAGE.name} has no program under {heading!r}"
        assert WRITTEN_URL in found[1]
        # A file, since some clients look at the source of what they are given.
        path = tmp_path_factory.mktemp("program") / f"{heading.replace(' ', '_')}.py"
        path.write_text(found[1].replace(WRITTEN_URL, url), encoding="utf-8")
        return runpy.run_path(str(path))

    return run
