"""The compile worker, `python -m palmette.grammar.compiling.worker`: reads constraints, writes what they come to.

It does all that may take long or go wrong: it reads the constraint, and lets the engine have it once. What it hands
back is known to compile.
"""

import os
import resource
import sys
import warnings
from typing import IO

from ..engines.engine_set import EngineSet
from ..front import prepare
from ..spec import Constraint
from .messages import Compiled, Message, OutOfMemory, Settings, Started, read_message, write_message


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the other side has ended."""
    settings = read_message(requests)
    assert isinstance(settings, Settings), settings
    resource.setrlimit(resource.RLIMIT_DATA, (settings.memory_limit_bytes, settings.memory_limit_bytes))
    engines = EngineSet(settings.vocabulary)
    warnings.simplefilter("ignore")  # they are the business of the process that asked
    write_message(answers, Started())
    while True:
        try:
            constraint = read_message(requests)
        except EOFError:
            return
        write_message(answers, _answer(constraint, engines))  # type: ignore[arg-type] # nothing else is sent


def _answer(constraint: Constraint, engines: EngineSet) -> Message:
    try:
        prepared = prepare(constraint)
        serialized = engines.vet(prepared.choice)
    except MemoryError:
        return OutOfMemory()
    except Exception as error:  # noqa: BLE001 - it is the answer, and raised where the constraint came from
        return error
    return Compiled(prepared, serialized)


def main() -> None:
    """Standard input and output carry the messages; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
