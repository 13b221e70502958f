"""docs/what-is-enforced.md is what its generator writes, but for the suite's part."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from palmette.grammar.json_schema.keywords import KEYWORD_TYPES

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_enforced", DOCS / "generate_enforced.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_enforced"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(generator: ModuleType) -> None:
    page = (DOCS / "what-is-enforced.md").read_text(encoding="utf-8")
    written, heading, suite = page.partition(generator.SUITE_HEADING)
    assert written == generator.keyword_part(), "run: PYTHONPATH=tests/support python docs/generate_enforced.py"
    assert heading
    assert "| draft2020-12 | literal | any |" in suite


def test_every_keyword_is_on_the_page(generator: ModuleType) -> None:
    page = generator.keyword_part()
    missing = [keyword for keyword in KEYWORD_TYPES if keyword not in page]
    assert not missing
