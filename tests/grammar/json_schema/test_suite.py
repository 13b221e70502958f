"""The official JSON-Schema-Test-Suite: whatever is not refused lets no invalid instance through."""

import json
from collections import Counter
from pathlib import Path

import pytest

from palmette.grammar.acceptance import BYTE_VOCABULARY, accepts_compiled
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.errors import GrammarError, UnsatisfiableConstraint
from palmette.grammar.spec import JsonSchema, Reading

SUITE = Path(__file__).parents[4] / "shared" / "data" / "json-schema-test-suite"
AT_LEAST_RIGHT: dict[tuple[str, str], int] = {
    ("draft2020-12", "tight"): 130,
    ("draft2020-12", "literal"): 150,
    ("draft7", "literal"): 150,
}


@pytest.mark.skipif(not SUITE.is_dir(), reason=f"the suite is not at {SUITE}")
@pytest.mark.parametrize(("draft", "reading"), AT_LEAST_RIGHT)
def test_nothing_invalid_gets_through(draft: str, reading: Reading) -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY)
    counts: Counter[str] = Counter()
    through: list[str] = []
    for path in sorted((SUITE / draft).glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            outcome = _outcome(compiler, group, reading)
            counts[outcome] += 1
            if outcome == "let through":
                through.append(f"{path.name}: {group['description']}")
    assert not through, through
    assert counts["unsatisfiable, wrongly"] == 0
    assert counts["right"] >= AT_LEAST_RIGHT[draft, reading], counts


def _outcome(compiler: GrammarCompiler, group: dict, reading: Reading) -> str:
    """What becomes of a group: right, stricter than need be, refused, or let through."""
    try:
        compiled = compiler.compile(JsonSchema(json.dumps(group["schema"]), whitespace="compact", reading=reading))
    except UnsatisfiableConstraint:
        return "right" if not any(test["valid"] for test in group["tests"]) else "unsatisfiable, wrongly"
    except GrammarError:
        return "refused"
    outcome = "right"
    for test in group["tests"]:
        text = json.dumps(test["data"], ensure_ascii=False, separators=(",", ":"))
        is_accepted = accepts_compiled(compiled, text)
        if is_accepted and not test["valid"]:
            return "let through"
        if test["valid"] and not is_accepted:
            outcome = "stricter"
    return outcome
