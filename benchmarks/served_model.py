"""ServedModel: `palmette serve` as a process, and what its processes have taken of the machine so far."""

import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

FOLDER = Path(__file__).parent
_TICKS = os.sysconf("SC_CLK_TCK")
_NUM_FILES = 4096
"""Connections, and some; a process may have 1,024 by default."""


@dataclass(frozen=True)
class ServerCpu:
    """Processor time in seconds, of the process that listens and of the engine's."""

    api_s: float
    engine_s: float

    def since(self, earlier: "ServerCpu") -> "ServerCpu":
        """What came in between."""
        return ServerCpu(self.api_s - earlier.api_s, self.engine_s - earlier.engine_s)


class ServedModel:
    """`with ServedModel() as served:`; Linux only, as what processes take is read from /proc."""

    host = "127.0.0.1"

    def __init__(self, *options: str) -> None:
        """`options`: more of `palmette serve`."""
        _raise_file_limit()
        command = [sys.executable, "-m", "palmette", "serve", "--port", "0", *options]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.port = self._find_port()
        self.api_id = self._process.pid
        (self.engine_id,) = _children_of(self.api_id)

    def __enter__(self) -> "ServedModel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def cpu(self) -> ServerCpu:
        """Of all threads, since the start."""
        return ServerCpu(cpu_of(self.api_id), cpu_of(self.engine_id))

    def api_mb(self) -> float:
        """Memory of the process that listens, in MB of 10^6 bytes; what it shares with others counts in part."""
        for line in Path(f"/proc/{self.api_id}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise AssertionError("expected a line Pss: in smaps_rollup")

    def ask(self, method: str, path: str) -> bytes:
        """A plain request. Raises AssertionError for any status but 200."""
        connection = HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path)
            reply = connection.getresponse()
            content = reply.read()
            assert reply.status == 200, (path, reply.status, content[:200])
            return content
        finally:
            connection.close()

    def num_steps(self) -> int:
        """Forward passes of the engine since the start."""
        (state,) = json.loads(self.ask("GET", "/get_server_info"))["internal_states"]
        return int(state["num_steps"])

    def _find_port(self) -> int:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = re.search(r"dashboard +http://[^:]+:(\d+)/dashboard", line)
            if found is not None:
                return int(found[1])
        raise AssertionError(f"expected the server to say where it is, but it ended with {self._process.wait()}")


class ClientProcess:
    """A script of this folder that talks to a server: a line of JSON in, a line of JSON out."""

    def __init__(self, script: str, served: ServedModel, *arguments: str) -> None:
        command = [sys.executable, str(FOLDER / script), served.host, str(served.port), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "ClientProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def tell(self, job: object) -> None:
        """Give it something to do."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """What came of it; waits for it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"expected an answer of the client, but it ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, job: object) -> Any:
        """`tell`, then `answer`."""
        self.tell(job)
        return self.answer()


def cpu_of(process_id: int) -> float:
    """Processor time of a process, all its threads, in seconds."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _children_of(process_id: int) -> list[int]:
    path = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(each) for each in path.read_text().split()]


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _NUM_FILES if hard == resource.RLIM_INFINITY else min(_NUM_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
