"""Environment: the machine and the versions that figures belong to."""

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch


def describe_environment() -> dict[str, str | int]:
    """Processor, cores this process may use, threads, versions, date."""
    return {
        "cpu": _cpu_name(),
        "num_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "num_threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("palmette", "torch", "transformers", "xgrammar")},
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def environment_line(environment: dict[str, str | int]) -> str:
    """The same in a line."""
    versions = ", ".join(f"{name} {environment[name]}" for name in ("palmette", "torch", "transformers", "xgrammar"))
    return (
        f"{environment['cpu']}, {environment['num_cores']} cores, torch threads {environment['num_threads']}; "
        f"{environment['system']}, Python {environment['python']}, {versions}; {environment['date']}"
    )


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown CPU"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
