"""The page of parameters is the tables'."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_page_is_up_to_date() -> None:
    names = runpy.run_path(str(DOCS / "generate_parameters.py"))
    written = (DOCS / "parameters.md").read_text(encoding="utf-8")
    assert written == names["page"](), "run python docs/generate_parameters.py"
