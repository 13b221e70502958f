"""The page on token healing: its program prints what it says."""

import re
from pathlib import Path

import pytest

import palmette

PAGE = Path(__file__).parent.parent.parent / "docs" / "token-healing.md"


def test_its_program_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    with palmette.Engine() as engine:
        palmette.set_default_backend(engine)
        try:
            exec(compile(code, str(PAGE), "exec"), {})
        finally:
            palmette.set_default_backend(None)
    (said,) = re.findall(r"# (\[.*\])$", code, re.MULTILINE)
    assert capsys.readouterr().out == said + "\n"
