"""In deterministic mode a token's bits are the same whatever stands beside it and however its text was computed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from attention_case import Row, Step, Texts
from torch import Tensor
from triton.runtime import interpreter

from palmette.kernels.cuda.attention_plan import AttentionOptions, plan_paged

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LENGTH = 290
# One program "fills" the device, so that the long chunks go through their splits inside a program; many do not.
FULL = AttentionOptions(num_programs=1, is_deterministic=True, split_len=128)
EMPTY = AttentionOptions(num_programs=99, is_deterministic=True, split_len=128)


@pytest.fixture(autouse=True)
def _product_without_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the interpreter tl.dot is numpy's matmul, which rounds a row by its place; no tensor core does."""

    def create_dot(self: Any, a: Any, b: Any, d: Any, *precision: Any) -> Any:
        product = np.einsum("mk,kn->mn", np.ascontiguousarray(a.data), np.ascontiguousarray(b.data), optimize=False)
        return interpreter.TensorHandle(product + d.data, d.dtype.scalar)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", create_dot)


def bits(step: Step, options: AttentionOptions, sinks: Tensor | None = None) -> dict[tuple[int, int], bytes]:
    """The bytes of each token's result."""
    plan = plan_paged(step.rows, DEVICE, options)
    sinks = None if sinks is None else sinks.to(DEVICE)
    out = plan.run(step.q.to(DEVICE), step.k_cache.to(DEVICE), step.v_cache.to(DEVICE), 0.4, sinks).cpu()
    return {token: result.view(torch.uint8).numpy().tobytes() for token, result in zip(step.tokens, out, strict=True)}


def texts(num_heads: int, num_kv_heads: int) -> Texts:
    return Texts(3, LENGTH, num_heads=num_heads, num_kv_heads=num_kv_heads, shared=(280, 280))


# With a window the first program of the row begins in the middle of a split.
@pytest.mark.parametrize(
    ("window", "has_sinks", "length", "split_len"), [(None, False, 290, 128), (290, True, 430, 256)]
)
def test_bits_do_not_depend_on_the_batch(window: int | None, has_sinks: bool, length: int, split_len: int) -> None:
    made = Texts(3, length, num_heads=2, num_kv_heads=1)
    sinks = torch.tensor([0.5, -1.0]) if has_sinks else None
    full, empty = replace(FULL, split_len=split_len), replace(EMPTY, split_len=split_len)
    last = length - 1
    alone = bits(made.step([Row(0, last, length)], window=window), empty, sinks)[0, last]
    ways = {
        "in one run": (made.step([Row(0, last, length)], window=window), full),
        "in a chunk": (made.step([Row(0, length - 20, length)], window=window), full),
        "in a split chunk": (made.step([Row(0, length - 37, length)], 1, window=window), empty),
        "beside others": (made.step([Row(1, 20, 21), Row(0, last, length), Row(2, 3, 30)], window=window), empty),
    }
    for name, (step, options) in ways.items():
        assert bits(step, options, sinks)[0, last] == alone, name


def test_bits_do_not_depend_on_who_shares_the_prefix() -> None:
    made = texts(2, 1)
    rows = [Row(text, LENGTH - 1, LENGTH) for text in range(3)]
    apart = bits(made.step(rows, has_shared_pages=False), EMPTY)
    step = made.step(rows)
    options = AttentionOptions(num_programs=9, is_deterministic=True, split_len=128, sharing="always")
    assert plan_paged(step.rows, DEVICE, options).token_list is not None
    assert bits(step, options) == apart


@pytest.mark.parametrize("window", [None, 70])
def test_a_node_of_a_tree_has_the_bits_of_plain_decoding(window: int | None) -> None:
    made = texts(2, 1)
    nodes = ((1, 280, None), (2, 280, None), (2, 281, 1), (1, 281, 0), (2, 282, 2))
    drafted = bits(made.step([Row(0, 278, 280, nodes)], window=window), EMPTY)
    decoded = {
        **bits(made.step([Row(0, 278, 280)], window=window), FULL),
        **bits(made.step([Row(1, 280, 282)], window=window), FULL),
        **bits(made.step([Row(2, 280, 283)], window=window), FULL),
    }
    assert drafted == decoded


def test_a_tree_on_a_short_text() -> None:
    made = texts(2, 1)
    nodes = ((1, 280, None), (2, 280, None), (2, 281, 1))
    # The splits are longer than the text: the node goes through one of them alone.
    options = AttentionOptions(num_programs=1, is_deterministic=True, split_len=512)
    drafted = bits(made.step([Row(0, 279, 280, nodes)]), options)
    assert drafted[2, 281] == bits(made.step([Row(2, 270, 282)]), options)[2, 281]


def test_the_default_mode_is_free_to_differ() -> None:
    # Else the tests above could not fail: other splits do give other bits.
    made = texts(2, 1)
    last = LENGTH - 1
    step = made.step([Row(0, last, LENGTH)])
    few, many = (AttentionOptions(num_programs=programs, sharing="never") for programs in (1, 64))
    assert bits(step, few)[0, last] != bits(step, many)[0, last]
    results = [np.frombuffer(bits(step, options)[0, last], np.float32) for options in (few, many)]
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-5)
