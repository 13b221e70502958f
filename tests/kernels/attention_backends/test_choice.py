"""Who attends: the table, the reasons, and what may be asked for."""

from dataclasses import replace

import pytest
import torch

from palmette.kernels.attention import choose_attention
from palmette.kernels.attention_backends.attention_case import ROW_MIXES, AttentionCase, RowMix, mix_of
from palmette.kernels.attention_backends.backend_name import BACKEND_NAMES, BackendName
from palmette.kernels.attention_backends.choice import (
    BACKENDS,
    PREFERENCES,
    BackendCannotServe,
    Preference,
    choose_backend,
    choose_backends,
)
from palmette.kernels.attention_backends.machine import Machine, find_machine
from palmette.kernels.attention_rows import AttentionRows

CPU = Machine("cpu")
PACKAGES = {"triton": "3.5", "flash-attn": "2.8.3", "flashinfer-python": "0.7.2"}
H200 = Machine("cuda", (9, 0), PACKAGES, nvcc="/usr/local/cuda/bin/nvcc")
LLAMA = AttentionCase(torch.bfloat16, num_heads=32, num_kv_heads=8, head_dim=128, page_size=16)


def why_not(name: BackendName, machine: Machine, **changes: object) -> str:
    reason = BACKENDS[name].why_not(replace(LLAMA, **changes), machine)  # type: ignore[arg-type] # a test's changes
    assert reason is not None, f"{name} can serve"
    return reason


def test_every_name_is_a_backend() -> None:
    assert set(BACKENDS) == set(BACKEND_NAMES)
    assert all(name == backend.name for name, backend in BACKENDS.items())
    assert all(set(preference.order) <= set(BACKENDS) for preference in PREFERENCES)


@pytest.mark.parametrize("mix", ROW_MIXES)
def test_told_nothing_a_device_has_its_own_kernels(mix: RowMix) -> None:
    case = replace(LLAMA, mix=mix)
    assert choose_backend(case, H200).name == "triton"
    assert choose_backend(case, CPU).name == "c"
    assert choose_backend(case, Machine("mps")).name == "torch"


def test_a_choice_says_why_and_why_nobody_else() -> None:
    choice = choose_backend(LLAMA, Machine("cuda", (8, 0), {"triton": "3.5"}))
    others = dict(choice.others)
    assert set(others) == set(BACKEND_NAMES) - {"triton"}
    assert others["c"] == "runs on CPUs, and this device is cuda"
    assert others["flash-attn"] == "the package flash-attn is not installed"
    assert others["sdpa"].startswith("can serve, and is not preferred")
    missing = choose_backend(LLAMA, Machine("cpu", cpu_kernels_missing="no C compiler"))
    assert (missing.name, missing.why) == ("torch", "c: no C compiler")


def test_a_line_of_the_table_changes_the_choice() -> None:
    measured = Preference(
        "cuda", ("flash-attn", "flashinfer"), "1.2x", (torch.bfloat16,), head_dims=(128,), mixes=("prefill",)
    )
    table = (measured, *PREFERENCES)
    prefill = replace(LLAMA, mix="prefill")
    chosen = choose_backend(prefill, H200, preferences=table)
    assert (chosen.name, chosen.why) == ("flash-attn", "1.2x")
    for case in (LLAMA, replace(prefill, dtype=torch.float16), replace(prefill, head_dim=64)):
        assert choose_backend(case, H200, preferences=table).name == "triton"
    assert choose_backend(prefill, CPU, preferences=table).name == "c"
    without = replace(H200, packages={"triton": "3.5"})
    assert choose_backend(prefill, without, preferences=table).name in BACKENDS
    assert "flash-attn: the package" in choose_backend(prefill, without, preferences=table).why


