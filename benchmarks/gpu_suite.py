"""The GPU suite: checks the kernels on a device, measures them against its own bounds, writes the figures.

    python benchmarks/gpu_suite.py --wheels wheels --out h200     # all of it, in under nine minutes
    python benchmarks/gpu_suite.py --dry-run                      # what it would do; needs no device

It needs torch, triton and the repository, not an installation. `--wheels` names a folder of wheel files of what else
the package imports (msgspec and others, made by `pip download`); they are unpacked for this run and nothing is fetched.
"""

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from gpu_cases import Bounds, Case, all_cases, names
from gpu_timing import copy_bandwidth, matmul_rate
from result_file import write_result
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
NO_DEVICE = 2
"""The exit code where there is nothing to measure."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and measure; 1 where a check fails or a case breaks, 2 without a device. A missed target is no failure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dry-run", action="store_true", help="print the plan")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--seconds", type=int, default=520, help="time for all of it; what does not fit is left out")
    parser.add_argument("--wheels", type=Path, help="folder of wheels of packages that this machine lacks")
    parser.add_argument("--no-checks", action="store_true", help="measure without running the tests marked gpu")
    parser.add_argument("--out", default="gpu", help="name in benchmarks/results, or a path")
    options = parser.parse_args(arguments)
    out = Console(width=150)
    cases = [case for case in all_cases() if options.only in case.name]
    if options.dry_run:
        _print_plan(cases, out)
        return 0
    if not torch.cuda.is_available():
        out.print(f"expected a CUDA device, found none (torch {torch.__version__}); --dry-run prints the plan of cases")
        return NO_DEVICE
    deadline = time.monotonic() + options.seconds
    paths = _paths(options.wheels)
    sys.path[:0] = paths
    result: dict[str, Any] = {"environment": _environment()}
    out.print(result["environment"])
    has_failed = False
    if not options.no_checks:
        result["checks"] = _check(paths, out)
        has_failed = not result["checks"]["is_passed"]
    bounds = Bounds(copy_bandwidth(), matmul_rate())
    result["bounds"] = asdict(bounds)
    out.print(f"copy {bounds.copy_bytes / 1e12:.2f} TB/s, bf16 product {bounds.matmul_flops / 1e12:.0f} TFLOP/s")
    result["cases"] = _measure(cases, bounds, deadline, out)
    path = write_result(options.out, result)
    _print_table(result["cases"], out)
    out.print(f"written to {path}")
    return 1 if has_failed or any("error" in case for case in result["cases"]) else 0


def _measure(cases: Sequence[Case], bounds: Bounds, deadline: float, out: Console) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for case in cases:
        entry: dict[str, Any] = {"name": case.name, "target": case.target}
        if time.monotonic() + case.estimate_s > deadline:
            entry["left_out"] = f"expected to take {case.estimate_s} s, more than was left"
        else:
            out.print(f"... {case.name}")
            try:
                entry |= asdict(case.run(bounds))
            except Exception as error:  # noqa: BLE001 - one case that breaks is a result, and must not cost the others
                entry["error"] = f"{type(error).__name__}: {error}"[:2000]
                out.print(entry["error"], style="red", markup=False)
            torch.cuda.empty_cache()
        results.append(entry)
    return results


def _check(paths: Sequence[str], out: Console) -> dict[str, Any]:
    """Run the kernels' tests, those marked gpu and those that serve both, on the device."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((*paths, os.environ.get("PYTHONPATH", "")))}
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "tests/kernels/cuda",
        "tests/runtime/step_graphs/test_on_cuda.py",
        "tests/runtime/test_run_ahead.py",
        "-q",
        "-p",
        "no:cacheprovider",
        "-x",
    ]
    # 150 s of the nine minutes: most of it is compilation.
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150)
        is_passed, tail = done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    except subprocess.TimeoutExpired as error:
        is_passed, tail = False, f"not done after {error.timeout:.0f} s"
    out.print(tail, markup=False)
    return {"is_passed": is_passed, "output": tail}


def _paths(wheels: Path | None) -> list[str]:
    """Folders to import from: one with a link named palmette to the repository, one with the unpacked wheels."""
    folder = Path(tempfile.mkdtemp(prefix="palmette-gpu-"))
    (folder / "root").mkdir()
    (folder / "root" / "palmette").symlink_to(ROOT)
    paths = [str(folder / "root")]
    if wheels is not None:
        files = sorted(map(str, wheels.glob("*.whl")))
        if not files:
            raise SystemExit(f"--wheels {wheels}: expected wheel files, found none; make them with pip download")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]
        subprocess.run([*command, str(folder / "wheels"), *files], check=True)
        paths.append(str(folder / "wheels"))
    return paths


def _environment() -> dict[str, str]:
    versions = {}
    for name in ("torch", "triton", "transformers", "flash-attn", "flashinfer-python"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not there"
    return {
        "device": torch.cuda.get_device_name(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": str(torch.version.cuda),
        "python": platform.python_version(),
        **versions,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _print_plan(cases: Sequence[Case], out: Console) -> None:
    table = Table("case", "target", "estimate", title="gpu suite")
    for row in names(list(cases)):
        table.add_row(*row)
    out.print(table)


def _print_table(results: Sequence[dict[str, Any]], out: Console) -> None:
    table = Table("case", "target", "measured", "met", "seconds of each", title="gpu suite")
    for result in results:
        if "figure" not in result:
            table.add_row(result["name"], result["target"], result.get("left_out", "broke"), "", "")
            continue
        seconds = ", ".join(f"{name} {value * 1e6:.1f} us" for name, value in result["seconds"].items())
        figure = f"{result['figure']:.1f} {result['unit']}"
        table.add_row(result["name"], result["target"], figure, "yes" if result["is_met"] else "no", seconds)
    out.print(table)


if __name__ == "__main__":
    sys.exit(main())
