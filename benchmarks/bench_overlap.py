"""What a step of the engine takes beside a device: passes launched ahead, and passes launched when all is known.

python benchmarks/bench_overlap.py
python benchmarks/bench_overlap.py --rows 64 --pass-ms 5 --rounds 9

The engine is the real one, with its scheduler, memory, masks and events; the device is one that takes a given time for
each pass (`pretend_device.py`), so that it can be run where there is none. No step can be shorter than its pass.
"""

import argparse
import gc
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from environment import describe_environment, environment_line
from measure import Timing, interleave
from pretend_device import PretendDevice, PretendModel, PretendSampler
from result_file import write_result
from rich.console import Console
from rich.progress import track
from rich.table import Table

import palmette
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.spec import Constraint, JsonSchema
from palmette.grammar.vocabulary import Vocabulary
from palmette.lang.events import Event
from palmette.lang.ir import Gen, Tokens
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.cache.kv_pool import KVLayout, KVPool
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.config import SchedulerOptions
from palmette.runtime.engine import EngineCore
from palmette.runtime.memory import Memory
from palmette.runtime.model_runner import ModelRunner
from palmette.runtime.operations.starter import Starter, TextLimits
from palmette.runtime.request import Ended, Request
from palmette.runtime.server.collector import spare_collector
from palmette.runtime.text.tokenizer import Tokenizer

_SPRIG = Path(palmette.__file__).parent / "runtime" / "models" / "sprig"
_PROMPT_LEN = 64
_CONTEXT_LEN = 1024
_SAMPLE_S = 50e-6
_SCHEMA = JsonSchema(
    """{"type": "object", "properties": {"names": {"type": "array", "minItems": 90, "items": {"type": "string"}}},
    "required": ["names"]}"""
)


@dataclass(frozen=True)
class Case:
    """Rows that all write, and how long the device takes for a pass of them."""

    num_rows: int
    pass_s: float
    is_constrained: bool


class Side:
    """An engine beside a device of its own."""

    def __init__(self, case: Case, *, overlaps: bool, num_tokens: int) -> None:
        """`num_tokens`: that each row writes in a run."""
        tokenizer = Tokenizer.from_folder(_SPRIG)
        compiler = GrammarCompiler(Vocabulary(tokenizer.token_bytes, frozenset(tokenizer.eos_token_ids)))
        device = PretendDevice()
        page_size = 16
        num_pages = case.num_rows * (_PROMPT_LEN + num_tokens + page_size) // page_size + 8
        pool = KVPool(KVLayout(1, 1, 1, torch.int64), num_pages, page_size)
        budget = max(2048, case.num_rows * _PROMPT_LEN)
        self._case = case
        self._constraint: Constraint | None = _SCHEMA if case.is_constrained else None
        self._num_tokens = num_tokens
        self._errors: list[BaseException] = []
        self.core = EngineCore(
            Starter(
                tokenizer,
                tokenizer.eos_token_ids,
                tokenizer.vocab_size,
                compiler,
                None,
                TextLimits(_CONTEXT_LEN, num_pages * page_size, budget),
            ),
            ModelRunner(PretendModel(device, tokenizer.vocab_size, case.pass_s), pool),
            PretendSampler(device, tokenizer.vocab_size, _SAMPLE_S),
            Memory(pool, RadixCache(pool), is_caching=False),
            SchedulerOptions(budget, case.num_rows),
            lambda: 7,
            num_mask_threads=1,
            overlaps=overlaps,
        )
        self.steps_s: list[float] = []
        """Of each run: seconds a step, of those in which every row writes."""

    def run(self) -> None:
        """All rows write from their prompts to their limit."""
        params = SamplingParams(max_new_tokens=self._num_tokens, temperature=0.0, ignore_eos=True)
        branches = [self.core.open_branch(number, "") for number in range(self._case.num_rows)]
        for number, branch_id in enumerate(branches):
            prompt = Tokens(tuple(10 + (number * 37 + place) % 900 for place in range(_PROMPT_LEN)))
            self.core.submit(Request(branch_id, (prompt, Gen("x", params, self._constraint)), self._hear))
        self.core.step()  # the prompts
        start, num_steps = time.perf_counter(), 0
        while self.core.step():
            num_steps += 1
        self.steps_s.append((time.perf_counter() - start) / (num_steps + 1))
        for branch_id in branches:
            self.core.close_branch(branch_id)
        if self._errors:
            raise self._errors[0]

    def _hear(self, item: Event | Ended) -> None:
        if isinstance(item, Ended) and item.error is not None:
            self._errors.append(item.error)


def main() -> None:
    """Measure, show and keep."""
    options = _options()
    cases = [
        Case(num_rows, pass_ms / 1e3, is_constrained)
        for is_constrained in (False, True)
        for num_rows in options.rows
        for pass_ms in options.pass_ms
    ]
    console = Console(width=130)
    results = [_measure(case, options) for case in track(cases, "cases", console=Console(stderr=True))]
    console.print(_table(results))
    environment = describe_environment()
    console.print(environment_line(environment), soft_wrap=True)
    if options.json:
        figures = {"environment": environment, "options": vars(options), "results": results}
        console.print(f"written to {write_result(options.json, figures)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--pass-ms", type=float, nargs="+", default=[2.0, 5.0, 10.0], help="of the pretended device")
    parser.add_argument("--tokens", type=int, default=64, help="that each row writes in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="a path, or a bare name for results/NAME.json")
    return parser.parse_args()


def _measure(case: Case, options: argparse.Namespace) -> dict[str, float | bool]:
    sides = {
        name: Side(case, overlaps=overlaps, num_tokens=options.tokens)
        for name, overlaps in (("when known", False), ("ahead", True))
    }
    for side in sides.values():
        side.run()
        side.steps_s.clear()
    spare_collector()  # as a server does before it serves
    timings: dict[str, Timing] = interleave({name: side.run for name, side in sides.items()}, options.rounds)
    assert all(len(timing.wall_s) == options.rounds for timing in timings.values())
    gc.unfreeze()
    when_known, ahead = (statistics.median(side.steps_s) for side in sides.values())
    return {
        "num_rows": case.num_rows,
        "is_constrained": case.is_constrained,
        "pass_ms": case.pass_s * 1e3,
        "when_known_ms": when_known * 1e3,
        "ahead_ms": ahead * 1e3,
        "ratio": when_known / ahead,
        "share_of_bound": (case.pass_s + _SAMPLE_S) / ahead,
        "share_of_bound_when_known": (case.pass_s + _SAMPLE_S) / when_known,
    }


def _table(results: list[dict[str, float | bool]]) -> Table:
    table = Table(title="A step beside a device, ms", title_justify="left")
    for name in ("rows", "pass", "launched when known", "launched ahead", "ratio", "device busy"):
        table.add_column(name, justify="left" if name == "rows" else "right")
    for each in results:
        table.add_row(
            f"{each['num_rows']}{', under a schema' if each['is_constrained'] else ''}",
            f"{each['pass_ms']:.1f}",
            f"{each['when_known_ms']:.2f}",
            f"{each['ahead_ms']:.2f}",
            f"{each['ratio']:.2f}x",
            f"{each['share_of_bound_when_known']:.0%} -> {each['share_of_bound']:.0%}",
        )
    return table


if __name__ == "__main__":
    main()
