"""The official JSON-Schema-Test-Suite: whatever is not refused lets no invalid instance through."""

from collections import Counter

import pytest
from suite_groups import SUITE, run_suite

from palmette.grammar.spec import JsonSchema

AT_LEAST_RIGHT: dict[tuple[str, str, str], int] = {
    ("draft2020-12", "literal", "any"): 340,
    ("draft2020-12", "literal", "declared"): 329,
    ("draft2020-12", "tight", "declared"): 270,
    ("draft7", "literal", "any"): 227,
    ("draft7", "tight", "declared"): 170,
}


@pytest.mark.skipif(not SUITE.is_dir(), reason=f"the suite is not at {SUITE}")
@pytest.mark.parametrize(("draft", "reading", "order"), AT_LEAST_RIGHT)
def test_nothing_invalid_gets_through(draft: str, reading: str, order: str) -> None:
    options = JsonSchema("true", "compact", reading, property_order=order)
    outcomes = run_suite(draft, options)
    counts = Counter(outcome.verdict for outcome in outcomes)
    assert not [outcome for outcome in outcomes if outcome.verdict == "let through"]
    assert counts["unsatisfiable, wrongly"] == 0
    assert all(outcome.reason for outcome in outcomes if outcome.verdict == "refused")
    assert counts["right"] >= AT_LEAST_RIGHT[draft, reading, order], counts
    if order == "any":
        assert counts["stricter"] == 0, [outcome for outcome in outcomes if outcome.verdict == "stricter"]
