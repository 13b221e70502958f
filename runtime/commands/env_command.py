"""`palmette env`: what palmette finds here, to choose by and to put into a report of a fault."""

import argparse
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console

from .command import Commands, add_command
from .flag import PREFIX

_REQUIRED = ("torch", "xgrammar", "llguidance", "tokenizers", "safetensors", "msgspec", "fastapi", "uvicorn", "httpx")
_OPTIONAL = ("triton", "flash-attn", "flashinfer-python", "pydantic", "transformers", "opentelemetry-api", "openai")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "env", show_environment, "palmette env --json")
    parser.add_argument("--json", action="store_true", help="as JSON")


def show_environment(options: argparse.Namespace, out: Console) -> int:
    """Show what was found here: device, memory, number types, versions, and what the environment sets.

    Values of variables are not shown, since keys may be among them.
    """
    facts = dict(_facts())
    if options.json:
        out.print(json.dumps(facts, indent=2))
        return 0
    width = max(map(len, facts)) + 3
    for name, value in facts.items():
        out.print(name.ljust(width) + (", ".join(value) if isinstance(value, list) else value))
    return 0


def _facts() -> Iterator[tuple[str, str | list[str]]]:
    yield "palmette", _version("palmette") or "not installed"
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "system", f"{platform.system()} {platform.machine()}"
    yield "cpu threads", str(os.cpu_count())
    yield "memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1024**3:.1f} GiB"
    yield from _device_facts()
    for name in (*_REQUIRED, *_OPTIONAL):
        missing = "missing" if name in _REQUIRED else "not there"
        yield name, _version(name) or missing
    yield "compiler", next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), "not there")
    yield "variables", sorted(name for name in os.environ if name.startswith(PREFIX)) or "none"


def _device_facts() -> Iterator[tuple[str, str | list[str]]]:
    if _version("torch") is None:
        yield "device", "unknown: torch is missing"
        return
    import torch  # takes a second, and no other line here needs it

    if not torch.cuda.is_available():
        yield "device", "cpu"
        yield "dtype", "float32 (where none is asked for)"
        yield "torch threads", str(torch.get_num_threads())
        yield "cpu kernels", _cpu_kernels()
        yield from _attention_facts()
        return
    yield "device", [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield "device memory", [_free_and_total(index) for index in range(torch.cuda.device_count())]
    yield "dtype", "the checkpoint's" + ("" if torch.cuda.is_bf16_supported() else " (no bfloat16 here)")
    yield "cuda", str(torch.version.cuda)
    yield "cuda kernels", _cuda_kernels()
    yield from _attention_facts()


def _cuda_kernels() -> list[str] | str:
    """Who does what on the device, by dtype; the ports in `kernels` choose so."""
    version = _version("triton")
    if version is None:
        return "none: triton is missing, and nothing runs on the device without it"
    return [
        f"attention, norms, rotary, sampling, cells: Triton {version} (float32, float16, bfloat16)",
        "linear: cuBLAS through PyTorch; with int8 weights: Triton",
    ]


def _attention_facts() -> Iterator[tuple[str, str]]:
    """Who would attend for a usual model, and why nobody else would; `--attention-backend` has its own word."""
    import torch

    from ...kernels.attention_backends.attention_case import ROW_MIXES, AttentionCase
    from ...kernels.attention_backends.choice import BACKENDS, choose_backend, choose_backends
    from ...kernels.attention_backends.machine import find_machine

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    case = AttentionCase(dtype, num_heads=32, num_kv_heads=8, head_dim=128, page_size=16)
    try:
        machine = find_machine(device)
    except ValueError as error:
        yield "attention", f"unknown: {error}"
        return
    chosen = choose_backends(case, machine)
    names = {choice.name for choice in chosen.values()}
    each = (f"{mix}: {chosen[mix].name} ({chosen[mix].why})" for mix in ROW_MIXES)
    first = choose_backend(case, machine)
    of = f"for {str(dtype).removeprefix('torch.')}, heads of {case.head_dim}, pages of {case.page_size}"
    yield "attention", f"{first.name} ({first.why}), {of}" if len(names) == 1 else f"{'; '.join(each)}, {of}"
    for name, why_not in first.others:
        under_masks = BACKENDS[name].why_not(replace(case, mix="trees"), machine)
        elsewhere = f"; rows under ancestor masks would go to {chosen['trees'].name}: {under_masks}"
        has_more = under_masks is not None and BACKENDS[name].why_not(case, machine) is None
        yield f"attention, not {name}", why_not + (elsewhere if has_more else "")


def _cpu_kernels() -> str:
    from ...kernels.cpu.library import VARIABLE, cpu_kernels

    try:
        found = cpu_kernels(os.environ.get(VARIABLE, "auto"))
    except ValueError as error:
        return f"unknown: {error}"
    if found.library is None:
        return f"PyTorch: {found.reason}"
    threads = "the threads of PyTorch" if found.library.has_threads else "one thread: PyTorch's OpenMP was not found"
    return f"C for {found.library.instruction_set} ({found.reason}), by {found.library.compiler}, on {threads}"


def _free_and_total(index: int) -> str:
    import torch

    free, total = torch.cuda.mem_get_info(index)
    return f"{free / 1024**3:.1f} of {total / 1024**3:.1f} GiB free"


def _version(name: str) -> str | None:
    import importlib.metadata  # as long to import as all of this

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
