"""The errors of an engine in a process of its own.

EngineError
├── EngineClosed
│   └── EngineRestarted            the engine's process ended or hung, and is being started again
├── EngineNotStarted               the engine's process did not come up
├── FrameTooLong (ValueError)      a message is longer than a frame may be
└── SlowReader                     what a request wrote was not read as fast as it came
"""

from ...errors import EngineClosed, EngineError


class EngineRestarted(EngineClosed):
    """The engine's process ended or hung while the request was in it, or is not up again yet; ask again."""


class EngineNotStarted(EngineError):
    """The engine's process ended, or said nothing, before its model was loaded."""


class FrameTooLong(EngineError, ValueError):
    """A message is longer than a frame may be; both lengths are in bytes."""

    def __init__(self, frame_len: int, max_frame_len: int) -> None:
        self.frame_len = frame_len
        self.max_frame_len = max_frame_len
        super().__init__(
            f"message to or from the engine's process: expected at most {max_frame_len} bytes, got {frame_len}; "
            "ask for less at once"
        )


class SlowReader(EngineError):
    """More than `max_bytes` of what a request wrote waited to be read, so that it was cancelled."""

    def __init__(self, num_bytes: int, max_bytes: int) -> None:
        self.num_bytes = num_bytes
        self.max_bytes = max_bytes
        super().__init__(
            f"the request was cancelled: {num_bytes} bytes of events waited for their reader, and at most {max_bytes} "
            "may; read faster, or ask for less"
        )
