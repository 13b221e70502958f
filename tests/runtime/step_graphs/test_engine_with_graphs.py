"""An engine whose passes are recorded gives the answers of one whose passes are not: programs, guesses, selections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch

import palmette as pm
from palmette.kernels.cpu.library import cpu_library
from palmette.runtime.assembly import assemble
from palmette.runtime.engine import EngineCore
from palmette.runtime.errors import InvalidOption
from palmette.runtime.local import embedded
from palmette.runtime.local.embedded import Engine
from palmette.runtime.step_graphs.cuda_graph_recorder import CudaGraphRecorder
from palmette.runtime.step_graphs.graph_recorder import CallAgain, GraphRecorder
from palmette.runtime.step_graphs.step_graphs import StepGraphs

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


@pm.function
def describe(s: pm.ProgramState, country: str, temperature: float) -> None:
    s += f"Q: What is the capital of {country}?\nA:" + pm.gen("city", max_tokens=6, temperature=temperature)
    s += "\nIt is " + pm.select("size", choices=["large", "small", "large and old", "unknown"])
    forks = s.fork(3)
    for index, fork in enumerate(forks):
        fork += f"\nFact {index}:" + pm.gen("fact", max_tokens=12, temperature=temperature)
    s += "".join(fork["fact"] for fork in forks)
    s += "\n" + pm.gen("record", json_schema=SCHEMA, max_tokens=40, temperature=temperature)


@contextmanager
def engine_with(recorder: GraphRecorder | None, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Engine]:
    monkeypatch.setattr(embedded, "assemble", partial(assemble, recorder=recorder))
    with Engine(max_total_tokens=4096, random_seed=5, **options) as engine:
        yield engine
        engine.check_integrity()


def answers(engine: Engine, temperature: float) -> list[object]:
    countries = [{"country": name, "temperature": temperature} for name in ("France", "Peru", "Kenya", "Japan")]
    states = describe.run_batch(countries, backend=engine, seed=3)
    return [[state[name] for name in ("city", "size", "record")] + [state.text()] for state in states]


@pytest.mark.skipif(cpu_library() is None, reason="without the C kernels bits depend on the batch")
@pytest.mark.parametrize("speculation", ["off", "auto"])
def test_answers_are_the_same(speculation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_with(None, monkeypatch, speculation=speculation) as engine:
        expected = [answers(engine, temperature) for temperature in (0.0, 1.0)]
    with engine_with(CallAgain(), monkeypatch, speculation=speculation) as engine:
        assert [answers(engine, temperature) for temperature in (0.0, 1.0)] == expected
        look: Callable[[EngineCore], StepGraphs] = lambda core: core._runner._model  # noqa: E731
        graphs = engine._thread.ask(look).result()
        assert graphs.num_replays > 10 * max(1, graphs.num_direct), (graphs.num_replays, graphs.num_direct)


def test_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidOption, match="cuda_graphs: expected True or False, got 'on'"):
        Engine(cuda_graphs="on")

    def never(_self: CudaGraphRecorder, _device: torch.device) -> None:
        raise AssertionError("there is no CUDA device to record on")

    monkeypatch.setattr(CudaGraphRecorder, "__init__", never)
    with Engine(device="cpu", cuda_graphs=True, max_total_tokens=256) as engine:
        assert len(engine._thread.ask(lambda core: core.memory.pool.scratch_pages).result()) == 0
