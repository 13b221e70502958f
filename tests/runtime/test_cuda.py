"""The engine on a CUDA device: the same greedy tokens as on the CPU, in float32."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from palmette.runtime.local.embedded import Engine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]

PROMPTS = [f"Q: What is the capital of {name}?\nA:" for name in ("France", "Peru", "Kenya", "Japan")]


@pytest.fixture(scope="module")
def on_cuda() -> Iterator[Engine]:
    with Engine(device="cuda", dtype="float32", max_total_tokens=8192) as engine:
        yield engine
        engine.check_integrity()


def test_greedy_and_seeded_tokens_are_those_of_the_cpu(on_cuda: Engine) -> None:
    with Engine(device="cpu") as on_cpu:
        for temperature in (0.0, 1.0):
            params = {"max_new_tokens": 32, "temperature": temperature, "seed": 3, "ignore_eos": True}
            here: Any = on_cpu.generate(PROMPTS, params)
            there: Any = on_cuda.generate(PROMPTS, params)
            assert [each["output_ids"] for each in there] == [each["output_ids"] for each in here]


def test_constraints_hold_on_cuda(on_cuda: Engine) -> None:
    output: Any = on_cuda.generate(PROMPTS[0], {"max_new_tokens": 8, "regex": "[0-9]{2}", "seed": 1})
    assert output["text"].isdigit()
