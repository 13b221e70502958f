"""A process that speaks as the engine's does and computes nothing: `python -m stub_engine_process FD`.

What it does is the seed of the options: 1 ends at once, 2 never comes up, 3 says that its engine's loop is silent, 4
does not end when it is asked to; all others are well behaved. A branch that is opened with the seed 9 ends the process.
A run says one event and goes on for ever.
"""

import os
import signal
import socket
import sys
import time

from palmette.lang.events import TextDelta
from palmette.runtime.server.process.frames import FrameReader, append_frame
from palmette.runtime.server.process.messages import (
    ENCODER,
    REQUEST_DECODER,
    BranchesOpened,
    Configure,
    EngineFacts,
    Happened,
    OpenBranch,
    Ping,
    Pong,
    Request,
    RunOperations,
    Shutdown,
    Started,
)

FACTS = EngineFacts(
    process_id=os.getpid(),
    model_name="stub",
    model_folder="",
    context_len=1,
    vocab_size=1,
    page_size=1,
    num_pages=1,
    device="cpu",
    dtype="none",
)


def answer(call_id: int, request: Request, seed: int | None) -> object:
    match request:
        case Configure():
            return Started(FACTS)
        case Ping():
            return Pong(100.0 if seed == 3 else 0.0)
        case OpenBranch():
            if request.seed == 9:
                os._exit(7)
            return BranchesOpened((call_id,))
        case RunOperations():
            return Happened(TextDelta(0, "text"))
        case Shutdown():
            if seed != 4:
                sys.exit(0)
    return None


def main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end, reader, seed = socket.socket(fileno=int(sys.argv[1])), FrameReader(), None
    while data := end.recv(65536):
        for call_id, payload in reader.feed(data):
            request = REQUEST_DECODER.decode(payload)
            if isinstance(request, Configure):
                seed = request.config.random_seed
                if seed == 1:
                    sys.exit(5)
                if seed == 2:
                    time.sleep(60)
            message = answer(call_id, request, seed)
            if message is not None:
                buffer = bytearray()
                append_frame(buffer, call_id, message, ENCODER, 1_000_000)
                end.sendall(buffer)


if __name__ == "__main__":
    main()
