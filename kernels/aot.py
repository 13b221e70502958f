"""Compiles every kernel for CUDA devices that need not be there, and refuses register spills nobody has accounted for.

make kernels-aot      # or: python -P -m palmette.kernels.aot --arch 90 --only sample
"""

import argparse
import contextlib
import importlib
import io
import multiprocessing
import os
import pkgutil
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from .cuda.aot_case import AotCase

ARCHS = (80, 90, 100)
"""Compute capabilities, times ten: A100, H100 and H200, B200."""

_FIRST_FP8_ARCH = 89


@dataclass(frozen=True)
class Job:
    """One case for one device, named by what a worker process needs to find it again."""

    module: str
    index: int
    name: str
    arch: int
    has_fp8: bool  # e4m3 values, which older devices do not convert
    spill_reason: str | None


@dataclass(frozen=True)
class Compiled:
    """What became of a job."""

    job: Job
    num_registers: int  # of a thread
    num_spill_bytes: int  # stored and loaded again, of a thread
    num_shared_bytes: int  # of a program
    seconds: float
    error: str | None

    @property
    def is_fine(self) -> bool:
        """Compiled, and without a spill that has no reason."""
        return self.error is None and (self.num_spill_bytes == 0 or self.job.spill_reason is not None)


def aot_cases() -> Iterator[tuple[str, tuple[AotCase, ...]]]:
    """The modules with kernels, and the cases of each."""
    folder = importlib.import_module(".cuda", __package__)
    for info in sorted(pkgutil.iter_modules(folder.__path__), key=lambda info: info.name):
        module = importlib.import_module(f".cuda.{info.name}", __package__)
        cases: tuple[AotCase, ...] = getattr(module, "AOT_CASES", ())
        if cases:
            yield info.name, cases


def jobs(archs: Sequence[int], only: str = "") -> list[Job]:
    """All cases whose name has `only` in it, for all of `archs` that can have them."""
    found = [
        Job(module, index, case.name, arch, "fp8e4nv" in "".join(case.signature.values()), case.spill_reason)
        for module, cases in aot_cases()
        for index, case in enumerate(cases)
        for arch in archs
        if only in case.name
    ]
    return [job for job in found if not job.has_fp8 or job.arch >= _FIRST_FP8_ARCH]


def compile_job(job: Job) -> Compiled:
    """Compile one case with triton and the assembler in its wheel; in a cache folder of its own, so that it is done."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    module = importlib.import_module(f".cuda.{job.module}", __package__)
    case: AotCase = module.AOT_CASES[job.index]
    signature = {name: case.signature.get(name, "constexpr") for name in case.kernel.arg_names}
    names = case.kernel.arg_names
    attributes = {(names.index(name),): [["tt.divisibility", 16]] for name in case.aligned}
    source = ASTSource(fn=case.kernel, signature=signature, constexprs=dict(case.constants), attrs=attributes)
    options = {"num_warps": case.num_warps, "num_stages": case.num_stages, **case.options}
    log, started = io.StringIO(), time.perf_counter()
    with tempfile.TemporaryDirectory() as cache, contextlib.redirect_stdout(log):
        triton.knobs.cache.dir = cache
        triton.knobs.nvidia.dump_ptxas_log = True
        try:
            kernel = triton.compile(source, target=GPUTarget("cuda", job.arch, 32), options=options)
        except Exception as error:  # noqa: BLE001 - whatever a compiler raises is this case's result
            return Compiled(job, 0, 0, 0, time.perf_counter() - started, f"{type(error).__name__}: {error}")
    registers, spills = read_log(log.getvalue())
    return Compiled(job, registers, spills, kernel.metadata.shared, time.perf_counter() - started, None)


def read_log(text: str) -> tuple[int, int]:
    """(registers, bytes of spills) in what `ptxas -v` says of one kernel."""
    registers = re.findall(r"Used (\d+) registers", text)
    spills = re.findall(r"(\d+) bytes spill (?:stores|loads)", text)
    assert registers, f"expected a line 'Used N registers' from ptxas, got {text!r}"
    assert spills, f"expected a line 'N bytes spill stores' from ptxas, got {text!r}"
    return max(map(int, registers)), sum(map(int, spills))


def report(results: Sequence[Compiled], out: Console) -> int:
    """Print the table; the number of cases that are not fine."""
    archs = sorted({result.job.arch for result in results})
    table = Table("kernel", *(f"sm_{arch}" for arch in archs), title="registers, spills, shared memory")
    rows: dict[str, dict[int, Compiled]] = {}
    for result in results:
        rows.setdefault(result.job.name, {})[result.job.arch] = result
    for name in sorted(rows):
        table.add_row(name, *(_cell(rows[name].get(arch)) for arch in archs))
    out.print(table)
    for name in sorted(rows):
        reasons = {r.job.spill_reason for r in rows[name].values() if r.num_spill_bytes and r.is_fine}
        for reason in reasons:
            out.print(f"{name} spills: {reason}")
    wrong = [result for result in results if not result.is_fine]
    for result in wrong:
        fault = result.error or f"spills {result.num_spill_bytes} bytes; take a smaller tile, or give a spill_reason"
        out.print(f"sm_{result.job.arch} {result.job.name}: {fault}", style="red", markup=False)
    return len(wrong)


def _cell(result: Compiled | None) -> str:
    if result is None:
        return "no fp8"
    if result.error is not None:
        return "[red]failed"
    color = "[red]" if not result.is_fine else "[yellow]" if result.num_spill_bytes else ""
    return f"{color}{result.num_registers:3d} {result.num_spill_bytes:4d} B {result.num_shared_bytes / 1024:5.1f} K"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile and print; 1 where something is not fine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--arch", type=int, action="append", choices=ARCHS, help="default: all")
    parser.add_argument("--only", default="", help="kernels with this in their name")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="processes, default: the cores")
    options = parser.parse_args(arguments)
    out = Console()
    todo = jobs(options.arch or ARCHS, options.only)
    if not todo:
        out.print(f"expected kernels with {options.only!r} in their name, found none")
        return 1
    started = time.perf_counter()
    results: list[Compiled] = []
    # Forked children would inherit locks of torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context) as pool, Progress(console=out, transient=True) as progress:
        bar = progress.add_task(
            f"compiling for {', '.join(f'sm_{arch}' for arch in options.arch or ARCHS)}", total=len(todo)
        )
        for future in as_completed([pool.submit(compile_job, job) for job in todo]):
            results.append(future.result())
            progress.advance(bar)
    num_wrong = report(results, out)
    seconds = time.perf_counter() - started
    out.print(f"{len(results)} compiled in {seconds:.0f} s, {num_wrong} not fine")
    return 1 if num_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
