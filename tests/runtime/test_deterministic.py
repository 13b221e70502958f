"""The option `deterministic`: the bits of a text's log-probabilities hang on it alone, or the start is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from palmette.kernels.attention import plan_for_graph
from palmette.kernels.attention_backends.attention_case import AttentionCase
from palmette.kernels.attention_backends.choice import BackendCannotServe, choose_backends
from palmette.kernels.attention_backends.machine import Machine
from palmette.kernels.attention_rows import AttentionRows
from palmette.kernels.cpu.library import cpu_library
from palmette.kernels.graph_bounds import GraphBounds
from palmette.kernels.linear import ProductsDependOnRows, linear_of
from palmette.runtime.assembly import assemble
from palmette.runtime.config import EngineConfig
from palmette.runtime.errors import InvalidOption
from palmette.runtime.local.embedded import Engine
from palmette.runtime.step_graphs import step_graph
from palmette.runtime.step_graphs.graph_recorder import CallAgain

needs_c = pytest.mark.skipif(cpu_library() is None, reason="without the C kernels bits depend on the batch")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = [pytest.param("cpu", marks=needs_c), pytest.param("cuda", marks=[pytest.mark.gpu, needs_cuda])]

STORY = "Once upon a time there was a small house by the river, and in it lived an old woman and her cat. "
PROMPTS = [
    STORY + "Every morning",
    STORY + "One day the cat said:",
    "1, 2, 3, 4, 5,",
    STORY + "One day the river",
    "The capital of France is",
]
PARAMS = {"max_new_tokens": 24, "seed": 7, "ignore_eos": True}


def scores(engine: Engine, prompts: list[str]) -> list[list[tuple[object, ...]]]:
    """Token ids and log-probabilities of each text, without noise and with it."""
    lines: list[list[tuple[object, ...]]] = [[] for _ in prompts]
    for temperature in (0.0, 1.0):
        given: Any = engine.generate(prompts, {**PARAMS, "temperature": temperature}, return_logprob=True)
        for line, each in zip(lines, given, strict=True):
            line += [tuple(entry) for entry in each["meta_info"]["output_token_logprobs"]]
    return lines


@pytest.mark.parametrize("device", DEVICES)
def test_no_bit_depends_on_what_else_there_is(device: str) -> None:
    def run(**options: Any) -> tuple[list[list[tuple[object, ...]]], dict[str, Any]]:
        defaults: dict[str, Any] = {"max_total_tokens": 2048, "speculation": "off"}
        with Engine(device=device, deterministic=True, num_compile_workers=0, **(defaults | options)) as engine:
            first = scores(engine, PROMPTS)
            assert scores(engine, PROMPTS) == first  # what is cached, or was guessed from before
            return first, engine.stats()

    with Engine(device=device, deterministic=True, disable_radix_cache=True, speculation="off") as engine:
        alone = [scores(engine, [prompt])[0] for prompt in PROMPTS]
    assert all(len(line) == 48 for line in alone)
    assert run()[0] == alone
    assert run(chunked_prefill_size=7, disable_radix_cache=True)[0] == alone
    guessed, stats = run(speculation="auto", draft_model="bud")
    assert guessed == alone
    assert stats["num_drafted_tokens"] > 0
    pressed, stats = run(max_total_tokens=128, disable_radix_cache=True)
    assert pressed == alone
    assert stats["num_preemptions"] > 0
    assert run(cuda_graphs=False)[0] == alone


@pytest.mark.parametrize("name", ["torch", "sdpa"])
def test_a_backend_that_does_not_promise_it_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption, match=rf"^deterministic: .* got '{name}', which cannot: a token's bits depend"):
        Engine(device="cpu", deterministic=True, attention_backend=name)


def test_what_c_does_not_compute_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"^deterministic: .* c: has no kernel for torch\.float16"):
        Engine(device="cpu", deterministic=True, dtype="float16")


def test_products_that_depend_on_rows_are_refused() -> None:
    with pytest.raises(ProductsDependOnRows, match=r"got torch\.bfloat16 inputs of 3 numbers on cpu"):
        linear_of([torch.ones(2, 3).bfloat16()], None, torch.bfloat16, torch.device("cpu"), is_deterministic=True)


def test_it_is_a_flag() -> None:
    with pytest.raises(InvalidOption, match="deterministic: expected True or False, got 1"):
        Engine(deterministic=1)


def test_draft_trees_under_a_window_are_refused_on_a_cpu() -> None:
    case = AttentionCase(torch.float32, 4, 2, 64, 16, has_window=True, is_deterministic=True)
    with pytest.raises(BackendCannotServe, match="c: has no ancestor masks under a sliding window"):
        choose_backends(case, Machine("cpu"))
    assert {choice.name for choice in choose_backends(replace(case, has_window=False), Machine("cpu")).values()} == {
        "c"
    }


@pytest.mark.parametrize("is_deterministic", [False, True])
def test_recorded_passes_are_told(is_deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_deterministic and cpu_library() is None:
        pytest.skip("refused without the C kernels")
    told = []

    def plan(rows: AttentionRows, device: torch.device, bounds: GraphBounds, *, is_deterministic: bool) -> Any:
        told.append(is_deterministic)
        return plan_for_graph(rows, device, bounds, is_deterministic=is_deterministic)

    monkeypatch.setattr(step_graph, "plan_for_graph", plan)
    options = {"device": "cpu", "max_total_tokens": 256, "max_running_requests": 2, "speculation": "off"}
    config = EngineConfig.from_options(deterministic=is_deterministic, num_compile_workers=0, **options)
    assemble(config, recorder=CallAgain())
    assert set(told) == {is_deterministic}
