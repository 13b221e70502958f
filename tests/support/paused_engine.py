"""An engine that pauses in its work, so that a test of streaming does not depend on who is faster, engine or reader."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from palmette.runtime.engine import EngineCore
from palmette.runtime.local.embedded import Engine

LONGEST_PAUSE_S = 60.0


class Pause:
    """Holds the engine between two steps until `end` is called."""

    def __init__(self) -> None:
        self._has_ended = threading.Event()
        self.ran_out = False

    def end(self) -> None:
        """The engine goes on."""
        self._has_ended.set()

    def wait(self) -> None:
        """Until `end`; a reader that never calls it, because nothing reaches it, is not waited for for ever."""
        self.ran_out = not self._has_ended.wait(LONGEST_PAUSE_S)


@contextmanager
def paused_engine(num_steps: int) -> Iterator[tuple[Engine, Pause]]:
    """An engine that takes `num_steps` steps, a token each, and pauses.

    What is read before `end` was made in those steps: it came while the request was still at work.
    """
    with Engine(max_total_tokens=4096, speculation="off") as engine:
        pause = Pause()
        num_taken = 0

        def install(core: EngineCore) -> None:
            step = core.step

            def counted() -> bool:
                nonlocal num_taken
                if num_taken == num_steps:
                    pause.wait()
                num_taken += 1
                return step()

            core.step = counted  # type: ignore[method-assign]

        engine._thread.ask(install).result()
        try:
            yield engine, pause
        finally:
            pause.end()
        assert num_taken > num_steps, f"the engine took {num_taken} steps in all and never came to its pause"
        assert not pause.ran_out, "nothing was read while the engine paused"
