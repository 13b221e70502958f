"""The page of metrics is the table's."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_page_is_up_to_date() -> None:
    names = runpy.run_path(str(DOCS / "generate_metrics.py"))
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == names["page"](), "run python docs/generate_metrics.py"
