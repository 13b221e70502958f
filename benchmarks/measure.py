"""Measuring: contestants in turns, several rounds, medians."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Timing:
    """What the rounds of one contestant took, in seconds."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    """Processor time of the whole process, all its threads: steadier than the clock where others use the machine."""

    @property
    def median_wall_s(self) -> float:
        """By the clock."""
        return statistics.median(self.wall_s)

    @property
    def median_cpu_s(self) -> float:
        """By the processor."""
        return statistics.median(self.cpu_s)


def interleave(contestants: Mapping[str, Callable[[], object]], num_rounds: int) -> dict[str, Timing]:
    """Run the contestants in turns, A B C A B C ..., so that a slow minute of the machine is slow for all of them.

    The caller has warmed them up.
    """
    timings = {name: Timing() for name in contestants}
    for _ in range(num_rounds):
        for name, run in contestants.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            timings[name].wall_s.append(time.perf_counter() - wall)
            timings[name].cpu_s.append(time.process_time() - cpu)
    return timings
