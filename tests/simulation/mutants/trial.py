"""A trial: runs seeds against the copy of the package that it is given, until one fails or the time is up.

A process of its own, started by `run.py` with: the folder of the copy, that of the tests, the first seed, the seconds.
Prints a line of JSON.
"""

import json
import resource
import signal
import sys
import time
from pathlib import Path
from types import FrameType

RUN_SECONDS = 15
"""CPU seconds after which a run hangs; the longest good one takes about one."""
MEMORY_BYTES = 12 * 2**30
"""Of address space; most of it is what torch reserves."""


class RunHangs(BaseException):
    """A run took far longer than any good one; no handler of the engine takes it for a fault of a request."""


def main() -> None:
    """Run seeds; what is printed says how many were good, and what the last one failed with, if it did."""
    home, tests = (Path(folder).resolve() for folder in sys.argv[1:3])
    first, seconds = int(sys.argv[3]), float(sys.argv[4])
    sys.path[:] = [str(home), str(tests / "simulation"), str(tests / "support"), *sys.path[1:]]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    import palmette

    assert palmette.__file__ is not None
    assert Path(palmette.__file__).resolve().is_relative_to(home), (
        f"imported {palmette.__file__}, not the one in {home}"
    )
    print(json.dumps(play(home, first, seconds)), flush=True)


def play(home: Path, first: int, seconds: float) -> dict[str, object]:
    """The seeds from `first` on, for so many CPU seconds of this process in all, imports included."""
    signal.signal(signal.SIGPROF, _hang)
    num_good = 0
    # Importing the tests' modules makes grammars and noise by the code under trial, so it may fail of itself.
    try:
        signal.setitimer(signal.ITIMER_PROF, RUN_SECONDS)
        import torch
        from soak import play as play_seed

        torch.set_num_threads(1)
        _check_all_from(home)
        while time.process_time() < seconds:
            signal.setitimer(signal.ITIMER_PROF, RUN_SECONDS)
            play_seed(first + num_good)
            num_good += 1
    except (Exception, RunHangs) as error:  # noqa: BLE001 - whatever tells of the fault
        signal.setitimer(signal.ITIMER_PROF, 0)
        return _report(num_good, first, f"{type(error).__name__}: {error}")
    signal.setitimer(signal.ITIMER_PROF, 0)
    return _report(num_good, first, None)


def _report(num_good: int, first: int, failure: str | None) -> dict[str, object]:
    seconds = round(time.process_time(), 1)
    return {"num_good": num_good, "seed": first + num_good, "failure": failure, "seconds": seconds}


def _check_all_from(home: Path) -> None:
    """One module of another tree would make the trial worthless."""
    modules = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "palmette"}
    files = {name: getattr(module, "__file__", None) for name, module in modules.items()}
    strangers = {name: file for name, file in files.items() if file and not Path(file).resolve().is_relative_to(home)}
    if strangers:
        sys.exit(f"expected all of palmette from {home}, got {strangers}")


def _hang(signum: int, frame: FrameType | None) -> None:
    raise RunHangs(f"a run did not end within {RUN_SECONDS} CPU seconds")


if __name__ == "__main__":
    main()
