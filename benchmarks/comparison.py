"""Comparison: one workload, run by palmette and in every way of transformers, in turns."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from answer import Answer, agreement, num_tokens_of
from catalogue import AnyWorkload
from measure import Timing, interleave
from memory import PeakMemory
from palmette_side import PalmetteSide
from programs.program_workload import Aim, ProgramWorkload
from transformers_peer import TransformersPeer

Run = Callable[[Any, int], list[Answer]]
"""A workload, of either kind, and its number of tokens."""


@dataclass(frozen=True)
class Figures:
    """What one contestant reached on one workload."""

    name: str
    num_tokens: int
    work: Timing
    """The whole workload."""
    first: Timing
    """The workload with one token an answer: until every answer has begun."""
    agreement: float | None
    """Share of the tokens that are palmette's; 1: identical; None where others are meant."""
    memory: PeakMemory | None = None

    @property
    def tokens_per_s(self) -> float:
        """Tokens written, by the clock; the median of the rounds."""
        return self.num_tokens / self.work.median_wall_s

    @property
    def tokens_per_cpu_s(self) -> float:
        """Tokens written for each second of processor time."""
        return self.num_tokens / self.work.median_cpu_s


@dataclass(frozen=True)
class Comparison:
    """All contestants of one workload."""

    workload: AnyWorkload
    palmette: Figures
    peers: tuple[Figures, ...]
    """The ways `generate` offers; palmette is measured against the fastest of them."""
    peers_by_hand: tuple[Figures, ...]
    variants: tuple[Figures, ...] = ()
    """Other ways of palmette."""

    @property
    def best_peer(self) -> Figures:
        """The fastest way that `generate` offers."""
        return max(self.peers, key=lambda peer: peer.tokens_per_s)

    def time_ratio(self, aim: Aim) -> float:
        """How many times as long as its bound a way of palmette takes."""
        ways = {each.name: each for each in (self.palmette, *self.variants)}
        return ways[aim.way].work.median_wall_s / ways[aim.bound].work.median_wall_s

    def with_memory(self, measure: Callable[[str], PeakMemory]) -> "Comparison":
        """The same with the peak memory of each contestant, by its name."""
        return replace(
            self,
            palmette=replace(self.palmette, memory=measure(self.palmette.name)),
            peers=tuple(replace(peer, memory=measure(peer.name)) for peer in self.peers),
            peers_by_hand=tuple(replace(peer, memory=measure(peer.name)) for peer in self.peers_by_hand),
        )


def compare(workload: AnyWorkload, ours: PalmetteSide, peer: TransformersPeer, num_rounds: int) -> Comparison:
    """Run the workload `num_rounds` times on each side, after a round that warms up and compares the tokens."""
    ways, by_hand, variants = peer.ways(workload), peer.ways_by_hand(workload), ours.variants(workload)
    runs: dict[str, Run] = {ours.name: ours.run, **variants, **ways, **by_hand}
    reference = ours.run(workload, workload.num_tokens, wants_ids=True)
    answers = {name: run(workload, workload.num_tokens, wants_ids=True) for name, run in variants.items()}
    answers |= {name: run(workload, workload.num_tokens) for name, run in {**ways, **by_hand}.items()}
    for run in (ours.run, *variants.values()):
        run(workload, workload.num_tokens)
    work = interleave({name: partial(run, workload, workload.num_tokens) for name, run in runs.items()}, num_rounds)
    first = work
    if workload.num_tokens > 1:
        first = interleave({name: partial(run, workload, 1) for name, run in runs.items()}, num_rounds)
    bounds = workload.bounds if isinstance(workload, ProgramWorkload) else ()

    def figures(name: str) -> Figures:
        written = answers.get(name, reference)
        share = None if name in bounds else agreement(reference, written)
        return Figures(name, num_tokens_of(written), work[name], first[name], share)

    return Comparison(
        workload,
        figures(ours.name),
        tuple(map(figures, ways)),
        tuple(map(figures, by_hand)),
        tuple(map(figures, variants)),
    )
