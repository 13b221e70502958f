"""CUDA graphs on a device: the answers of passes that are launched one by one, and a host that does not wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from pass_texts import PassTexts, Turn, tiny_decoder

from palmette.runtime.step_graphs.buckets import Buckets
from palmette.runtime.step_graphs.cuda_graph_recorder import CudaGraphRecorder
from palmette.runtime.step_graphs.step_graphs import StepGraphs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]

TREE = (None, 0, 0, 1, None)
PASSES = [
    [Turn(0, 1), Turn(1, 1), Turn(2, 1)],
    [Turn(0, 1), Turn(1, 1, TREE), Turn(2, 2, (None, 0))],
    [Turn(0, 3), Turn(1, 1)],
    [Turn(0, 1, TREE), Turn(1, 1, TREE), Turn(2, 1, TREE)],
    [Turn(3, 20)],
    [Turn(text, 1) for text in range(4)],
]


@contextmanager
def never_waiting() -> Iterator[None]:
    """Whatever makes the host wait for the device is an error in here."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("window", [None, 7])
def test_recorded_passes_are_those_that_are_not(window: int | None) -> None:
    model = tiny_decoder("cuda", window=window)
    texts = PassTexts(4, 60, 16)
    plain_pool, pool = texts.pool(model), texts.pool(model, 64)
    graphs = StepGraphs(model, pool, CudaGraphRecorder(model.device), Buckets(64, 64))
    first = texts.batch([Turn(text, 9) for text in range(4)])
    for passes in ([first], [texts.batch(turns) for turns in PASSES]):
        for batch in passes:
            expected = model.forward(batch, plain_pool)
            pool.cells[:, :, texts.num_pages :] = torch.nan  # what scratch holds is nothing to anybody
            logits = graphs.forward(batch, pool)
            torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    assert graphs.num_direct == 0
    torch.testing.assert_close(pool.cells[:, :, : texts.num_pages], plain_pool.cells, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("has_graphs", [True, False])
def test_a_pass_does_not_wait_for_the_device(has_graphs: bool) -> None:
    model = tiny_decoder("cuda")
    texts = PassTexts(4, 60, 16)
    pool = texts.pool(model, 64)
    graphs = StepGraphs(model, pool, CudaGraphRecorder(model.device), Buckets(64, 64))
    runner = graphs if has_graphs else model
    runner.forward(texts.batch([Turn(text, 9) for text in range(4)]), pool)
    batches = [texts.batch(turns) for turns in PASSES]
    for batch in batches:
        runner.forward(batch, pool)  # what is made at first use is made
    with never_waiting():
        for batch in batches:
            runner.forward(batch, pool)


def test_an_engine_gives_the_same_tokens_with_graphs_and_without() -> None:
    pytest.importorskip("tokenizers")
    from palmette.runtime.local.embedded import Engine

    prompts = [f"Q: What is the capital of {name}?\nA:" for name in ("France", "Peru", "Kenya", "Japan", "Chad")]
    outputs: list[Any] = []
    for has_graphs in (True, False):
        with Engine(
            device="cuda", dtype="float32", max_total_tokens=8192, cuda_graphs=has_graphs, speculation="off"
        ) as engine:
            for temperature in (0.0, 1.0):
                params = {"max_new_tokens": 32, "temperature": temperature, "seed": 3, "ignore_eos": True}
                results: Any = engine.generate(prompts, params)
                outputs.append([each["output_ids"] for each in results])
            engine.check_integrity()
    assert outputs[:2] == outputs[2:]


def test_a_step_of_an_engine_waits_for_nothing_until_its_masks_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tokenizers")
    from palmette.runtime.local.embedded import Engine
    from palmette.runtime.model_runner import ModelRunner

    run = ModelRunner.run
    num_checked = 0

    def run_without_waiting(self: ModelRunner, shares: Any) -> Any:
        nonlocal num_checked
        num_checked += 1
        with never_waiting():
            return run(self, shares)

    prompts = [f"Q: What is the capital of {name}?\nA:" for name in ("France", "Peru", "Kenya")]
    params = {"max_new_tokens": 12, "regex": "[A-Z][a-z]{3,9}", "seed": 3}
    with Engine(device="cuda", max_total_tokens=8192) as engine:
        expected: Any = engine.generate(prompts, params)  # what is made at first use is made
        monkeypatch.setattr(ModelRunner, "run", run_without_waiting)
        engine.flush_cache()
        again: Any = engine.generate(prompts, params)
    assert [each["text"] for each in again] == [each["text"] for each in expected]
    assert num_checked > 4
