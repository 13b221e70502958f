"""The compiler: what is kept, shared, and imported when."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from palmette.grammar import compiler as compiler_module
from palmette.grammar.acceptance import BYTE_VOCABULARY, accepts
from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.errors import GrammarError, UnsatisfiableConstraint
from palmette.grammar.matcher import CompiledGrammar
from palmette.grammar.notations.regex import compile_regex
from palmette.grammar.rules.rule_set import RuleSet
from palmette.grammar.spec import Choice, Ebnf, JsonSchema, Regex


def test_the_most_recently_used_are_kept() -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, max_cached=2)
    first = compiler.compile(Regex("a"))
    compiler.compile(Regex("b"))
    assert compiler.compile(Regex("a")) is first
    compiler.compile(Regex("c"))
    assert len(compiler) == 2
    assert compiler.compile(Regex("a")) is first


def test_failures_are_not_kept() -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY)
    for _ in range(2):
        with pytest.raises(UnsatisfiableConstraint):
            compiler.compile(JsonSchema("false"))
    assert len(compiler) == 0


def test_threads_share_one_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = Barrier(8)
    num_compiled = 0

    def counted(pattern: str) -> RuleSet:
        nonlocal num_compiled
        num_compiled += 1
        return compile_regex(pattern)

    monkeypatch.setattr(compiler_module, "compile_regex", counted)
    compiler = GrammarCompiler(BYTE_VOCABULARY)

    def ask(_: int) -> CompiledGrammar:
        barrier.wait(timeout=30)
        return compiler.compile(Regex("ab*"))

    with ThreadPoolExecutor(8) as pool:
        compiled = list(pool.map(ask, range(8)))
    assert all(each is compiled[0] for each in compiled)
    assert num_compiled == 1


def test_heavy_libraries_come_with_the_first_compile() -> None:
    code = (
        "import sys, palmette.grammar.compiler, palmette.grammar.acceptance\n"
        "heavy = {'torch', 'xgrammar', 'transformers', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "constraint", [Regex("a+"), Choice(("aa", "aaa")), Ebnf('root ::= "a" root?'), JsonSchema('{"const": "a"}')]
)
def test_every_kind_of_constraint(constraint: Regex | Choice | Ebnf | JsonSchema) -> None:
    text = '"a"' if isinstance(constraint, JsonSchema) else "aa"
    assert accepts(constraint, text)
    assert not accepts(constraint, "b")
    assert not accepts(constraint, "\ud800")


def test_anything_else_raises() -> None:
    with pytest.raises(GrammarError, match="expected Regex"):
        GrammarCompiler(BYTE_VOCABULARY).compile("a+")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_cached"):
        GrammarCompiler(BYTE_VOCABULARY, max_cached=0)
