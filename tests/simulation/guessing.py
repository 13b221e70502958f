"""Two engines and the same requests, one of them guessing: `python tests/simulation/guessing.py --positions 1000000`.

The one that guesses has little memory, small chunks and neighbours, and some of its requests are cancelled; tokens,
ends and log-probabilities must be those of the other, to the last bit.
"""

import argparse
import dataclasses
import sys
from dataclasses import dataclass
from functools import partial
from typing import get_args

import msgspec
import paths
from chooser import SeededChooser
from engine_harness import Harness, Listening, tokens
from prophet import Prophet
from random_operations import RandomOperations
from rich.console import Console
from rich.progress import Progress
from tiny_language import COMPILER, TOKENIZER, VOCAB_SIZE, WORDING
from wild_drafts import WildDrafts

from palmette.lang.events import GenResult
from palmette.lang.ir import Gen
from palmette.runtime.cache.eviction_policy import EvictionPolicyName
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.config import SchedulerOptions
from palmette.runtime.speculation.count_drafts import CountDrafts
from palmette.runtime.speculation.drafter import Drafter
from palmette.runtime.speculation.forced_drafts import ForcedDrafts
from palmette.runtime.speculation.radix_drafts import RadixDrafts
from palmette.runtime.speculation.segment_feed import SegmentFeed
from palmette.runtime.speculation.segment_store import SegmentStore
from palmette.runtime.speculation.suffix_drafts import SuffixDrafts

NUM_REQUESTS = 24
PAGE_SIZES = (4, 1, 16)
POOL_LENS = (2048, 256, 160, 128)
TOKEN_BUDGETS = (64, 256, 16, 5, 2)
LONGEST = 64


@dataclass(frozen=True)
class Asked:
    """One request."""

    prompt: tuple[int, ...]
    operation: Gen
    seed: int
    """Of the noise; requests that have it in common are the same."""
    namespace: str


@dataclass(frozen=True)
class GuessCounts:
    """What a comparison was made of."""

    num_positions: int = 0
    """Tokens that were compared."""
    num_drafted: int = 0
    num_accepted: int = 0
    num_cancelled: int = 0
    num_preemptions: int = 0
    num_passes: int = 0
    """Of the engine that guesses."""

    def __add__(self, other: "GuessCounts") -> "GuessCounts":
        mine, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return GuessCounts(*(one + another for one, another in zip(mine, theirs, strict=True)))


def compare_seed(seed: int) -> GuessCounts:
    """Play the requests of a seed on both engines; raises AssertionError where they differ."""
    chooser = SeededChooser(seed)
    requests = _draw_requests(chooser)
    expected = _plain_answers(requests)
    answers: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for asked, heard in zip(requests, expected, strict=True):
        if heard.error is None:
            answers.setdefault(asked.prompt, []).extend(each.token_ids for each in heard.samples())
    return _Guessing(chooser, answers).play(requests, expected)


