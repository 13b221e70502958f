"""The ahead-of-time compiler: every kernel has its cases, one of them compiles here, and a spill is not let through."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from palmette.kernels.aot import Compiled, Job, aot_cases, jobs, read_log, report

LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_90a'
ptxas info    : Function properties for k
    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers
"""


def job(name: str = "k", reason: str | None = None) -> Job:
    return Job("module", 0, name, 90, False, reason)


def test_every_operator_has_cases() -> None:
    modules = dict(aot_cases())
    assert {"copy_kv", "quantized_linear", "rms_norm", "rotary", "sampling", "silu_and_mul"} < set(modules)
    assert {"split_qkv", "store_kv", "token_bitmask"} < set(modules)
    names = [case.name for cases in modules.values() for case in cases]
    assert len(names) == len(set(names)), "a name says which case it is"
    for cases in modules.values():
        for case in cases:
            known = set(case.kernel.arg_names)
            assert set(case.signature) | set(case.constants) == known, case.name


def test_old_devices_are_spared_what_they_lack() -> None:
    assert not [job for job in jobs((80, 90)) if job.has_fp8 and job.arch == 80]


def test_the_log_of_the_assembler_is_read() -> None:
    assert read_log(LOG) == (255, 20)
    with pytest.raises(AssertionError, match="expected a line 'Used N registers'"):
        read_log("nothing")


def test_a_spill_without_a_reason_is_not_fine() -> None:
    text = io.StringIO()
    out = Console(file=text, width=200)
    results = [
        Compiled(job("fine"), 40, 0, 1024, 0.1, None),
        Compiled(job("known", "two accumulators"), 255, 8, 0, 0.1, None),
        Compiled(job("spilling"), 255, 8, 0, 0.1, None),
        Compiled(job("broken"), 0, 0, 0, 0.1, "CompilationError: x"),
    ]
    assert report(results, out) == 2
    said = text.getvalue()
    assert "known spills: two accumulators" in said
    assert "sm_90 spilling: spills 8 bytes; take a smaller tile" in said
    assert "sm_90 broken: CompilationError: x" in said


def test_a_kernel_compiles_without_a_device() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-P", "-m", "palmette.kernels.aot", "--only", "copy kv", "--arch", "90", "--jobs", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 compiled in" in done.stdout
