"""Copies of the package in which a fault can be put without touching the tree that others work in."""

import compileall
import os
import shutil
from pathlib import Path

from .mutation import Mutation

ROOT = Path(__file__).parents[3]
FOLDERS = ("grammar", "kernels", "lang", "runtime")
_NOT_COPIED = shutil.ignore_patterns("__pycache__")


def copy_package(home: Path) -> Path:
    """A copy of the package as it is now, importable as `palmette` from `home`, compiled; returns its folder.

    Source files are copied, so that nobody who goes on writing is in the way; weights are linked where that can be.
    """
    copy = home / "palmette"
    copy.mkdir(parents=True)
    for file in ("__init__.py", "__main__.py", "py.typed"):
        shutil.copy2(ROOT / file, copy / file)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=_NOT_COPIED, copy_function=_copy_or_link)
    compileall.compile_dir(copy, quiet=2)
    return copy


def copy_simulation(home: Path) -> Path:
    """A copy of the simulation as it is now, so that all trials run the same; returns its folder of tests."""
    tests = home / "tests"
    for folder in ("simulation", "support"):
        shutil.copytree(
            ROOT / "tests" / folder, tests / folder, ignore=shutil.ignore_patterns("__pycache__", "mutants")
        )
    return tests


def copy_with_fault(base: Path, home: Path, mutation: Mutation) -> Path:
    """A copy of the copy `base` with one file patched; the others are the same files."""
    copy = home / "palmette"
    shutil.copytree(base, copy, copy_function=_link)
    file = copy / mutation.file
    patched = mutation.patched_file(base)
    file.unlink()
    file.write_text(patched, encoding="utf-8")
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()
    return copy


def _copy_or_link(source: str, destination: str) -> None:
    if source.endswith(".py"):
        shutil.copy2(source, destination)
    else:
        _link(source, destination)


def _link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copy2(source, destination)