class _Guessing:
    """The engine that guesses, and what befalls it."""

    def __init__(self, chooser: SeededChooser, answers: dict[tuple[int, ...], list[tuple[int, ...]]]) -> None:
        self._chooser = chooser
        self._prophet = Prophet(answers, VOCAB_SIZE, chooser.integer(0, 999))
        page_size = chooser.pick(PAGE_SIZES)
        self._harness = Harness(
            tokenizer=TOKENIZER,
            compiler=COMPILER,
            page_size=page_size,
            num_pages=-(-chooser.pick(POOL_LENS) // page_size),
            options=SchedulerOptions(chooser.pick(TOKEN_BUDGETS), chooser.pick((16, 3, 1))),
            eviction_policy=chooser.pick(get_args(EvictionPolicyName)),
            is_caching=chooser.chance(80),
            make_drafters=self._drafters,
        )
        self._cancelled: list[Listening] = []

    def play(self, requests: list[Asked], expected: list[Listening]) -> GuessCounts:
        """All requests, one after the other or at once; some are cancelled."""
        core, chooser = self._harness.core, self._chooser
        sent: list[tuple[int, Listening]] = []
        for asked in requests:
            branch_id = core.open_branch(asked.seed, asked.namespace)
            sent.append((branch_id, self._harness.submit(branch_id, [tokens(*asked.prompt), asked.operation])))
            for _ in range(chooser.pick((0, 0, 3, 30))):
                core.step()
            core.check_integrity()
            victim = chooser.pick(sent)[1]
            if chooser.chance(10) and victim.ended is None:
                self._cancelled.append(victim)
                core.cancel(victim.request)
        while core.step():
            pass
        num_positions = 0
        for (branch_id, heard), wanted, asked in zip(sent, expected, requests, strict=True):
            if heard in self._cancelled:
                assert wanted.text.startswith(heard.text), f"{asked}: {heard.text!r} is no beginning of {wanted.text!r}"
            else:
                num_positions += _compare(heard, wanted, asked)
            core.close_branch(branch_id)
        self._harness.check_all_returned()
        stats = core.stats()
        return GuessCounts(
            num_positions,
            stats["num_drafted_tokens"],
            stats["num_accepted_tokens"],
            len(self._cancelled),
            stats["num_preemptions"],
            stats["num_steps"],
        )

    def _drafters(self, cache: RadixCache) -> list[Drafter]:
        store = SegmentStore(2048)
        cache.listeners.append(SegmentFeed(store))
        everyone: list[Drafter] = [
            self._prophet,
            WildDrafts(range(VOCAB_SIZE), self._prophet.seed),
            ForcedDrafts(COMPILER.vocabulary, partial(TOKENIZER.encode, has_special=False)),
            RadixDrafts(cache),
            SuffixDrafts(store),
            CountDrafts(),
        ]
        return [each for each in everyone if self._chooser.chance(70)]


def _draw_requests(chooser: SeededChooser) -> list[Asked]:
    """Some of them are repetitions: with them come guesses from the cache."""
    operations = RandomOperations(chooser, WORDING, is_rich=True)
    requests: list[Asked] = []
    for number in range(NUM_REQUESTS):
        if requests and chooser.chance(40):
            requests.append(chooser.pick(requests))
            continue
        drawn = operations.gen(n=chooser.pick((1, 1, 1, 2, 3)))
        params = msgspec.structs.replace(
            drawn.params,
            temperature=chooser.pick((0.0, 0.7, 1.0)),
            max_new_tokens=max(drawn.params.min_new_tokens, chooser.integer(1, LONGEST)),
        )
        prompt = operations.token_ids(12)
        requests.append(
            Asked(prompt, msgspec.structs.replace(drawn, params=params), number, chooser.pick(("", "", "blue")))
        )
    return requests


def _plain_answers(requests: list[Asked]) -> list[Listening]:
    """In ample memory, with nobody to guess."""
    harness = Harness(tokenizer=TOKENIZER, compiler=COMPILER, num_pages=2048, token_budget=1024)
    heard: dict[int, Listening] = {}
    for asked in {each.seed: each for each in requests}.values():
        branch_id = harness.core.open_branch(asked.seed, asked.namespace)
        heard[asked.seed] = harness.submit(branch_id, [tokens(*asked.prompt), asked.operation])
    while harness.core.step():
        pass
    return [heard[asked.seed] for asked in requests]


def _compare(heard: Listening, wanted: Listening, asked: Asked) -> int:
    """The number of tokens that are the same; AssertionError where one is not."""
    assert type(heard.error) is type(wanted.error), f"{asked}: expected {wanted.error!r}, got {heard.error!r}"
    if wanted.error is not None:
        return 0
    got, expected = ([_told(each) for each in listening.samples()] for listening in (heard, wanted))
    assert got == expected, f"{asked}: expected {expected}, got {got}"
    return sum(len(each.token_ids) for each in heard.samples())


def _told(sample: GenResult) -> tuple[object, ...]:
    logprobs = sample.output_logprobs, sample.input_logprobs
    return sample.token_ids, sample.text, sample.finish_reason, sample.forced, sample.num_rollbacks, logprobs


def replay_command(seed: int) -> str:
    """What plays the comparison of a seed alone."""
    return f".venv/bin/python tests/simulation/guessing.py --first {seed} --positions 1"


def main() -> int:
    """Returns the exit status: 1 where an answer was changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=1_000_000, help="tokens to compare (1,000,000)")
    parser.add_argument("--first", type=int, default=0, help="first seed (0)")
    arguments = parser.parse_args()
    console = Console()
    counts, seed = GuessCounts(), arguments.first
    with Progress(console=console) as progress:
        task = progress.add_task("tokens compared", total=arguments.positions)
        while counts.num_positions < arguments.positions:
            try:
                counts += compare_seed(seed)
            except Exception:  # noqa: BLE001 - whatever a comparison fails with is what is looked for
                console.print_exception()
                console.print(f"replay: {replay_command(seed)}", style="bold red", soft_wrap=True)
                return 1
            seed += 1
            progress.update(task, completed=counts.num_positions)
    console.print(f"seeds {arguments.first} to {seed - 1}, no token changed: {counts}", style="bold green")
    return 0


if __name__ == "__main__":
    assert paths.SUPPORT
    sys.exit(main())
