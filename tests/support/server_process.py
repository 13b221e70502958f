"""serving: `palmette serve` as a process, for as long as a block lasts."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def serving(*options: str, python: str = sys.executable) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its address once it has said it; killed at the end, where it has not ended by then.

    python: the interpreter that has palmette.
    """
    command = [python, "-m", "palmette", "serve", "--port", "0", "--max-total-tokens", "8192", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            found = re.search(r"dashboard +(http://\S+)/dashboard", line)
            if found is not None:
                yield process, found[1]
                break
        else:
            pytest.fail("it ended without a word of where it is")
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