def test_what_each_cannot_do_is_said() -> None:
    assert why_not("triton", CPU) == "runs on CUDA devices, and this one is cpu"
    assert why_not("triton", H200, page_size=24) == "pages hold a power of 2 of tokens, and these hold 24"
    assert "at most 256 numbers, and these have 512" in why_not("triton", H200, head_dim=512)
    old = replace(H200, capability=(8, 0))
    assert "8.9 or more, and this one's is 8.0" in why_not("triton", old, kv_dtype=torch.float8_e4m3fn)
    assert why_not("c", CPU, dtype=torch.float16) == "has no kernel for torch.float16 over cells of torch.float16"
    assert why_not("c", CPU, head_dim=24) == "heads have a multiple of 16 numbers, and these have 24"
    assert why_not("c", CPU, has_sinks=True) == "has neither soft caps nor sinks"
    assert why_not("sdpa", H200, has_soft_cap=True) == "has neither soft caps nor sinks"
    assert "capability 8.0 or more, and this one's is 7.5" in why_not("flash-attn", replace(H200, capability=(7, 5)))
    assert "and this model in torch.float32" in why_not("flash-attn", H200, dtype=torch.float32)
    assert "up to 256, and these have 100" in why_not("flash-attn", H200, head_dim=100)
    assert "these are torch.float8_e4m3fn" in why_not("flash-attn", H200, kv_dtype=torch.float8_e4m3fn)
    assert why_not("flash-attn", H200, mix="trees") == "has no ancestor masks"
    assert "(64, 128, 256) numbers, and these have 80" in why_not("flashinfer", H200, head_dim=80)
    assert "nvcc was not found" in why_not("flashinfer", replace(H200, nvcc=None))
    cached = replace(H200, nvcc=None, packages={**PACKAGES, "flashinfer-jit-cache": "0.7.2"})
    assert BACKENDS["flashinfer"].why_not(LLAMA, cached) is None
    assert BACKENDS["flashinfer"].why_not(replace(LLAMA, kv_dtype=torch.float8_e4m3fn, mix="trees"), H200) is None
    assert "rows beside it" in why_not("torch", CPU, is_deterministic=True)


def test_who_is_asked_for_attends_or_it_is_refused() -> None:
    assert choose_backend(LLAMA, H200, "flashinfer").name == "flashinfer"
    with pytest.raises(BackendCannotServe) as refused:
        choose_backends(LLAMA, CPU, "flash-attn")
    message = str(refused.value)
    assert "got 'flash-attn', which cannot: runs on CUDA devices, and this one is cpu" in message
    assert "take 'auto', or one of those that can: c, torch, sdpa" in message
    nobody = replace(LLAMA, is_deterministic=True, head_dim=512)
    with pytest.raises(BackendCannotServe, match="got 'auto', which cannot: triton: heads have at most 256"):
        choose_backend(nobody, H200)


def test_rows_under_masks_may_go_elsewhere_and_it_is_said() -> None:
    choices = choose_backends(LLAMA, H200, "flash-attn")
    assert {choices[mix].name for mix in ("decode", "prefill", "mixed")} == {"flash-attn"}
    assert {choices[mix].instead_of for mix in ("decode", "prefill", "mixed")} == {None}
    trees = choices["trees"]
    assert (trees.name, trees.instead_of) == ("triton", "flash-attn")
    assert trees.why == "flash-attn: has no ancestor masks"
    assert {choice.name for choice in choose_backends(LLAMA, H200, "flashinfer").values()} == {"flashinfer"}


def rows(query_lens: tuple[int, ...], masks: tuple[torch.Tensor | None, ...] = ()) -> AttentionRows:
    table = torch.zeros((len(query_lens), 4), dtype=torch.int64)
    kv_lens = tuple(10 + length for length in query_lens)
    return AttentionRows(query_lens, kv_lens, table, 16, 1, masks, num_heads=1, head_dim=16)


def test_the_mix_of_rows() -> None:
    tree = torch.eye(2, dtype=torch.bool)
    assert mix_of(rows((1, 1))) == "decode"
    assert mix_of(rows((2, 9))) == "prefill"
    assert mix_of(rows((2, 1))) == "mixed"
    assert mix_of(rows((1, 2), (None, tree))) == "trees"


def test_plans_of_rows_that_go_elsewhere_are_counted() -> None:
    case = AttentionCase(torch.float32, 1, 1, 16, 16)
    attention = choose_attention(case, torch.device("cpu"), "sdpa")
    tree = rows((2,), (torch.eye(2, dtype=torch.bool),))
    attention.plan(tree)
    assert attention.num_plans_elsewhere == 0
    own = choose_backend(case, find_machine(torch.device("cpu")))
    attention.choices = {**attention.choices, "trees": replace(own, name="sdpa", instead_of="flash-attn")}
    attention.plan(rows((1,)))
    attention.plan(tree)
    assert attention.num_plans_elsewhere == 1
