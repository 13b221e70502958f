"""The page on constraints: its programs run, one after another, and its tables say what is so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import palmette
from palmette.grammar import errors, spec
from palmette.grammar.json_schema import branch_rules, document, facts, gathering, values
from palmette.grammar.json_text import layout, numbers
from palmette.grammar.notations import choice, ebnf, regex, regex_parser
from palmette.grammar.rules import rule_set
from palmette.grammar.tool_calls import call_turn
from palmette.runtime.config import EngineConfig

PAGE = Path(__file__).parent.parent.parent / "docs" / "constraints.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def engine() -> Iterator[palmette.Engine]:
    with palmette.Engine() as made:
        palmette.set_default_backend(made)
        yield made
        palmette.set_default_backend(None)
        made.check_integrity()


@pytest.mark.usefixtures("engine")
def test_its_programs_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "page"}
    shown: list[str] = []
    for code in BLOCKS:
        exec(compile(code, str(PAGE), "exec"), names)
        shown.append(capsys.readouterr().out)
    kinds, engines, _, _, dead_end, audit, calls, _, report = shown
    assert len(kinds.split()) >= 5
    assert "  time: llguidance, a Lark grammar" in engines
    assert "  colour: automaton, one of 3 texts" in engines
    assert engines.splitlines()[-1].startswith("llguidance, ")
    assert dead_end.startswith("ConstraintDeadEnd the constraint allows nothing after ")
    assert "# pattern refused regex: expected" in audit
    assert "# type enforced" in audit
    assert calls == "get_weather {'city': 'Rome'}\n"
    assert re.fullmatch(r"-\d+\.\d+ \[[\d, ]+\] 0 0\n", report)


def test_every_kind_is_in_the_table() -> None:
    for kind in get_args(spec.Constraint):
        assert re.search(rf"^\|.*`{kind.__name__}[(`]", TEXT, re.MULTILINE), kind.__name__
    for name in spec.JsonSchema.__struct_fields__[1:]:
        assert f"| `{name}` |" in TEXT
    for name in spec.ToolCalls.__struct_fields__[1:]:
        assert f"| `{name}` |" in TEXT


def test_every_error_is_in_the_tree() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GrammarError)]
    assert len(kinds) > 10
    for kind in kinds:
        assert kind.__name__ in TEXT, kind.__name__


def test_the_options_of_the_engine_are_as_said() -> None:
    constraints = EngineConfig().constraints
    assert f"| `max_rollbacks` | {constraints.rollback.max_rollbacks} |" in TEXT
    assert f"| `max_tokens_taken_back` | {constraints.rollback.max_tokens} |" in TEXT
    assert f"| `validate_output` | `{constraints.is_output_validated}` |" in TEXT
    assert f"| `num_mask_threads` | {constraints.num_mask_threads} |" in TEXT
    assert f"| `num_compile_workers` | {constraints.num_compile_workers} |" in TEXT
    assert f"| `compile_timeout_s` | {constraints.compile_time_limit_s:g} |" in TEXT
    assert f"| `compile_memory_mb` | {constraints.compile_memory_limit_mb} |" in TEXT
    assert f"| `grammar_cache_mb` | {constraints.grammar_cache_mb} |" in TEXT


def test_the_limits_are_as_said() -> None:
    limits = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", TEXT.partition("## Limits")[2], re.MULTILINE))
    for what, bounds in {
        "a JSON Schema": (
            document.MAX_SCHEMA_LEN,
            document.MAX_DEPTH,
            branch_rules.MAX_BRANCHES,
            gathering.MAX_CONJUNCTS,
        ),
        "an `enum`": (values.MAX_ENUM_LEN,),
        "`maxLength`, `maxItems`, repeats": (facts.MAX_COUNT,),
        "digits of a numeric bound": (numbers.MAX_BOUND_DIGITS,),
        "levels of indented JSON": (layout.MAX_INDENTED_DEPTH,),
        "a regular expression": (regex.MAX_PATTERN_LEN, regex.MAX_EXPANDED_LEN, regex_parser.MAX_NESTING),
        "an EBNF or Lark grammar": (ebnf.MAX_GRAMMAR_LEN,),
        "`choices`": (choice.MAX_CHOICES, choice.MAX_CHOICES_LEN),
        "tools of a turn": (call_turn.MAX_TOOLS,),
        "rules of a grammar": (rule_set.MAX_RULES,),
    }.items():
        assert [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", limits[what])] == list(
            bounds
        ), what


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (PAGE.parent / link).resolve().exists(), link
