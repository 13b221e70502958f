"""Type checkers infer `str`, `T` or `list[T]`: mypy reads `typing_cases.py` and says what is written there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import palmette

CASES = Path(__file__).with_name("typing_cases.py")
CONFIG = """[mypy]
strict = True
show_error_codes = True
hide_error_context = True
[mypy-palmette.*]
ignore_errors = True
# What programs are written against is the language; the runtime would pull in torch.
[mypy-palmette.runtime.*,torch.*]
follow_imports = skip
"""
MODULES = re.compile(r"\b(?:palmette(?:\.\w+)+|typing_cases|builtins|datetime)\.(?=\w)")


def expected() -> dict[int, str]:
    """By line: the type, or the code of the error."""
    found = {}
    for number, line in enumerate(CASES.read_text().splitlines(), 1):
        code, _, comment = line.partition("  # ")
        if "reveal_type(" in code or comment.startswith("error: "):
            found[number] = comment
    return found


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What mypy says, in the same words."""
    folder = tmp_path_factory.mktemp("types")
    # mypy does not follow the hook of an editable install: it finds the package by a link of its name.
    (folder / "palmette").symlink_to(Path(palmette.__file__).parent, target_is_directory=True)
    (folder / "mypy.ini").write_text(CONFIG)
    (folder / CASES.name).write_text(CASES.read_text())
    command = [sys.executable, "-m", "mypy", "--cache-dir", "cache", CASES.name]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said: dict[int, str] = {}
    for line in ran.stdout.splitlines():
        match = re.match(rf"{CASES.name}:(\d+): (error|note): (.*)", line)
        if match is None:
            assert line.startswith("Found "), ran.stdout + ran.stderr
            continue
        number, kind, words = int(match[1]), match[2], match[3]
        if revealed := re.match(r'Revealed type is "(.*)"', words):
            said[number] = MODULES.sub("", revealed[1])
        elif kind == "error":
            said[number] = f"error: {words.rsplit('[', 1)[1].removesuffix(']')}"
    assert said, ran.stdout + ran.stderr
    return said


def test_types_are_as_written(reported: dict[int, str]) -> None:
    lines = CASES.read_text().splitlines()
    named = {number: lines[number - 1].strip() for number in expected() | reported}
    assert {named[n]: words for n, words in reported.items()} == {named[n]: words for n, words in expected().items()}
