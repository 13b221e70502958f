"""The check of finished texts, which an option asks for: good ones pass, and what enforcement let slip is an error."""

import pytest
from engine_harness import COMPILER, TOKENIZER, Harness, gen, tokens
from torch import Tensor

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.matcher import CompiledGrammar
from palmette.grammar.spec import Choice, Constraint, JsonSchema, Regex
from palmette.lang.ir import Gen
from palmette.runtime.config import EngineConfig
from palmette.runtime.errors import ConstraintViolated, InvalidOption
from palmette.runtime.output_check import OutputCheck

SCHEMA = JsonSchema('{"type": "array", "items": {"type": "integer", "minimum": 3}, "maxItems": 2}')


@pytest.mark.parametrize("constraint", [SCHEMA, Choice(("yes", "no")), Regex("[ab]{2,5}")])
def test_good_texts_pass(constraint: Constraint) -> None:
    operation = Gen("x", gen(60, ignore_eos=False, temperature=1.0).params, constraint)
    plain, checked = (
        Harness(is_output_validated=is_validated).answer([tokens(1, 2), operation]) for is_validated in (False, True)
    )
    assert plain.samples() == checked.samples()


class _Mistaken(GrammarCompiler):
    """Compiles another constraint than it was asked for."""

    def __init__(self, other: Constraint) -> None:
        super().__init__(COMPILER.vocabulary)
        self._other = other

    def compile(self, constraint: Constraint) -> CompiledGrammar:
        """See `GrammarCompiler`."""
        return COMPILER.compile(self._other)


def test_what_slipped_through_is_an_error_of_that_request() -> None:
    harness = Harness(compiler=_Mistaken(Choice(("[1, 2]", "[5, 6, 7]"))), is_output_validated=True)
    bad = harness.answer([tokens(1, 2), Gen("x", gen(60, ignore_eos=False).params, SCHEMA)])
    assert isinstance(bad.error, ConstraintViolated)
    assert "not valid by the schema" in str(bad.error)
    harness.check_all_returned()
    cut = harness.answer([tokens(1, 2), Gen("x", gen(1, ignore_eos=False).params, SCHEMA)])
    assert cut.samples()[0].finish_reason.type == "length", "what was cut is not checked"


@pytest.mark.parametrize(
    ("text", "why"), [("[3", "not complete"), ("[3, 4]]", "is not allowed"), ("[03]", "is not allowed")]
)
def test_each_way_to_be_wrong_is_named(text: str, why: str) -> None:
    check = OutputCheck(SCHEMA, COMPILER.compile(SCHEMA))
    with pytest.raises(ConstraintViolated, match=why):
        check.check(text, TOKENIZER.encode(text, has_special=False))


class _Lenient:
    """A grammar that allows everything."""

    engine = "automaton"
    reason = ""
    num_bytes = 0
    is_completed = is_terminated = True
    num_revocable_tokens = 0

    def new_matcher(self) -> "_Lenient":
        return self

    def fill_bitmask(self, row: Tensor) -> bool:
        row.fill_(-1)
        return False

    def accept(self, token_id: int) -> bool:
        return True


@pytest.mark.parametrize(("text", "why"), [("[3", "no JSON"), ("[3, 1]", "not valid"), ("[3, NaN]", "no JSON")])
def test_json_is_judged_without_the_grammar(text: str, why: str) -> None:
    check = OutputCheck(SCHEMA, _Lenient())  # type: ignore[arg-type]  # as much of a grammar as is asked for
    with pytest.raises(ConstraintViolated, match=why):
        check.check(text, [1])
    check.check("[3, 4]", [1])


def test_the_options_are_checked() -> None:
    constraints = EngineConfig.from_options(
        max_rollbacks=3, max_tokens_taken_back=0, num_mask_threads=0, validate_output=True
    ).constraints
    assert (constraints.rollback.max_rollbacks, constraints.rollback.max_tokens) == (3, 0)
    assert (constraints.num_mask_threads, constraints.is_output_validated) == (0, True)
    for name, value in {"max_rollbacks": -1, "num_mask_threads": True, "max_tokens_taken_back": 1.5}.items():
        with pytest.raises(InvalidOption, match=f"{name}: expected an integer >= 0"):
            EngineConfig.from_options(**{name: value})  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvalidOption, match="validate_output: expected True or False"):
        EngineConfig.from_options(validate_output=1)  # type: ignore[arg-type]  # wrong on purpose
