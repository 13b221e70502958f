"""Messages between the engine's process and a compile worker: pickles of this package's own classes, length first."""

import pickle
import struct
from dataclasses import dataclass
from typing import IO

from ..front import PreparedGrammar
from ..spec import Constraint
from ..vocabulary import Vocabulary

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Settings:
    """The first message to a worker."""

    vocabulary: Vocabulary
    memory_limit_bytes: int


@dataclass(frozen=True, slots=True)
class Started:
    """A worker's first message: it has imported what it needs, and waits for constraints."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A constraint that compiles. `serialized`: xgrammar's own form of it, where xgrammar is the engine."""

    prepared: PreparedGrammar
    serialized: str | None = None


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The memory limit was met."""


Message = Settings | Started | Constraint | Compiled | OutOfMemory | Exception
"""An exception is the answer where a constraint does not compile."""


def write_message(stream: IO[bytes], message: Message) -> None:
    """Write one message; raises `OSError` where nobody reads any more."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_message(stream: IO[bytes]) -> Message:
    """Read one message; raises `EOFError` where the other side has ended."""
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    message: Message = pickle.loads(_read(stream, length))
    return message


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError("the other side has ended")
    return data
