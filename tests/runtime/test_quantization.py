"""The option `quantization`: what it takes, and that the rounded model is near the whole one."""

from pathlib import Path

import pytest
import torch

from palmette.kernels.cpu.library import cpu_library
from palmette.runtime.assembly import SPRIG
from palmette.runtime.batch import Batch
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.config import EngineConfig
from palmette.runtime.embedded import Engine
from palmette.runtime.errors import InvalidOption
from palmette.runtime.models.loader import load_model


def logits(folder: Path, quantization: str | None) -> torch.Tensor:
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
    return model.forward(batch, KVPool(model.kv_layout(), 2, 16)).log_softmax(-1)


def test_a_rounded_model_is_near_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, rounded = logits(SPRIG, None), logits(SPRIG, "int8")
    divergence = (whole.exp() * (whole - rounded)).sum(-1)
    assert 0 < divergence.mean() < 0.02
    if cpu_library() is not None:
        monkeypatch.setenv("PALMETTE_CPU_KERNELS", "off")
        torch.testing.assert_close(logits(SPRIG, "int8"), rounded, rtol=1e-2, atol=1e-2)


def test_it_is_an_option_of_the_engine() -> None:
    with Engine(quantization="int8", max_total_tokens=256, num_compile_workers=0) as engine:
        output = engine.generate("The capital of France is", {"max_new_tokens": 3, "temperature": 0})
    assert isinstance(output, dict)
    assert output["text"]


def test_other_types_are_refused() -> None:
    with pytest.raises(InvalidOption, match=r"quantization: expected one of \('int8',\), got 'int3'"):
        EngineConfig.from_options(quantization="int3")
