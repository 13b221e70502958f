"""The GPU suite where there is no GPU: its plan, its answer, and the model it would time."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


def run_suite(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(BENCHMARKS / "gpu_suite.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_dry_run_prints_the_plan() -> None:
    done = run_suite("--dry-run", "--only", "decode")
    assert done.returncode == 0, done.stderr
    for words in (
        "decode attention, 32 rows x 4096",
        "deterministic decode attention",
        "decode step, 8B shape, batch 64",
        "decode step with its host part, 8B shape, batch 64",
    ):
        assert words in done.stdout
    assert "mask + sample" not in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="a device is there")
def test_without_a_device_it_says_so() -> None:
    done = run_suite("--only", "prefill")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "expected a CUDA device, found none" in done.stdout


def test_the_timed_step_runs_and_counts_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from gpu_model import Shape, decode_step

    shape = Shape(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8
    )
    step = decode_step(3, 40, torch.device("cpu"), shape, torch.float32)
    logits = step.device_part()
    assert logits.shape == (3, 64)
    assert logits.isfinite().all()
    assert torch.equal(step.launched(), logits)
    torch.testing.assert_close(step.recorded(), logits)
    weights = 2 * (32 * 64 + 32 * 32 + 96 * 32 + 48 * 32) + 64 * 32
    cells = 2 * 3 * 40 * 2 * 2 * 8
    assert step.num_bytes_read == 4 * (weights + cells)


def test_whole_engines_are_timed_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from gpu_engine import engine_step_seconds

    seconds = engine_step_seconds(3, "cpu", "sprig", num_tokens=4, num_rounds=1)
    assert set(seconds) == {"ahead", "when known"}
    assert all(0 < each < 60 for each in seconds.values())
