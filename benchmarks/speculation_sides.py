"""Side: an engine that guesses or does not, and what it reached on a workload."""

import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from measure import Timing
from speculation_workloads import Workload

import palmette as pm
from palmette.runtime.speculation.draft import SOURCES

Turn = Literal["first", "again"]
Texts = list[tuple[int, ...]]
"""The token ids of all generations, in order."""


@dataclass
class Figures:
    """What one side reached in one turn, over all rounds."""

    timing: Timing = field(default_factory=Timing)
    num_tokens: list[int] = field(default_factory=list)
    """Written in each round."""
    counts: Counter[str] = field(default_factory=Counter)
    """How much the engine's counters grew, over all rounds."""

    @property
    def tokens_per_s(self) -> float:
        """By the clock, the median of the rounds."""
        return statistics.median(
            num_tokens / seconds for num_tokens, seconds in zip(self.num_tokens, self.timing.wall_s, strict=True)
        )

    @property
    def passes_per_token(self) -> float:
        """Passes in which a row sampled, a token it wrote: 1 where no pass gives it two."""
        num_tokens = sum(self.num_tokens)
        num_saved = self.counts["num_verified_tokens"] - self.counts["num_verifications"]
        return (num_tokens - num_saved) / num_tokens

    @property
    def steps_per_token(self) -> float:
        """Forward passes a token that was written: those that only read are among them, and many rows share one."""
        return self.counts["num_steps"] / sum(self.num_tokens)

    @property
    def mask_us_per_token(self) -> float:
        """Time that filling masks took, on any thread."""
        return self.counts["mask_fill_us"] / sum(self.num_tokens)

    def accepted_shares(self) -> dict[str, float]:
        """Right guesses of each source, as a share of the tokens; what several guessed counts for each."""
        num_tokens = sum(self.num_tokens)
        return {source: self.counts[f"num_accepted_tokens_{source}"] / num_tokens for source in SOURCES}

    def plain(self) -> dict[str, Any]:
        """Plain values, of every round."""
        return {
            **asdict(self.timing),
            "num_tokens": self.num_tokens,
            "tokens_per_s": self.tokens_per_s,
            "passes_per_token": self.passes_per_token,
            "steps_per_token": self.steps_per_token,
            "mask_us_per_token": self.mask_us_per_token,
            "counts": dict(self.counts),
        }


@dataclass
class Pair:
    """Both sides on one workload."""

    workload: Workload
    on: dict[Turn, Figures] = field(default_factory=lambda: {"first": Figures(), "again": Figures()})
    off: dict[Turn, Figures] = field(default_factory=lambda: {"first": Figures(), "again": Figures()})
    num_texts: Counter[Turn] = field(default_factory=Counter)
    num_same: Counter[Turn] = field(default_factory=Counter)

    def compare(self, turn: Turn, expected: Texts, written: Texts) -> None:
        """Count the texts whose tokens are the same."""
        self.num_texts[turn] += max(len(expected), len(written))
        self.num_same[turn] += sum(one == other for one, other in zip(expected, written, strict=False))

    def ratio(self, turn: Turn) -> float:
        """How many times the tokens a second, by the clock: the median of the rounds' ratios."""
        return self._ratio(self.off[turn].timing.wall_s, self.on[turn].timing.wall_s, turn)

    def cpu_ratio(self, turn: Turn) -> float:
        """The same by processor time."""
        return self._ratio(self.off[turn].timing.cpu_s, self.on[turn].timing.cpu_s, turn)

    def _ratio(self, off: list[float], on: list[float], turn: Turn) -> float:
        rounds = zip(off, on, self.off[turn].num_tokens, self.on[turn].num_tokens, strict=True)
        return statistics.median((off_s / num_off) / (on_s / num_on) for off_s, on_s, num_off, num_on in rounds)


class Side:
    """An engine of its own."""

    def __init__(self, sources: str) -> None:
        self.name = sources
        self.engine = pm.Engine(dtype="float32", device="cpu", speculation=sources, max_total_tokens=262_144)

    def run(self, workload: Workload, salt: str, figures: Figures) -> Texts:
        """Run it once, add to the figures, and return what was written."""
        before = self.engine.stats()
        cpu, wall = time.process_time(), time.perf_counter()
        states = workload.run(self.engine, salt)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        after = self.engine.stats()
        texts = [
            sample.token_ids
            for state in states
            for _, operation in state.trace().operations()
            for sample in operation.samples
        ]
        figures.timing.wall_s.append(wall)
        figures.timing.cpu_s.append(cpu)
        figures.num_tokens.append(sum(map(len, texts)))
        figures.counts.update({name: after[name] - before[name] for name in after})
        return texts

    def close(self) -> None:
        """End the engine."""
        self.engine.shutdown()
