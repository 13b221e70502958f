"""Weights and cells in 8 bits: what the options take, and that the rounded model is near the whole one."""

from pathlib import Path

import pytest
import torch

from palmette.kernels.cpu.library import cpu_library
from palmette.runtime.assembly import SPRIG
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.config import EngineConfig
from palmette.runtime.errors import InvalidOption
from palmette.runtime.local.embedded import Engine
from palmette.runtime.models.batch import Batch
from palmette.runtime.models.loader import load_model


def logits(folder: Path, quantization: str | None, cell_dtype: torch.dtype | None = None) -> torch.Tensor:
    options = EngineConfig.from_options(quantization=quantization).model
    model = load_model(folder, quantization=options.quantization).model
    ids = torch.arange(100, 130)
    batch = Batch(
        token_ids=ids,
        positions=torch.arange(30),
        slots=torch.arange(30),
        query_lens=(30,),
        kv_lens=(30,),
        page_table=torch.arange(2)[None],
        logit_indices=torch.arange(30),
        ancestor_masks=(None,),
    )
    return model.forward(batch, KVPool(model.kv_layout(cell_dtype), 2, 16)).log_softmax(-1)


def divergence(whole: torch.Tensor, rounded: torch.Tensor) -> float:
    """Mean Kullback-Leibler divergence of the next token, in nats."""
    return float((whole.exp() * (whole - rounded)).sum(-1).mean())


@pytest.mark.parametrize(("quantization", "limit"), [("int8", 0.02), ("fp8", 0.02)])
def test_a_rounded_model_is_near_the_whole_one(
    monkeypatch: pytest.MonkeyPatch, quantization: str, limit: float
) -> None:
    rounded = logits(SPRIG, quantization)
    assert 0 < divergence(logits(SPRIG, None), rounded) < limit
    if cpu_library() is not None:
        monkeypatch.setenv("PALMETTE_CPU_KERNELS", "off")
        torch.testing.assert_close(logits(SPRIG, quantization), rounded, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kernels", ["auto", "off"])
def test_a_model_with_fp8_cells_is_near_the_whole_one(monkeypatch: pytest.MonkeyPatch, kernels: str) -> None:
    monkeypatch.setenv("PALMETTE_CPU_KERNELS", kernels)
    assert 0 < divergence(logits(SPRIG, None), logits(SPRIG, None, torch.float8_e4m3fn)) < 0.005


def test_fp8_cells_need_a_device() -> None:
    with pytest.raises(
        InvalidOption, match=r"kv_cache_dtype: 'fp8_e4m3' needs a CUDA device .*, got 'cpu'; use 'auto'"
    ):
        Engine(kv_cache_dtype="fp8_e4m3", device="cpu")
    with pytest.raises(InvalidOption, match=r"kv_cache_dtype: expected one of \('auto', 'fp8_e4m3'\), got 'fp8'"):
        EngineConfig.from_options(kv_cache_dtype="fp8")


@pytest.mark.parametrize("quantization", ["int8", "fp8"])
def test_it_is_an_option_of_the_engine(quantization: str) -> None:
    with Engine(quantization=quantization, max_total_tokens=256, num_compile_workers=0) as engine:
        output = engine.generate("The capital of France is", {"max_new_tokens": 3, "temperature": 0})
    assert isinstance(output, dict)
    assert output["text"]


def test_other_types_are_refused() -> None:
    with pytest.raises(InvalidOption, match=r"quantization: expected one of \('int8', 'fp8'\), got 'int3'"):
        EngineConfig.from_options(quantization="int3")
