"""Seeded runs in which generations heal their seams, against the oracle, which looks for the seam in its own way."""

import pytest
from naive_generation import seam_len
from run import replay_command, run_seed
from tiny_language import TOKENIZER

from palmette.grammar.spec import Regex
from palmette.lang.ir import Gen

SEEDS_PER_TEST = 15


@pytest.mark.parametrize("first", range(0, 45, SEEDS_PER_TEST))
def test_seeded_runs_that_heal_equal_the_oracle(first: int) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        try:
            run_seed(seed, is_healing=True)
        except Exception as error:
            error.add_note(f"replay: {replay_command(seed, is_healing=True)}")
            raise


@pytest.mark.parametrize(
    ("text", "constraint", "expected"),
    [
        ("d a", None, 1),  # " a" -> " ab"
        ("da", None, 1),  # "a" -> "ab"
        ("db", None, 0),
        ("d ", None, 1),
        ("da", Regex("b"), 1),
        ("da", Regex("bc?e"), 1),  # "abc": "bc" is no token, but legal
        ("da", Regex("d"), 0),
        ("a", None, 0),  # the first token of a text stays
    ],
)
def test_the_oracle_looks_for_what_could_span(text: str, constraint: Regex | None, expected: int) -> None:
    tape = TOKENIZER.encode(text, has_special=False)
    assert seam_len(tape, 0, Gen("x", constraint=constraint)) == expected
