"""Timing: when an operation waited, began, had its first token and ended, on a clock that a test moves."""

from dataclasses import dataclass

from engine_harness import Harness, Listening, gen, tokens
from torch import Tensor

from palmette.grammar.spec import Regex
from palmette.lang.events import Timing, ValueReady
from palmette.lang.ir import Gen, Score, Select
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.models.batch import Batch


@dataclass
class FakeClock:
    """A forward pass takes one second, and nothing else takes time."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def make(**options: int) -> tuple[Harness, FakeClock]:
    clock = FakeClock()
    harness = Harness(clock=clock, **options)  # type: ignore[arg-type]
    forward = harness.model.forward

    def slow(batch: Batch, kv_pool: KVPool) -> Tensor:
        logits = forward(batch, kv_pool)
        clock.now += 1.0
        return logits

    harness.model.forward = slow  # type: ignore[method-assign]
    return harness, clock


def timing(listening: Listening, name: str = "x") -> Timing:
    assert listening.error is None, listening.error
    (value,) = (event for event in listening.events if isinstance(event, ValueReady) and event.name == name)
    assert value.timing is not None
    return value.timing


def test_a_generation_is_queued_started_and_has_its_first_token_after_the_prefill() -> None:
    harness, _ = make(token_budget=4)
    listening = harness.answer([tokens(*range(1, 11)), gen(3), gen(2, name="y")])
    # 10 tokens in chunks of 4 are three passes, the last of which samples; two more tokens are a pass each.
    assert timing(listening) == Timing(queued=100.0, started=100.0, first_token=103.0, ended=105.0)
    assert timing(listening, "y") == Timing(queued=105.0, started=105.0, first_token=106.0, ended=107.0)


def test_whoever_finds_no_place_starts_later_than_it_is_queued() -> None:
    harness, _ = make(max_running_rows=1)
    first = harness.submit(harness.core.open_branch(1, ""), [tokens(1, 2), gen(4)])
    second = harness.submit(harness.core.open_branch(2, ""), [tokens(3, 4), gen(2)])
    harness.run()
    assert timing(first).started == 100.0
    assert timing(second) == Timing(queued=100.0, started=104.0, first_token=105.0, ended=106.0)


def test_preemptions_are_counted() -> None:
    harness, _ = make(num_pages=8, page_size=4)
    listening = [
        harness.submit(harness.core.open_branch(seed, ""), [tokens(seed + 1, 2, 3, 4, 5), gen(16)]) for seed in range(3)
    ]
    harness.run()
    counts = [timing(each).num_preemptions for each in listening]
    assert counts[0] == 0
    assert sum(counts) == harness.core.scheduler.num_preemptions > 0


def test_several_samples_share_a_watch() -> None:
    harness, _ = make()
    # One pass computes the shared prompt; then both samples have their first token in the second.
    assert timing(harness.answer([tokens(1, 2, 3), gen(2, n=2, temperature=1.0)])) == Timing(100.0, 100.0, 102.0, 103.0)


def test_what_samples_nothing_has_its_first_token_at_the_end() -> None:
    harness, _ = make(token_budget=4)
    listening = harness.answer([tokens(1, 2, 3, 4, 5, 6), Select("z", (" a", " b")), Score("s", " one")])
    for name in ("z", "s"):
        times = timing(listening, name)
        assert times.started < times.ended
        assert times.first_token == times.ended


def test_what_needs_no_pass_takes_no_time() -> None:
    harness, _ = make()
    listening = harness.answer([tokens(1, 2), gen(1), Gen("nothing", gen(4).params, Regex("(a{0})"))])
    times = timing(listening, "nothing")
    assert times.queued == times.started == times.first_token == times.ended == 101.0
