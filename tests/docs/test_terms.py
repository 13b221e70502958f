"""The page on the terms of a run: its program runs."""

import re
from pathlib import Path

import palmette

PAGE = Path(__file__).parent.parent.parent / "docs" / "terms.md"


def test_its_program_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    with palmette.Engine() as engine:
        palmette.set_default_backend(engine)
        try:
            exec(compile(code, str(PAGE), "exec"), names)
        finally:
            palmette.set_default_backend(None)
    assert isinstance(names["state"], palmette.ProgramState)
    assert names["state"]["summary"] is not None
