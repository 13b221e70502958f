"""What the server costs: against the engine it serves, at rest, and when somebody means harm.

python benchmarks/bench_server.py
python benchmarks/bench_server.py --quick
python benchmarks/bench_server.py --only overhead first-token --rounds 9 --json server
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import torch
from environment import describe_environment, environment_line
from hostile_requests import NAMES, NOTHING
from result_file import write_result
from rich.console import Console
from rich.table import Table
from served_model import ClientProcess, ServedModel

import palmette

_WORDS = [
    "river",
    "stone",
    "lamp",
    "garden",
    "winter",
    "letter",
    "bridge",
    "copper",
    "morning",
    "sailor",
    "field",
    "window",
]
_PATH = "/v1/completions"
_PARTS = ("overhead", "first-token", "idle", "hostile")


@dataclass
class Overhead:
    """The same prompts by the engine in this process, and as streams of the server, in turns."""

    num_streams: int
    num_tokens: int
    """Of each stream."""
    engine_tps: list[float] = field(default_factory=list)
    """Tokens a second of `Engine.generate`, which gives whole texts."""
    engine_streams_tps: list[float] = field(default_factory=list)
    """Of as many streams of `Engine.async_generate` on one event loop."""
    server_tps: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    """The server's to the engine's, of one round."""
    engine_cpu_us: list[float] = field(default_factory=list)
    """Processor time a token: of the engine in this process; of the server's engine, its API, its client."""
    server_engine_cpu_us: list[float] = field(default_factory=list)
    server_api_cpu_us: list[float] = field(default_factory=list)
    client_cpu_us: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    """Processes that wanted a core in the minute before the end of each round."""


@dataclass
class FirstToken:
    """From asking to the first text of one short request, in turns; milliseconds."""

    engine_ms: list[float] = field(default_factory=list)
    server_ms: list[float] = field(default_factory=list)


@dataclass
class Idle:
    """Memory of the process that listens, in MB."""

    num_connections: int
    without_mb: float
    silent_mb: float
    """With connections that have sent nothing."""
    asked_mb: float
    """With connections on which a request was answered."""
    num_kept: int
    """Of the latter, those that were still open when it was measured."""


