"""The groups of the JSON-Schema-Test-Suite, and what becomes of each."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from palmette.grammar.acceptance import BYTE_VOCABULARY, accepts_compiled
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.errors import GrammarError, UnsatisfiableConstraint
from palmette.grammar.spec import JsonSchema

SUITE = Path(__file__).parents[3] / "shared" / "data" / "json-schema-test-suite"
NOT_CORE = ("format", "vocabulary")
"""Files about what a validator may do or not."""
_DIALECTS = {"draft7": "http://json-schema.org/draft-07/schema#"}


@dataclass(frozen=True)
class GroupOutcome:
    """What became of a group: right, stricter (some valid instance is not accepted), refused, or let through."""

    group: str
    verdict: str
    reason: str = ""


def run_suite(draft: str, options: JsonSchema) -> list[GroupOutcome]:
    """Every core group of a draft, compiled with `options`, whose schema is replaced."""
    compiler = GrammarCompiler(BYTE_VOCABULARY, max_cached=1)
    return [
        _outcome(compiler, f"{path.stem}: {group['description']}", group, draft, options)
        for path in sorted((SUITE / draft).glob("*.json"))
        if path.stem not in NOT_CORE
        for group in json.loads(path.read_text(encoding="utf-8"))
    ]


def _outcome(
    compiler: GrammarCompiler, name: str, group: dict[str, Any], draft: str, options: JsonSchema
) -> GroupOutcome:
    schema = group["schema"]
    if isinstance(schema, dict) and draft in _DIALECTS:
        schema = {"$schema": _DIALECTS[draft], **schema}
    try:
        compiled = compiler.compile(msgspec.structs.replace(options, schema=json.dumps(schema)))
    except UnsatisfiableConstraint:
        has_valid = any(test["valid"] for test in group["tests"])
        return GroupOutcome(name, "unsatisfiable, wrongly" if has_valid else "right")
    except GrammarError as error:
        return GroupOutcome(name, "refused", getattr(error, "reason", str(error)))
    verdict = GroupOutcome(name, "right")
    for test in group["tests"]:
        text = json.dumps(test["data"], ensure_ascii=False, separators=(",", ":"))
        is_accepted = accepts_compiled(compiled, text)
        if is_accepted and not test["valid"]:
            return GroupOutcome(name, "let through", text)
        if test["valid"] and not is_accepted:
            verdict = GroupOutcome(name, "stricter", text)
    return verdict