@dataclass
class Hostile:
    """Times between two pieces of text of other streams while a kind of request comes again and again; milliseconds."""

    name: str
    without_p99_ms: list[float] = field(default_factory=list)
    """In the run just before, without such requests."""
    p99_ms: list[float] = field(default_factory=list)
    max_ms: list[float] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)

    @property
    def raised_ms(self) -> float:
        """By how much the p99 was raised: the median of the rounds."""
        pairs = zip(self.p99_ms, self.without_p99_ms, strict=True)
        return statistics.median(with_it - without for with_it, without in pairs)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs the parts, prints their tables, and keeps all of it as JSON if told to."""
    options = _parse(arguments)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the server's engine as of this one
    console = Console(width=None if Console().is_terminal else 150)
    environment = describe_environment() | {"load": f"{os.getloadavg()[0]:.1f} at the start"}
    console.print(environment_line(environment), soft_wrap=True)
    result: dict[str, Any] = {"environment": environment, "options": vars(options)}
    with (
        palmette.Engine(speculation="off") as engine,  # it is the way there and back that is measured
        ServedModel("--speculation", "off") as served,
        ClientProcess("stream_client.py", served) as client,
    ):
        bench = Bench(engine, served, client, options)
        if "overhead" in options.only:
            result["overhead"] = asdict(overhead := bench.overhead())
            console.print(_overhead_table(overhead))
        if "first-token" in options.only:
            result["first_token"] = asdict(first := bench.first_token())
            server_ms, engine_ms = statistics.median(first.server_ms), statistics.median(first.engine_ms)
            console.print(f"first token, p50: {server_ms:.1f} ms, of the engine {engine_ms:.1f} ms")
        if "idle" in options.only:
            result["idle"] = asdict(idle := bench.idle())
            console.print(
                f"{idle.num_connections:,} connections: {idle.silent_mb - idle.without_mb:.1f} MB that sent nothing, "
                f"{idle.asked_mb - idle.without_mb:.1f} MB after a request"
            )
        if "hostile" in options.only:
            step_ms, hostile = bench.hostile()
            result["step_ms"] = step_ms
            result["hostile"] = [{**asdict(each), "raised_ms": each.raised_ms} for each in hostile]
            console.print(_hostile_table(hostile, step_ms))
    environment["load_at_end"] = f"{os.getloadavg()[0]:.1f}"
    if options.json:
        console.print(f"written: {write_result(options.json, result)}")
    return result


class Bench:
    """An engine, a server, and a client of it."""

    def __init__(
        self, engine: palmette.Engine, served: ServedModel, client: ClientProcess, options: argparse.Namespace
    ) -> None:
        self._engine = engine
        self._served = served
        self._client = client
        self._options = options

    def overhead(self) -> Overhead:
        """All contestants in turns, after a round that warms up; each begins with an empty cache."""
        options = self._options
        figures = Overhead(options.streams, options.tokens)
        for number in range(options.rounds + 1):
            self._overhead_round(figures if number else Overhead(options.streams, options.tokens))
        return figures

    def _overhead_round(self, figures: Overhead) -> None:
        prompts = _prompts(figures.num_streams)
        params = {"max_new_tokens": figures.num_tokens, "temperature": 0, "ignore_eos": True}
        num_tokens = figures.num_streams * figures.num_tokens

        def timed(run: Callable[[], object]) -> float:
            self._engine.flush_cache()
            start = time.perf_counter()
            run()
            return time.perf_counter() - start

        async def stream_all() -> None:
            async def one(prompt: str) -> None:
                async for _ in await self._engine.async_generate(prompt, params, stream=True):
                    pass

            await asyncio.gather(*map(one, prompts))

        cpu = time.process_time()
        engine_s = timed(lambda: self._engine.generate(prompts, params))
        engine_cpu_s = time.process_time() - cpu
        engine_streams_s = timed(lambda: asyncio.run(stream_all()))
        self._served.ask("POST", "/flush_cache")
        before = self._served.cpu()
        answer = self._stream(prompts, figures.num_tokens)
        spent = self._served.cpu().since(before)
        figures.engine_tps.append(num_tokens / engine_s)
        figures.engine_streams_tps.append(num_tokens / engine_streams_s)
        figures.server_tps.append(num_tokens / answer["wall_s"])
        figures.ratios.append(engine_s / answer["wall_s"])
        for seconds, kept in (
            (engine_cpu_s, figures.engine_cpu_us),
            (spent.engine_s, figures.server_engine_cpu_us),
            (spent.api_s, figures.server_api_cpu_us),
            (answer["cpu_s"], figures.client_cpu_us),
        ):
            kept.append(1e6 * seconds / num_tokens)
        figures.load.append(os.getloadavg()[0])

    def first_token(self) -> FirstToken:
        """One request at a time, each with a prompt that nobody has asked before, the same for both."""
        figures = FirstToken()
        for number in range(-2, self._options.requests):
            prompt = (
                f"{abs(number)} lamps were lit when the {_WORDS[number % 12]} arrived, {'again' * (number < 0)} and"
            )
            start = time.perf_counter()
            texts = iter(
                self._engine.generate(prompt, {"max_new_tokens": 4, "temperature": 0, "ignore_eos": True}, stream=True)
            )
            next(texts)
            engine_s = time.perf_counter() - start
            list(texts)
            (stream,) = self._stream([prompt], 4)["streams"]
            if number >= 0:
                figures.engine_ms.append(1e3 * engine_s)
                figures.server_ms.append(1e3 * stream["arrivals_s"][0])
        return figures

    def idle(self) -> Idle:
        """Memory without, and with as many connections as were asked for."""
        number = self._options.connections
        self._keep(1, has_asked=True)
        without_mb = self._served.api_mb()
        self._keep(number, has_asked=False)
        silent_mb = self._served.api_mb()
        num_kept = self._keep(number, has_asked=True)
        asked_mb = self._served.api_mb()
        self._keep(0, has_asked=False)
        return Idle(number, without_mb, silent_mb, asked_mb, num_kept)

    def hostile(self) -> tuple[float, list[Hostile]]:
        """Milliseconds of an engine's step without such requests, and each kind; with and without in turns."""
        kinds = [Hostile(name) for name in self._options.kinds]
        steps_ms: list[float] = []
        with ClientProcess("hostile_requests.py", self._served) as other:
            for number in range(self._options.rounds + 1):
                for kind in kinds:
                    num_steps, start = self._served.num_steps(), time.perf_counter()
                    without, _ = self._gaps(other, NOTHING)
                    steps_ms.append(1e3 * (time.perf_counter() - start) / (self._served.num_steps() - num_steps))
                    gaps, answers = self._gaps(other, kind.name)
                    if not number:
                        continue
                    kind.without_p99_ms.append(_p99(without))
                    kind.p99_ms.append(_p99(gaps))
                    kind.max_ms.append(max(gaps))
                    for status, count in answers.items():
                        kind.answers[status] = kind.answers.get(status, 0) + count
        return statistics.median(steps_ms), kinds

    def _gaps(self, other: ClientProcess, name: str) -> tuple[list[float], dict[str, int]]:
        assert other.ask(name) == "ready"
        answer = self._stream(_prompts(self._options.victims), self._options.victim_tokens)
        arrivals = [stream["arrivals_s"] for stream in answer["streams"]]
        gaps = [1e3 * (after - before) for each in arrivals for before, after in pairwise(each)]
        if not gaps:  # text is sent every 20 ms at most
            raise SystemExit("each stream's text came in one piece: give the streams more --victim-tokens")
        return gaps, other.ask(None)

    def _stream(self, prompts: Sequence[str], num_tokens: int) -> Any:
        bodies = [
            {
                "prompt": prompt,
                "max_tokens": num_tokens,
                "temperature": 0,
                "ignore_eos": True,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            for prompt in prompts
        ]
        answer = self._client.ask({"path": _PATH, "bodies": bodies})
        made = [stream["num_tokens"] for stream in answer["streams"]]
        assert made == [num_tokens] * len(prompts), f"expected {num_tokens} tokens of each stream, got {made}"
        return answer

    def _keep(self, number: int, *, has_asked: bool) -> int:
        return int(self._client.ask({"idle": number, "has_asked": has_asked}))


def _prompts(number: int) -> list[str]:
    return [
        f"Once upon a time there was a {_WORDS[index % 12]} and a {_WORDS[(5 * index + 1) % 12]} in house {index}, and"
        for index in range(number)
    ]


def _p99(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


def _overhead_table(figures: Overhead) -> Table:
    title = f"{figures.num_streams} streams of {figures.num_tokens} tokens, medians of {len(figures.ratios)} rounds"
    table = Table(title=title, title_justify="left")
    for name in ("", "tokens/s", "CPU us a token"):
        table.add_column(name, justify="right" if name else "left")
    middle = statistics.median
    table.add_row("engine, whole texts", f"{middle(figures.engine_tps):,.0f}", f"{middle(figures.engine_cpu_us):.0f}")
    table.add_row("engine, streams", f"{middle(figures.engine_streams_tps):,.0f}", "")
    shares = (figures.server_engine_cpu_us, figures.server_api_cpu_us, figures.client_cpu_us)
    split = " + ".join(f"{middle(each):.0f}" for each in shares)
    table.add_row("server, streams", f"{middle(figures.server_tps):,.0f}", f"{split} (engine + API + client)")
    table.add_row("server to engine", f"{middle(figures.ratios):.2f}", f"load {middle(figures.load):.1f}")
    return table


def _hostile_table(kinds: Sequence[Hostile], step_ms: float) -> Table:
    title = (
        f"Other streams' times between pieces of text, ms; a step takes {step_ms:.1f}, allowed are {step_ms + 20:.1f}"
    )
    table = Table(title=title, title_justify="left")
    for name in ("request", "p99 without", "p99 with", "raised by", "longest", "answers"):
        table.add_column(name, justify="left" if name in ("request", "answers") else "right")
    for each in kinds:
        table.add_row(
            each.name,
            f"{statistics.median(each.without_p99_ms):.1f}",
            f"{statistics.median(each.p99_ms):.1f}",
            f"{each.raised_ms:.1f}",
            f"{max(each.max_ms):.1f}",
            ", ".join(f"{count} x {status}" for status, count in sorted(each.answers.items())),
        )
    return table


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS), help="which parts (all)")
    parser.add_argument("--quick", action="store_true", help="small sizes: --rounds 2 --tokens 64 --requests 20 ...")
    parser.add_argument("--rounds", type=int, help="measured rounds, after one to warm up (7)")
    parser.add_argument("--streams", type=int, default=32, help="concurrent streams (32)")
    parser.add_argument("--tokens", type=int, help="of each stream (256)")
    parser.add_argument("--requests", type=int, help="for the first token (100)")
    parser.add_argument("--connections", type=int, default=1000, help="that do nothing (1000)")
    parser.add_argument("--victims", type=int, default=8, help="streams beside a hostile request (8)")
    parser.add_argument("--victim-tokens", type=int, help="of each of them (256)")
    parser.add_argument("--kinds", nargs="+", choices=NAMES, default=list(NAMES), help="of hostile requests (all)")
    parser.add_argument("--json", metavar="NAME", help="write results/NAME.json, or a path, as well")
    options = parser.parse_args(arguments)
    quick, full = (2, 64, 20, 64), (7, 256, 100, 256)
    sizes = zip(("rounds", "tokens", "requests", "victim_tokens"), quick if options.quick else full, strict=True)
    for name, size in sizes:
        if getattr(options, name) is None:
            setattr(options, name, size)
    return options


if __name__ == "__main__":
    main()
